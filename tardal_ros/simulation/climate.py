"""What a condition means: how much light there is, and how warm things are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tardal_ros.errors import RigError

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Climate:
    """Light and apparent temperatures of a condition.

    Attributes:
        ambient: Light that falls everywhere, BGR; 1 shows a colour as it is painted.
        sunny: Whether the sun casts shadows.
        lamps: Whether street lamps, headlights and windows are lit.
        air: Temperature of the air and of all that follows it, in degrees Celsius.
        zenith: How warm the sky looks overhead.
        wall: Temperature of walls.
        asphalt: Temperature of the road.
        cloth: Temperature of clothed people; their skin is warmer.
        visible_noise: Deviation of the visible noise in grey values.
    """

    ambient: Colour
    sunny: bool
    lamps: bool
    air: float
    zenith: float
    wall: float
    asphalt: float
    cloth: float
    visible_noise: float


CLIMATES: Mapping[str, Climate] = {
    "day": Climate((0.95, 0.98, 1.0), True, False, 16.0, 1.0, 19.0, 21.5, 27.0, 2.0),
    "night": Climate((0.10, 0.085, 0.075), False, True, 8.0, -5.0, 10.5, 9.5, 20.0, 3.5),
}


def climate_of(condition: str) -> Climate:
    """Looks a condition up.

    Raises:
        RigError: It is unknown.
    """
    if condition not in CLIMATES:
        raise RigError(f"The simulation knows no condition '{condition}': choose one of {', '.join(CLIMATES)}.")
    return CLIMATES[condition]
