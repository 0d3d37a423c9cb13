"""A car: its sides painted, its other faces spanned between them along its profile."""

from __future__ import annotations

import itertools

import cv2
import numpy as np

from tardal_ros.simulation.climate import Climate, Colour
from tardal_ros.simulation.easel import Easel, Point, Sprite
from tardal_ros.simulation.mesh import Face, Mesh
from tardal_ros.simulation.mural import Mural, plain
from tardal_ros.simulation.skin import Skin, cut_out
from tardal_ros.simulation.texture import Image

LENGTH = 4.3  # Metres.
_HEIGHT = 1.65
_PAINTS: tuple[Colour, ...] = (
    (0.62, 0.28, 0.12),
    (0.16, 0.14, 0.58),
    (0.72, 0.73, 0.74),
    (0.28, 0.28, 0.27),
    (0.30, 0.42, 0.30),
    (0.10, 0.10, 0.11),
    (0.20, 0.50, 0.72),
    (0.52, 0.54, 0.55),
)
# Outlines in metres: x from the tail, y down from the roof (at 0.12) to the ground (at 1.57).
_BODY: tuple[Point, ...] = (
    (0.02, 0.85), (0.10, 0.72), (0.55, 0.66), (1.05, 0.22), (1.40, 0.13), (2.30, 0.12), (2.65, 0.20), (3.15, 0.64),
    (3.85, 0.74), (4.20, 0.88), (4.27, 1.15), (4.25, 1.34), (0.05, 1.34), (0.00, 1.10),
)  # fmt: skip
_GLASS: tuple[tuple[Point, ...], ...] = (
    ((0.78, 0.62), (1.14, 0.27), (1.44, 0.21), (1.80, 0.20), (1.80, 0.64)),
    ((1.90, 0.20), (2.28, 0.20), (2.56, 0.27), (2.94, 0.65), (1.90, 0.64)),
)
_WHEELS = (0.82, 3.38)
_ROAD = 1.57
# What is spanned between the sides, from the tail over the roof to the front, ends as in the outline.
_PROFILE: tuple[tuple[str, Point, Point], ...] = (
    ("rear", (0.05, 1.30), (0.08, 0.74)),
    ("boot", (0.08, 0.74), (0.55, 0.66)),
    ("rear glass", (0.55, 0.66), (1.08, 0.23)),
    ("roof", (1.08, 0.23), (1.45, 0.13)),
    ("roof", (1.45, 0.13), (2.35, 0.13)),
    ("glass", (2.35, 0.13), (3.13, 0.64)),
    ("bonnet", (3.13, 0.64), (4.12, 0.84)),
    ("front", (4.12, 0.84), (4.24, 1.32)),
)


def paint_side(rng: np.random.Generator, climate: Climate, metre: float, paint: Colour) -> Sprite:
    """Paints the side of a car that faces right.

    Args:
        rng: Chooses its dirt.
        climate: Temperatures.
        metre: Pixels per metre.
        paint: Its colour.

    Returns:
        A sprite whose lower edge is just below the wheels.
    """
    easel = Easel(rng, round((LENGTH + 0.1) * metre), round(_HEIGHT * metre))

    def outline(points: tuple[Point, ...]) -> list[Point]:
        return [((x + 0.05) * metre, y * metre) for x, y in points]

    body = easel.polygon(outline(_BODY))
    body = (cv2.GaussianBlur(body * 255, (0, 0), 0.10 * metre) > 127).astype(np.uint8)
    v, u = np.mgrid[0 : body.shape[0], 0 : body.shape[1]].astype(np.float32)
    x, y = u * (LENGTH + 0.1) / body.shape[1] - 0.05, v * _HEIGHT / body.shape[0]
    easel.paint(body, _lacquer(paint, y), _sheet_metal(climate, x, y), 0.05 * metre, 0.4)
    seam = easel.polygon(outline(((1.84, 0.66), (1.86, 0.66), (1.86, 1.30), (1.84, 1.30))))
    sill = easel.polygon(outline(((0.30, 1.22), (3.95, 1.22), (3.95, 1.36), (0.30, 1.36))))
    handles = [easel.polygon(outline(((a, 0.78), (a + 0.18, 0.78), (a + 0.18, 0.81), (a, 0.81)))) for a in (1.55, 2.6)]
    easel.paint(np.maximum(seam, sill), (0.08, 0.08, 0.08), climate.air + 3.0, 0.02 * metre, 0.4)
    easel.paint(np.maximum(*handles), (0.55, 0.55, 0.55), climate.air, 0.02 * metre, 0.2)
    for pane in _GLASS:
        reflection = (0.45 - 0.35 * (y - 0.2) / 0.45)[..., None] * np.array((1.0, 0.9, 0.8), np.float32)
        easel.paint(easel.polygon(outline(pane)), reflection, climate.air - 6.0 + 6.0 * y, 0.03 * metre, 0.5)
    lamps = (
        ((4.02, 0.86), (4.20, 0.90), (4.24, 1.02), (4.00, 1.00)),
        ((0.04, 0.78), (0.16, 0.78), (0.16, 1.00), (0.03, 1.00)),
    )
    for lamp, colour in zip(lamps, ((0.85, 0.88, 0.9), (0.12, 0.10, 0.70)), strict=True):
        easel.paint(
            easel.polygon(outline(lamp)), colour, climate.air + (12.0 if climate.lamps else 1.0), 0.03 * metre, 0.2
        )
    easel.paint(
        easel.oval((0.12 * metre, 1.36 * metre), (0.09 * metre, 0.04 * metre)), (0.2, 0.2, 0.2), 60.0, 0.03 * metre
    )
    for wheel in _WHEELS:
        _wheel(easel, ((wheel + 0.05) * metre, 1.25 * metre), metre, climate)
    return easel.finish()


