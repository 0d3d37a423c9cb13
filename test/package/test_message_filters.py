"""What we use of message_filters, on our stand-in and on the real one."""

from types import SimpleNamespace

import pytest


class FakeNode:
    """Remembers how it was asked for a subscription."""

    def create_subscription(self, msg_type, topic, callback, qos_profile, **kwargs):
        self.asked = SimpleNamespace(msg_type=msg_type, topic=topic, callback=callback, qos=qos_profile, more=kwargs)
        return SimpleNamespace(topic_name=f"/rig/{topic}")


def test_callbacks_are_called_in_order_with_their_own_arguments(message_filters):
    calls = []
    output = message_filters.SimpleFilter()
    first = output.registerCallback(lambda *given: calls.append(("first", *given)))
    second = output.registerCallback(lambda *given: calls.append(("second", *given)), "mine", 2)
    output.signalMessage("a", "b")
    assert first != second
    assert calls == [("first", "a", "b"), ("second", "a", "b", "mine", 2)]


def test_exceptions_of_a_callback_reach_the_one_who_signals(message_filters):
    output = message_filters.SimpleFilter()
    output.registerCallback(lambda message: 1 / message)
    with pytest.raises(ZeroDivisionError):
        output.signalMessage(0)
    output.signalMessage(1)


def test_subscriber_hands_on_what_its_subscription_receives(message_filters):
    node, received = FakeNode(), []
    subscriber = message_filters.Subscriber(node, str, "image", qos_profile=3, callback_group="group")
    subscriber.registerCallback(received.append)
    node.asked.callback("message")
    assert received == ["message"]
    assert (node.asked.msg_type, node.asked.topic, node.asked.qos) == (str, "image", 3)
    assert node.asked.more == {"callback_group": "group"}


def test_subscriber_knows_its_topic_and_serves_as_its_subscription(message_filters):
    node = FakeNode()
    subscriber = message_filters.Subscriber(node, str, "image")
    assert subscriber.getTopic() == "image"
    assert subscriber.topic_name == subscriber.sub.topic_name == "/rig/image"
    assert node.asked.qos == 10
    with pytest.raises(AttributeError):
        _ = subscriber.nonsense
