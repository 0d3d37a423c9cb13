"""A node's parameters as one typed, frozen dataclass.

    @dataclass(frozen=True)
    class FusionParameters:
        fuser: str = parameter("laplacian", "How images are fused.", choices=("laplacian", "tardal"), read_only=True)
        scale: float = parameter(1.0, "Fraction of the resolution.", minimum=0.1, maximum=1.0)

    parameters = declare(node, FusionParameters, on_change=self._retune)
    parameters.values.scale

A field is a bool, int, float, str, or a tuple of int, float or str. Values that belong together are checked in the
dataclass's `__post_init__`, which raises ValueError or RigError.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult

from tardal_ros.errors import RigError

T = TypeVar("T")
P = TypeVar("P")

_KINDS = {bool: "true or false", int: "an integer", float: "a number", str: "a string"}
_LISTS = {int: "a list of integers", float: "a list of numbers", str: "a list of strings"}


@dataclasses.dataclass(frozen=True)
class _Limits:
    """What `parameter` says about a field."""

    description: str
    minimum: float | None
    maximum: float | None
    choices: tuple[Any, ...]
    read_only: bool


def parameter(
    default: T,
    description: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Sequence[Any] = (),
    read_only: bool = False,
) -> T:
    """Makes a dataclass field that `declare` turns into a ROS parameter.

    Args:
        default: The value unless YAML or the command line says otherwise.
        description: One sentence for `ros2 param describe`, with the unit.
        minimum: The smallest value allowed; for a list, of each element.
        maximum: The largest value allowed; for a list, of each element.
        choices: The only values allowed; for a list, for each element.
        read_only: Whether it is fixed once the node has started.
    """
    limits = _Limits(description, minimum, maximum, tuple(choices), read_only)
    return dataclasses.field(default=default, metadata={"limits": limits})


class ParameterSet(Generic[P]):
    """A node's declared parameters; made by `declare`.

    Attributes:
        values: The current values. A change replaces the whole object, so one read gives values that belong together.
    """

    def __init__(self, values: P, fields: Iterable[_Field], on_change: Callable[[P, P], None] | None) -> None:
        self.values = values
        self._fields = {field.name: field for field in fields}
        self._on_change = on_change

    def update(self, parameters: Iterable[Any]) -> SetParametersResult:
        """Checks a batch of rclpy parameters, then applies all of them or none; the node's on-set callback."""
        old = self.values
        try:
            changes = {p.name: self._fields[p.name].check(p.value) for p in parameters if p.name in self._fields}
            new = dataclasses.replace(old, **changes)  # type: ignore[type-var]
            if new != old:
                self.values = new
                if self._on_change:
                    self._on_change(old, new)
        except Exception as error:
            self.values = old
            return SetParametersResult(successful=False, reason=str(error) or type(error).__name__)
        return SetParametersResult(successful=True)


def declare(node: Any, cls: type[P], on_change: Callable[[P, P], None] | None = None) -> ParameterSet[P]:
    """Declares every field of a dataclass as a parameter of the node.

    Args:
        node: The rclpy node.
        cls: A frozen dataclass whose fields are made by `parameter`.
        on_change: Called with the old and the new values when a change is about to be accepted; what it raises refuses
            the change, with its text as the reason.

    Raises:
        RigError: A value from YAML or the command line is not allowed.
    """
    types = typing.get_type_hints(cls)
    fields = [_Field(f.name, types[f.name], f.metadata["limits"]) for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
    defaults = cls()
    try:
        values = cls(**{field.name: _declare_one(node, field, getattr(defaults, field.name)) for field in fields})
    except (RigError, ValueError) as error:
        raise RigError(f"{node.get_fully_qualified_name()}: {error}") from None
    parameters = ParameterSet(values, fields, on_change)
    node.add_on_set_parameters_callback(parameters.update)
    return parameters


def _declare_one(node: Any, field: _Field, default: Any) -> Any:
    """Declares one parameter and returns its checked value."""
    # Typed declarations refuse `1` for a float and take an empty list for bytes, so `check` does the typing.
    value = node.declare_parameter(field.name, default, ParameterDescriptor(dynamic_typing=True)).value
    checked = field.check(value)
    node.set_descriptor(field.name, field.descriptor())
    return checked


@dataclasses.dataclass(frozen=True)
class _Field:
    """One parameter: its name, its type and what is allowed."""

    name: str
    type: Any
    limits: _Limits

    @property
    def element(self) -> type:
        """The type of a value, or of a list's elements."""
        return typing.get_args(self.type)[0] if self.is_list else self.type

    @property
    def is_list(self) -> bool:
        return typing.get_origin(self.type) is tuple

    def check(self, value: Any) -> Any:
        """Returns the value as the dataclass holds it, or raises RigError."""
        if not self.is_list and self._allows(value):
            return self.element(value)
        if self.is_list and not isinstance(value, str) and isinstance(value, Iterable):
            value = tuple(value)
            if all(self._allows(item) for item in value):
                return tuple(self.element(item) for item in value)
        raise RigError(f"Parameter {self.name!r} is {value!r}, but must be {self.allowed()}.")

    def _allows(self, value: Any) -> bool:
        accepted = (float, int) if self.element is float else self.element
        if not isinstance(value, accepted) or (isinstance(value, bool) and self.element is not bool):
            return False
        if isinstance(value, float) and not math.isfinite(value):
            return False
        low, high, choices = self.limits.minimum, self.limits.maximum, self.limits.choices
        return (low is None or value >= low) and (high is None or value <= high) and (not choices or value in choices)

    def allowed(self) -> str:
        """Says in words what is allowed."""
        low, high, choices = self.limits.minimum, self.limits.maximum, self.limits.choices
        words = (_LISTS if self.is_list else _KINDS)[self.element]
        if low is not None and high is not None:
            words += f" between {low} and {high}"
        elif low is not None:
            words += f" of at least {low}"
        elif high is not None:
            words += f" of at most {high}"
        return words + (f" out of {', '.join(map(repr, choices))}" if choices else "")

    def descriptor(self) -> ParameterDescriptor:
        """Returns what `ros2 param describe` and rqt show."""
        limits = self.limits
        descriptor = ParameterDescriptor(
            description=limits.description,
            additional_constraints=f"Must be {self.allowed()}.",
            read_only=limits.read_only,
            dynamic_typing=True,
        )
        if limits.minimum is not None and limits.maximum is not None and not self.is_list:
            if self.element is int:
                span = IntegerRange(from_value=int(limits.minimum), to_value=int(limits.maximum))
                descriptor.integer_range = [span]
            else:
                span = FloatingPointRange(from_value=float(limits.minimum), to_value=float(limits.maximum))
                descriptor.floating_point_range = [span]
        return descriptor