def _lacquer(paint: Colour, y: Image) -> Image:
    """The upper half mirrors the sky, the lower half the road."""
    mirror = np.where(y < 0.72, 1.15, 0.95 - 0.45 * np.clip((y - 0.95) / 0.4, 0, 1))
    highlight = 0.35 * np.exp(-(((y - 0.80) / 0.035) ** 2)) + 0.25 * np.exp(-(((y - 0.15) / 0.03) ** 2))
    return np.asarray(np.asarray(paint, np.float32) * mirror[..., None] + highlight[..., None] * 0.7, np.float32)


def _sheet_metal(climate: Climate, x: Image, y: Image) -> Image:
    """Bare metal mirrors the cold sky above; the engine warms the bonnet, and the road the sills."""
    engine = 11.0 * np.exp(-(((x - 3.70) / 0.45) ** 2) - ((y - 0.90) / 0.35) ** 2)
    return np.asarray(climate.air - 4.0 + 5.0 * y + engine, np.float32)


def _wheel(easel: Easel, centre: Point, metre: float, climate: Climate) -> None:
    """An arch, a tyre warmed by rolling and a rim warmed by the brake."""
    rings = ((0.39, (0.05, 0.05, 0.05), 4.0), (0.32, (0.14, 0.14, 0.14), 13.0), (0.20, (0.62, 0.63, 0.64), 17.0))
    for radius, colour, warmer in rings:
        # The arch ends where the tyre stands on the road.
        ring = easel.oval(centre, (radius * metre, min(radius, 0.32) * metre))
        if radius > 0.32:
            ring = np.maximum(ring, easel.oval((centre[0], centre[1] - 0.02 * metre), (radius * metre, 0.34 * metre)))
        easel.paint(ring, colour, climate.air + warmer, 0.06 * metre, 0.5)
    for angle in np.arange(5) * 0.4 * np.pi:
        slot = (centre[0] + 0.12 * metre * np.cos(angle), centre[1] + 0.12 * metre * np.sin(angle))
        easel.paint(easel.oval(slot, (0.045 * metre, 0.045 * metre)), (0.1, 0.1, 0.1), climate.air + 22.0, 0.03 * metre)


def build_car(rng: np.random.Generator, climate: Climate, split: int) -> tuple[Mesh, tuple[float, float, float]]:
    """Builds a car that faces +y, its middle above the origin.

    Args:
        rng: Chooses colour, size and plate.
        climate: Light and temperatures.
        split: Whose colours and shapes to take.

    Returns:
        The mesh, and its length, width and height in metres.
    """
    paint = _PAINTS[split::2][int(rng.integers(len(_PAINTS[split::2])))]
    # The splits build other cars: long and low, or short and tall.
    longer, taller = (rng.uniform(0.98, 1.1), rng.uniform(0.96, 1.08)) if split else (
        rng.uniform(0.84, 0.95), rng.uniform(1.1, 1.22))  # fmt: skip
    width = float(rng.uniform(1.68, 1.86))
    side = cut_out(paint_side(rng, climate, 60.0, paint), climate, 0.5)
    # The side's painting begins 5 cm behind the tail, and its roof and wheels stand at these heights.
    length, roof, road = LENGTH * longer, (_ROAD - 0.12) * taller, _ROAD
    back, span = -0.5 * length - 0.05 * longer, (LENGTH + 0.1) * longer
    top, drop = road * taller, (0.0, 0.0, -_HEIGHT * taller)
    faces = [
        Face((width / 2, back, top), (0.0, span, 0.0), drop, side),
        Face((-width / 2, back + span, top), (0.0, -span, 0.0), drop, side.mirrored()),
    ]
    tyre = plain(rng, climate, (0.2, 0.4), (0.10, 0.10, 0.10), climate.air + 9.0, 0.2)
    for x, wheel in itertools.product((-0.5, 0.5), _WHEELS):
        left = x * (width - 0.22) - 0.1
        faces.append(Face((left, back + wheel * longer, 0.42), (0.2, 0.0, 0.0), (0.0, 0.0, -0.42), tyre, True))
    for kind, start, end in _PROFILE:
        (y0, z0), (y1, z1) = (((x * longer) - 0.5 * length, (road - y) * taller) for x, y in (start, end))
        skin = _panel(rng, climate, kind, (width, float(np.hypot(y1 - y0, z1 - z0))), paint)
        if z1 > z0 or kind == "roof":
            faces.append(Face((-width / 2, y1, z1), (width, 0.0, 0.0), (0.0, y0 - y1, z0 - z1), skin))
        else:
            faces.append(Face((width / 2, y0, z0), (-width, 0.0, 0.0), (0.0, y1 - y0, z1 - z0), skin))
    # Round bumpers stand out by a little.
    return Mesh.of(faces), (length + 0.04, width, roof)


