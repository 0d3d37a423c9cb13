"""Which topics of a bag are the rig's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tardal_ros.bags.reader import BagReader
from tardal_ros.bags.storage import Topic
from tardal_ros.calibration.rig import REFERENCE
from tardal_ros.calibration.rig import STREAMS as RIG_STREAMS
from tardal_ros.errors import RigError
from tardal_ros.registration.intake import REQUIRED

TRUTH = ("truth/detections", "truth/label_info", "truth/scene", "truth/depth")
"""What is known about the images, if anything is."""

_NEEDED = (REFERENCE, *REQUIRED)
_IMAGES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
_COMPRESSED = "/compressed"


def find_topics(bag: BagReader, path: Path, named: Mapping[str, str]) -> dict[str, str]:
    """Finds the topics of streams and truth.

    Args:
        bag: The bag.
        path: What to call it.
        named: Topics by the name of their stream or of their part of the truth, such as `truth/detections`; others are
            those of the rig, under any one namespace.

    Returns:
        Topics by those names: at least the left eyes'.

    Raises:
        RigError: A left eye has no topic or several, or a topic that is named is not there or of another type.
    """
    _check_named(bag, path, named)
    found = {name: topic for name in (*RIG_STREAMS, *TRUTH) if (topic := named.get(name))}
    if any(name not in found for name in _NEEDED):
        namespace = _namespace(bag, path, [name for name in _NEEDED if name not in found])
    else:
        # All that is needed is named: what else is there lies beside it, if anywhere.
        namespace = ""
    for name in (*RIG_STREAMS, *TRUTH):
        topic = _topic(bag.topics, namespace, name)
        if name not in found and topic:
            found[name] = topic
    return found


def info_topic(image_topic: str) -> str:
    """The camera_info beside an image topic, by the convention of image_transport."""
    return image_topic.removesuffix(_COMPRESSED).rpartition("/")[0] + "/camera_info"


def _check_named(bag: BagReader, path: Path, named: Mapping[str, str]) -> None:
    for name, topic in named.items():
        if name not in (*RIG_STREAMS, *TRUTH):
            known = ", ".join((*RIG_STREAMS, *TRUTH))
            raise RigError(f"There is no '{name}' to give the topic {topic} to: topics go to {known}.")
        if topic not in bag.topics:
            raise RigError(f"Bag {path} has no topic {topic} for {name}: it has {bag.listing()}.")
        kind = bag.topics[topic].type
        if name in RIG_STREAMS and kind not in _IMAGES:
            raise RigError(f"Topic {topic} of bag {path} is of {kind}: {name} needs one of {' or '.join(_IMAGES)}.")


def _namespace(bag: BagReader, path: Path, needed: list[str]) -> str:
    """The only namespace that has the streams needed."""
    found = {
        topic.removesuffix(_COMPRESSED).removesuffix(f"/{needed[0]}/image_raw")
        for topic in bag.topics
        if topic.removesuffix(_COMPRESSED).endswith(f"/{needed[0]}/image_raw")
    }
    whole = sorted(each for each in found if all(_topic(bag.topics, each, name) for name in needed))
    if not whole:
        wanted = " and ".join(f"{name}/image_raw" for name in needed)
        raise RigError(
            f"Bag {path} has no topics {wanted} of images under one namespace: it has {bag.listing()}. Say which ones"
            f" they are by topics, as in {needed[0]}=/camera/image_raw."
        )
    if len(whole) > 1:
        raise RigError(
            f"Bag {path} has rigs under {len(whole)} namespaces ({', '.join(each or '/' for each in whole)}): say which"
            f" one by topics, as in {needed[0]}={_topic(bag.topics, whole[0], needed[0])}."
        )
    return whole[0]


def _topic(topics: Mapping[str, Topic], namespace: str, name: str) -> str:
    """The topic of a stream or part of the truth under a namespace; images rather raw than compressed."""
    if name in TRUTH:
        return f"{namespace}/{name}" if f"{namespace}/{name}" in topics else ""
    raw = f"{namespace}/{name}/image_raw"
    there = [each for each in (raw, f"{raw}{_COMPRESSED}") if each in topics and topics[each].type in _IMAGES]
    return there[0] if there else ""
