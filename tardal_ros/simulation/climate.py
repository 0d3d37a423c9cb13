"""What a condition means: how much light there is, how warm things are, and what the air does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tardal_ros.errors import RigError

Colour = tuple[float, float, float]

HAZARDS = ("smoke", "fog", "glare", "rain")
"""What the condition `challenge` brings, by seed."""


@dataclass(frozen=True)
class Climate:
    """Light, temperatures and air of a condition.

    Temperatures are those of the things, in degrees Celsius; what they look like depends on their emissivity and on the
    sky too (`apparent`). Light is in display values, that is after the camera's tone curve.

    Attributes:
        ambient: Light that falls everywhere, BGR; 1 shows a colour as it is painted.
        sun: Light that the sun adds where it falls, and how dark its shadows are.
        lamps: Whether street lamps, headlights and windows are lit.
        air: Temperature of the air and of all that follows it.
        zenith: How warm the sky looks overhead.
        clouds: How much of the sky is covered, 0 to 1.
        sunlit: By how much the sun warms what it shines on.
        asphalt: Temperature of the road.
        cloth: Temperature of clothed people; their skin is warmer.
        visible_noise: Deviation of the visible noise in grey values.
        haze: Distance in metres after which the visible has lost 63 % of its contrast.
        infrared_haze: The same for infrared.
        veil: Grey value of the visible haze.
        hazard: One of `HAZARDS`, or nothing.
    """

    ambient: Colour
    sun: float
    lamps: bool
    air: float
    zenith: float
    clouds: float
    sunlit: float
    asphalt: float
    cloth: float
    visible_noise: float
    haze: float = 900.0
    infrared_haze: float = 1500.0
    veil: float = 205.0
    hazard: str = ""

    def apparent(self, temperature: float, emissivity: float = 0.95, sky: float = 0.5) -> float:
        """What infrared shows of a surface, linearised.

        Args:
            temperature: Of the surface.
            emissivity: Of the surface; the rest is mirrored.
            sky: How much of what it mirrors is the sky overhead rather than things about as warm as the air.
        """
        mirrored = self.air + sky * (self.zenith - self.air)
        return emissivity * temperature + (1.0 - emissivity) * mirrored


_DAY = Climate((0.70, 0.67, 0.64), 0.30, False, 19.0, 7.0, 0.45, 8.5, 25.5, 27.5, 1.8, haze=600.0)
_OVERCAST = Climate((0.88, 0.87, 0.85), 0.0, False, 12.0, 4.0, 0.95, 0.0, 13.5, 23.0, 2.0, haze=300.0, veil=185.0)
_NIGHT = Climate((0.12, 0.105, 0.10), 0.0, True, 8.0, -4.0, 0.2, 0.0, 10.5, 20.0, 4.0, haze=900.0, veil=14.0)
_HAZARDS: Mapping[str, Climate] = {
    "smoke": replace(_OVERCAST, hazard="smoke"),
    "fog": replace(
        _OVERCAST, hazard="fog", haze=46.0, infrared_haze=120.0, veil=196.0,
        air=7.0, asphalt=8.0, cloth=19.0, visible_noise=2.2,
    ),
    "glare": replace(
        _DAY, hazard="glare", ambient=(0.56, 0.58, 0.60), sun=0.20, haze=110.0, veil=198.0,
        sunlit=4.0, asphalt=22.0,
    ),
    "rain": replace(
        _OVERCAST, hazard="rain", ambient=(0.52, 0.50, 0.48), lamps=True, air=9.0, zenith=6.0, asphalt=9.2, cloth=16.0,
        haze=110.0, infrared_haze=170.0, veil=150.0,
    ),
}  # fmt: skip
CONDITIONS = ("day", "overcast", "night", "challenge")


def climate_of(condition: str, seed: int) -> Climate:
    """Looks a condition up.

    Args:
        condition: One of `CONDITIONS`.
        seed: Chooses the hazard of a challenge.

    Raises:
        RigError: It is unknown.
    """
    if condition == "challenge":
        return _HAZARDS[HAZARDS[seed % len(HAZARDS)]]
    known = {"day": _DAY, "overcast": _OVERCAST, "night": _NIGHT}
    if condition not in known:
        raise RigError(f"The simulation knows no condition '{condition}': choose one of {', '.join(CONDITIONS)}.")
    return known[condition]