def _panel(rng: np.random.Generator, climate: Climate, kind: str, size: tuple[float, float], paint: Colour) -> Skin:
    """A face that runs from side to side."""
    width, height = size
    mural = Mural(rng, width, max(height, 0.05), 60.0)
    skyward = {"roof": 1.0, "bonnet": 0.9, "boot": 0.9}.get(kind, 0.3)
    warm = {"bonnet": 11.0, "front": 9.0}.get(kind, 1.0) + skyward * 0.8 * climate.sunlit
    metal = climate.apparent(climate.air + warm, 0.86, skyward)
    whole = (0.0, 0.0, width, max(height, 0.05))
    mural.fill(whole, paint, metal, 0.03)
    if kind.endswith("glass"):
        ramp = np.linspace(0.5, 0.18, mural.shape[0], dtype=np.float32)[:, None, None]
        mural.fill(whole, paint, metal)
        pane = (0.10, 0.03, width - 0.10, height - 0.02)
        rows = mural.window(*pane)[0]
        sky = (
            np.array((1.0, 0.9, 0.8), np.float32)
            * ramp[: rows.stop - rows.start]
            * np.float32(1.2 - climate.lamps * 0.4)
        )
        mural.fill(pane, sky, climate.apparent(climate.air + 1.0, 0.8, 0.9), 0.03)
        for x in (0.42, width - 0.62):
            mural.fill((x, 0.35 * height, x + 0.2, 0.75 * height), (0.12, 0.11, 0.11), mural.heat[rows].mean(), 0.02)
    elif kind in ("front", "rear"):
        _face_of(mural, climate, kind, size)
    return mural.finish(climate, {"rear": 0.75, "front": 0.35}.get(kind, 0.5 + 0.5 * skyward))


def _face_of(mural: Mural, climate: Climate, kind: str, size: tuple[float, float]) -> None:
    """Lamps, grille, plate and bumper."""
    (width, height), front = size, kind == "front"
    lamp = (0.86, 0.90, 0.92) if front else (0.10, 0.08, 0.62)
    glow = (0.0, 0.0, 0.0)
    if climate.lamps:
        glow = (0.9, 0.97, 1.0) if front else (0.10, 0.08, 0.95)
    for left in (0.08, width - 0.43):
        warm = climate.air + (24.0 if climate.lamps and front else 5.0)
        mural.fill((left, 0.10, left + 0.35, 0.25), lamp, warm, 0.02, glow)
    if front:
        mural.fill((0.5, 0.12, width - 0.5, 0.30), (0.07, 0.07, 0.07), climate.air + 16.0, 0.08)
    mural.fill(
        (0.03, 0.62 * height, width - 0.03, height), (0.11, 0.11, 0.12), climate.air + (6.0 if front else 3.0), 0.06
    )
    top = 0.36 if front else 0.30
    mural.fill((width / 2 - 0.26, top, width / 2 + 0.26, top + 0.11), (0.86, 0.88, 0.88), climate.air, 0.02)
    letters = "".join(chr(65 + int(n)) for n in mural.rng.integers(0, 26, 2)) + str(int(mural.rng.integers(100, 999)))
    mural.write(letters, (width / 2, top + 0.055), 0.075, (0.08, 0.08, 0.08))
    if not front:
        mural.fill((0.18, height - 0.09, 0.32, height - 0.02), (0.2, 0.2, 0.2), climate.air + 45.0, 0.02)


def glare(strength: float) -> Skin:
    """The glare of a headlight: it blinds the visible, and infrared sees none of it."""
    side = 96
    v, u = np.mgrid[0:side, 0:side].astype(np.float32)
    away = np.hypot(u - side / 2, v - side / 2) / (side / 2)
    light = strength * (np.exp(-((away / 0.13) ** 2)) + 0.55 * np.exp(-away / 0.16)) * np.clip(2.0 - 2.0 * away, 0, 1)
    light += 0.10 * strength * np.exp(-(((v - side / 2) / 2.0) ** 2)) * np.clip(1 - away, 0, 1)
    pixels = np.clip(light[..., None] * np.array((0.92, 0.98, 1.0, 0.0), np.float32), 0, 1) * 255.0
    return Skin(pixels.astype(np.uint8), np.zeros((side, side, 2), np.float32), pixels[..., :3].astype(np.uint8))
