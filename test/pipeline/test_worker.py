import threading

import pytest

from tardal_ros.pipeline import Worker, run_in_order


class Doubler:
    """Doubles numbers; can be held up, and remembers what it saw."""

    name = "doubler"

    def __init__(self):
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.seen = []

    def process(self, item):
        self.entered.set()
        assert self.gate.wait(10)
        if item == "bad":
            raise ValueError("not a number")
        self.seen.append(item)
        return None if item == "nothing" else item * 2

    def reset(self):
        self.seen.append("reset")


class Sink:
    def __init__(self):
        self.results, self.steps, self.errors = [], [], []
        self.changed = threading.Condition()

    def deliver(self, result, step):
        with self.changed:
            self.results.append(result)
            self.steps.append(step)
            self.changed.notify_all()

    def on_error(self, item, error):
        with self.changed:
            self.errors.append((item, str(error)))
            self.changed.notify_all()

    def wait(self, condition):
        with self.changed:
            assert self.changed.wait_for(condition, 10)


@pytest.fixture
def live():
    stage, sink = Doubler(), Sink()
    worker = Worker(stage, sink.deliver, sink.on_error, age=lambda result: 0.25)
    worker.start()
    yield stage, sink, worker
    stage.gate.set()
    worker.close()
    assert worker.join(10)


def test_results_are_delivered_with_their_times(live):
    stage, sink, worker = live
    worker.submit(21)
    sink.wait(lambda: sink.results == [42])
    step = sink.steps[0]
    assert step.finished >= step.started > 0
    assert step.waited >= 0
    assert worker.meter.read().latency_p50 == 0.25


def test_newest_item_replaces_the_waiting_one(live):
    stage, sink, worker = live
    stage.gate.clear()
    worker.submit(1)
    assert stage.entered.wait(10)
    for item in (2, 3, 4):
        worker.submit(item)
    stage.gate.set()
    sink.wait(lambda: len(sink.results) == 2)
    assert sink.results == [2, 8]
    assert worker.meter.read().drops == {"replaced": 2}


def test_failing_item_costs_only_itself(live):
    stage, sink, worker = live
    worker.submit("bad")
    sink.wait(lambda: len(sink.errors) == 1)
    worker.submit(5)
    sink.wait(lambda: sink.results == [10])
    assert sink.errors == [("bad", "not a number")]
    assert worker.meter.read().last_error == "not a number"
    assert worker.meter.processed == 1


def test_reset_happens_between_items(live):
    stage, sink, worker = live
    worker.submit(1)
    sink.wait(lambda: len(sink.results) == 1)
    worker.reset()
    worker.submit(2)
    sink.wait(lambda: len(sink.results) == 2)
    assert stage.seen == [1, "reset", 2]


def test_close_lets_go_of_waiting_items(live):
    stage, sink, worker = live
    stage.gate.clear()
    worker.submit(1)
    assert stage.entered.wait(10)
    worker.submit(2)
    worker.close()
    assert not worker.join(0.01)
    stage.gate.set()
    assert worker.join(10)
    assert sink.results == []
    assert stage.seen == [1]


def test_workers_chain():
    sink = Sink()
    second = Worker(Doubler(), sink.deliver, sink.on_error)
    first = Worker(Doubler(), lambda result, step: second.submit(result), sink.on_error)
    for worker in (first, second):
        worker.start()
    first.submit(3)
    sink.wait(lambda: sink.results == [12])
    for worker in (first, second):
        worker.close()
        assert worker.join(10)


class Note(str):
    """An item that came at a moment."""

    def __new__(cls, text, stamp):
        note = super().__new__(cls, text)
        note.stamp = stamp
        return note


def test_in_order_driver_drops_nothing_but_what_a_stage_makes_nothing_of():
    items = [Note(text, stamp) for stamp, text in enumerate(["a", "b", "nothing", "d"])]
    assert list(run_in_order([Doubler(), Doubler()], items)) == ["aaaa", "bbbb", "dddd"]


def test_in_order_driver_is_lazy():
    items = iter([Note(str(stamp), stamp) for stamp in range(10)])
    results = run_in_order([Doubler()], items)
    assert next(results) == "00"
    assert next(items) == "1"


def test_in_order_driver_resets_all_stages_where_stamps_jump_back():
    first, second = Doubler(), Doubler()
    items = [Note("a", 10), Note("b", 20), Note("c", 20), Note("nothing", 5), Note("d", 6)]
    list(run_in_order([first, second], items))
    assert first.seen == ["a", "b", "c", "reset", "nothing", "d"]
    assert second.seen == ["aa", "bb", "cc", "reset", "dd"]
