"""What the serialised messages of a bag mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tardal_ros.bags.storage import Topic
from tardal_ros.errors import MissingDependencyError, RigError

Decode = Callable[[bytes], Any]


class Interfaces:
    """Decodes messages by the definitions that the bag brings, and where it brings none, by those of its ROS release.

    Bags in sqlite3 carry definitions from Iron on.
    """

    def __init__(self, distro: str) -> None:
        """Takes note of the release.

        Args:
            distro: Such as `jazzy`; empty where it is not known, which then is taken for Humble.

        Raises:
            MissingDependencyError: rosbags is not installed.
        """
        try:
            from rosbags.typesys import Stores, get_typestore
        except ImportError:
            raise MissingDependencyError("Reading bags needs rosbags: run `pip install rosbags`.") from None
        known = {store.value: store for store in Stores}
        self._common = get_typestore(known.get(f"ros2_{distro or 'humble'}", Stores.LATEST))

    def decoder(self, topic: Topic) -> Decode:
        """Decodes the messages of a topic into objects with the interface's attributes, arrays without a copy.

        Raises:
            RigError: Nobody defines its interface.
        """
        store = self._defined(topic) or self._known(topic.type)
        return lambda data: store.deserialize_cdr(memoryview(data), topic.type)

    def _defined(self, topic: Topic) -> Any:
        """Knows the interface as the bag defines it; None where it does not do so, or not well."""
        from rosbags.typesys import Stores, TypesysError, get_types_from_idl, get_types_from_msg, get_typestore

        if not topic.definition:
            return None
        store = get_typestore(Stores.EMPTY)
        try:
            text = topic.definition
            store.register(get_types_from_idl(text) if topic.is_idl else get_types_from_msg(text, topic.type))
            store.get_msgdef(topic.type)
        except (TypesysError, KeyError, ValueError):
            return None
        return store

    def _known(self, type_name: str) -> Any:
        """Knows the interface as ROS defines it."""
        from tardal_ros.bags.messages import definition
        from tardal_ros.bags.writer import Types

        types = Types(definition, self._common)
        try:
            types.add(type_name)
        except (RigError, ValueError):
            raise RigError(
                f"the bag does not define {type_name}, and it is not known here: source the workspace that holds it"
            ) from None
        return types.store


def decoding_errors() -> tuple[type[Exception], ...]:
    """What decoding raises on bytes that are no such message."""
    from rosbags.serde import SerdeError

    return SerdeError, AssertionError, IndexError, ValueError
