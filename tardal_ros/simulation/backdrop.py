"""The painted backdrop: a street across the view, facades, trees and sky, in both spectra.

It is painted as visible/left would see it without lens distortion, and hangs on the plane of the rig's geometry. The
perspective is painted too: nothing in it has parallax.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from tardal_ros.simulation.climate import Climate, Colour
from tardal_ros.simulation.texture import Image, fractal, smoothstep

WIDTH, HEIGHT = 1280, 960
FOCAL = 1100.0
CENTRE = (640.0, 480.0)
HORIZON = 452.0
EYE_HEIGHT = 2.2

_FACADES_AT = 24.0
_WALLS: tuple[Colour, ...] = (
    (0.36, 0.42, 0.58),
    (0.62, 0.68, 0.72),
    (0.50, 0.60, 0.68),
    (0.42, 0.46, 0.48),
    (0.58, 0.66, 0.78),
)
_SHOPS = ("BAKERY", "HOTEL", "CINEMA", "BOOKS", "PHARMACY", "MUSEUM")


def ground_point(x: float, z: float) -> tuple[float, float]:
    """Where the ground point `x` metres to the right and `z` metres ahead is painted."""
    return CENTRE[0] + x * FOCAL / z, HORIZON + EYE_HEIGHT * FOCAL / z


@dataclass(frozen=True, eq=False)
class Backdrop:
    """The painting, (960, 1280) or (960, 1280, 3) float32.

    Attributes:
        colour: What white light would show, BGR, 0 to 1.
        light: Light that falls on things there, BGR.
        emission: Light that comes from there, BGR.
        temperature: Apparent temperature in degrees Celsius.
    """

    colour: Image
    light: Image
    emission: Image
    temperature: Image

    def lay(self, mask: Image, colour: Colour, temperature: Image | float, shade: Image | None = None) -> None:
        """Paints over what is there, and over its light, where the mask is 1; blends where it is between.

        Args:
            mask: Where to paint, 0 to 1.
            colour: BGR.
            temperature: Apparent temperature, in degrees Celsius.
            shade: Multiplies the colour.
        """
        part = _covered(mask)
        paint = np.asarray(colour, np.float32)
        if shade is not None:
            paint = np.clip(paint * shade[part][..., None], 0.0, 1.0)
        heat = np.broadcast_to(np.asarray(temperature, np.float32), mask.shape)[part]
        alpha = mask[part]
        self.colour[part] += alpha[..., None] * (paint - self.colour[part])
        self.temperature[part] += alpha * (heat - self.temperature[part])
        self.emission[part] *= 1.0 - alpha[..., None]

    def glow(self, mask: Image, colour: Colour) -> None:
        """Adds light that comes from there."""
        part = _covered(mask)
        self.emission[part] += mask[part][..., None] * np.asarray(colour, np.float32)


def paint_backdrop(rng: np.random.Generator, climate: Climate) -> Backdrop:
    """Paints a street for this climate; everything random comes from `rng`."""
    colours = (HEIGHT, WIDTH, 3)
    backdrop = Backdrop(
        colour=np.zeros(colours, np.float32),
        light=np.full(colours, climate.ambient, np.float32),
        emission=np.zeros(colours, np.float32),
        temperature=np.zeros((HEIGHT, WIDTH), np.float32),
    )
    _sky(backdrop, rng, climate)
    _hills(backdrop, rng, climate)
    _ground(backdrop, rng, climate)
    shops = rng.permutation(_SHOPS).tolist()
    gap = int(rng.integers(1, 3))
    left = -20.0
    for index in range(4):
        width = float(rng.uniform(270, 380))
        if index == gap:
            width *= 0.75
            _tree(backdrop, rng, climate, (left + width / 2, ground_point(0, 21.0)[1]), 300.0)
        else:
            _facade(backdrop, rng, climate, left, left + width, shops[index])
        left += width
    _tree(backdrop, rng, climate, (float(rng.uniform(1010, 1100)), ground_point(0, 19.9)[1]), 330.0)
    for x in (-6.2, 4.4):
        _lamp(backdrop, climate, x)
    return backdrop


def _covered(mask: Image) -> tuple[slice, slice]:
    """The smallest window that holds all of a mask."""
    left, top, width, height = cv2.boundingRect((mask > 0).astype(np.uint8))
    return slice(top, top + height), slice(left, left + width)


def _polygon(points: list[tuple[float, float]]) -> Image:
    """An anti-aliased filled polygon."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillPoly(mask, [np.round(np.array(points) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return mask.astype(np.float32) / 255.0


def _box(left: float, top: float, right: float, bottom: float) -> Image:
    return _polygon([(left, top), (right, top), (right, bottom), (left, bottom)])


def _text(text: str, centre: tuple[float, float], height: float, thickness: int) -> Image:
    """Printed letters, as a mask."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    scale = height / 21.0
    (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
    origin = (round(centre[0] - width / 2), round(centre[1] + height / 2))
    cv2.putText(mask, text, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thickness, cv2.LINE_AA)
    return mask.astype(np.float32) / 255.0


def _sky(backdrop: Backdrop, rng: np.random.Generator, climate: Climate) -> None:
    height = np.clip((HORIZON - np.arange(HEIGHT, dtype=np.float32)) / HORIZON, 0.0, 1.0)[:, None]
    low, high = np.array((0.93, 0.88, 0.82), np.float32), np.array((0.86, 0.64, 0.42), np.float32)
    tall = fractal(rng, (HEIGHT * 3, WIDTH), 420, 7, 0.6)
    flat = np.asarray(cv2.resize(tall, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.float32)
    clouds = smoothstep(-0.2, 1.6, flat)
    blue = low + (height**0.7)[..., None] * (high - low)
    white = 0.96 - 0.18 * smoothstep(0.6, 2.2, tall[HEIGHT : 2 * HEIGHT, :, None])
    backdrop.colour[:] = blue + clouds[..., None] * (white - blue)
    # A clear sky is cold overhead and as warm as the air near the horizon; clouds are warmer than the clear sky.
    clear = climate.air - 4.0 + height**0.5 * (climate.zenith - climate.air)
    backdrop.temperature[:] = clear + clouds * 0.35 * (climate.air - clear)


def _hills(backdrop: Backdrop, rng: np.random.Generator, climate: Climate) -> None:
    for rise, wavelength, colour in ((95.0, 500.0, (0.62, 0.60, 0.52)), (60.0, 160.0, (0.28, 0.36, 0.26))):
        ridge = fractal(rng, (1, WIDTH), wavelength, 6)[0]
        top = HORIZON - rise * (0.75 + 0.25 * ridge)
        mask = smoothstep(-1.0, 1.0, np.arange(HEIGHT, dtype=np.float32)[:, None] - top[None, :].astype(np.float32))
        shade = 1.0 + 0.14 * fractal(rng, (HEIGHT, WIDTH), 40, 5, 0.7)
        backdrop.lay(mask, colour, climate.air - 2.0 + 6.0 * (shade - 1.0), shade)


def _ground(backdrop: Backdrop, rng: np.random.Generator, climate: Climate) -> None:
    """Grass behind, pavement, the road across the view, and paved ground in front."""
    v, u = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    z = EYE_HEIGHT * FOCAL / np.maximum(v - HORIZON, 1.0)
    x = (u - CENTRE[0]) * z / FOCAL
    rough = _ground_noise(rng, x, z)
    below = smoothstep(-0.5, 0.5, v - HORIZON)
    warmth = climate.asphalt

    def strip(near: float, far: float) -> Image:
        edge = z * z / (EYE_HEIGHT * FOCAL)  # Metres that one row spans, for a clean edge.
        return np.asarray(below * np.clip((z - near) / edge, 0, 1) * np.clip((far - z) / edge, 0, 1), np.float32)

    def every(coordinate: Image, period: float, width: float) -> Image:
        within = np.abs((coordinate / period + 0.5) % 1.0 - 0.5) * period
        pixel = z / FOCAL * (1.0 if coordinate is x else z / EYE_HEIGHT)
        return np.asarray(np.clip((width / 2 - within) / pixel + 0.5, 0, 1) * np.clip(width / pixel, 0, 1), np.float32)

    backdrop.lay(strip(20.5, 1e9), (0.20, 0.40, 0.30), climate.air + 1.0 + 0.7 * rough, 1.0 + 0.30 * rough)
    slabs = np.maximum(every(x, 0.8, 0.03), every(z, 0.8, 0.03))
    stone = 1.0 + 0.10 * rough - 0.25 * slabs
    backdrop.lay(strip(17.5, 20.5), (0.56, 0.58, 0.60), warmth - 1.5 + 0.5 * rough - 0.4 * slabs, stone)
    backdrop.lay(strip(9.3, 17.5), (0.34, 0.33, 0.33), warmth + 0.7 * rough, 1.0 + 0.16 * rough)
    for near, far, dash in ((13.25, 13.45, 4.0), (17.0, 17.15, 0.0), (9.8, 9.95, 0.0)):
        paint = strip(near, far) * np.clip(0.92 - 0.12 * rough, 0.4, 1.0)
        paint *= every(x, dash, dash / 2) if dash else 1.0
        backdrop.lay(paint, (0.86, 0.88, 0.88), backdrop.temperature - 0.3)
    crossing = strip(10.2, 16.8) * every(z, 1.1, 0.55) * np.clip(3.0 - np.abs(x - 3.6), 0, 0.03) / 0.03
    backdrop.lay(crossing * np.clip(0.9 - 0.15 * rough, 0.3, 1.0), (0.84, 0.86, 0.86), backdrop.temperature - 0.3)
    for near, height in ((9.3, 0.0), (17.35, 0.15)):
        curb = strip(near - 0.15, near + 0.05 + height)
        backdrop.lay(curb, (0.62, 0.64, 0.66), warmth - 2.0 + 0.3 * rough, 1.0 + 0.08 * rough)
    joints = np.maximum(every(x + 0.25 * np.floor(z / 0.5), 0.5, 0.025), every(z, 0.5, 0.025))
    paving = 1.0 + 0.13 * rough - 0.30 * joints
    backdrop.lay(strip(0.0, 9.15), (0.46, 0.50, 0.56), warmth - 1.0 + 0.6 * rough - 0.5 * joints, paving)


def _ground_noise(rng: np.random.Generator, x: Image, z: Image) -> Image:
    """Ground texture in perspective; each layer fades out where it would be finer than a pixel."""
    total = np.zeros_like(x)
    for wavelength, strength in ((7.0, 0.8), (1.6, 0.5), (0.4, 0.5), (0.1, 0.6), (0.03, 0.7)):
        tile = fractal(rng, (512, 512), 16, 3)
        texels = np.float32(16.0 / wavelength)
        shift = np.float32(rng.uniform(100, 300))
        layer = cv2.remap(tile, x * texels + shift, z * texels + shift, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        rows = (wavelength * EYE_HEIGHT * FOCAL / (z * z)).astype(np.float32)
        total += np.float32(strength) * smoothstep(0.7, 3.0, rows) * layer
    return total


def _facade(
    backdrop: Backdrop, rng: np.random.Generator, climate: Climate, left: float, right: float, shop: str
) -> None:
    scale = FOCAL / _FACADES_AT
    base = ground_point(0.0, _FACADES_AT - 0.5)[1]
    floors = int(rng.integers(2, 4))
    storey = float(rng.uniform(2.7, 3.0)) * scale
    top = base - floors * storey - 0.5 * scale
    v, u = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    course = np.floor((v - top) / 5.0)
    mortar = ((v - top) % 5.0 < 1.0) | ((u + 6.0 * (course % 2)) % 12.0 < 1.0)
    bricks = cv2.resize(
        rng.standard_normal((HEIGHT // 5, WIDTH // 12), np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST
    )
    stains = fractal(rng, (HEIGHT, WIDTH), 130, 7, 0.65)
    shade = 1.0 + 0.09 * stains + 0.06 * bricks - 0.14 * mortar - 0.10 * smoothstep(base - 60, base, v)
    wall = _box(left, top, right, base)
    tint = _WALLS[int(rng.integers(len(_WALLS)))]
    backdrop.lay(wall, tint, climate.wall + 0.8 * stains + 0.15 * bricks + 0.004 * (v - top), shade)
    backdrop.lay(_box(left - 4, top - 9, right + 4, top + 3), (0.24, 0.26, 0.30), climate.air - 4.0)
    backdrop.lay(0.45 * _box(left, top + 3, right, top + 12), (0.0, 0.0, 0.0), backdrop.temperature)
    columns = max(int((right - left) / 78), 2)
    for floor in range(floors):
        sill = base - floor * storey - 0.9 * scale
        for column in range(columns):
            middle = left + (column + 0.5) * (right - left) / columns
            door = floor == 0 and column == columns // 2
            lit = climate.lamps and rng.random() < 0.4
            brightness = float(rng.uniform(0.6, 1.1)) if lit else 0.0
            size = (46.0, 92.0 if door else 68.0)
            _window(backdrop, stains, climate, (middle, base if door else sill), size, brightness)
    x, y = (left + right) / 2, base - storey - 2.0
    board = _box(x - 80, y - 15, x + 80, y + 15)
    hue = rng.uniform(0.1, 0.45, 3)
    backdrop.lay(board, (float(hue[0]), float(hue[1]), float(hue[2])), climate.wall - 1.5)
    letters = _text(shop, (x, y), 17.0, 2)
    backdrop.lay(letters, (0.92, 0.95, 0.96), backdrop.temperature)
    if climate.lamps:
        backdrop.glow(letters, (0.35, 0.8, 0.75))


def _window(
    backdrop: Backdrop,
    smudges: Image,
    climate: Climate,
    foot: tuple[float, float],
    size: tuple[float, float],
    brightness: float,
) -> None:
    """A window or glass door standing on `foot`: glass hides the room from infrared and mirrors the cold sky."""
    (x, bottom), (width, height) = foot, size
    left, right, top = x - width / 2, x + width / 2, bottom - height
    frame = _box(left - 4, top - 4, right + 4, bottom + 4)
    backdrop.lay(frame, (0.70, 0.73, 0.75), climate.wall + 1.0)
    glass = _box(left, top, right, bottom)
    ramp = (np.arange(HEIGHT, dtype=np.float32)[:, None] - np.float32(top)) / np.float32(height)
    mirror = 0.22 + 0.30 * np.clip(1 - ramp, 0, 1) + 0.05 * smudges
    mirrored = climate.air + 0.35 * (climate.zenith - climate.air) * np.clip(1.2 - ramp, 0, 1.2)
    backdrop.lay(glass, (1.0, 0.86, 0.74), mirrored + 4.0 * brightness, mirror)
    if brightness > 0.0:
        room = glass * (0.65 + 0.25 * np.clip(ramp, 0, 1) + 0.08 * smudges) * np.float32(brightness)
        backdrop.glow(room, (0.42, 0.72, 0.92))
    bars = np.maximum(_box(x - 1.5, top, x + 1.5, bottom), _box(left, top + height / 3, right, top + height / 3 + 2.5))
    backdrop.lay(bars, (0.66, 0.69, 0.71), climate.wall)
    backdrop.lay(_box(left - 7, bottom + 2, right + 7, bottom + 7), (0.60, 0.63, 0.65), climate.wall + 2.0)


def _tree(
    backdrop: Backdrop, rng: np.random.Generator, climate: Climate, foot: tuple[float, float], size: float
) -> None:
    x, y = foot
    v, u = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    clumps, leaves = fractal(rng, (HEIGHT, WIDTH), 70, 4, 0.6), fractal(rng, (HEIGHT, WIDTH), 12, 4, 0.85)
    if climate.sunny:
        shadow = 1.0 - np.hypot((u - x - 60) / (0.5 * size), (v - y - 8) / 22) + 0.25 * clumps
        backdrop.lay(0.5 * smoothstep(0.0, 0.4, shadow), (0.0, 0.0, 0.0), backdrop.temperature - 3.0)
    bark = fractal(rng, (HEIGHT, WIDTH), 12, 4)
    trunk = _polygon([(x - 11, y), (x - 6, y - size * 0.6), (x + 6, y - size * 0.6), (x + 12, y)])
    backdrop.lay(trunk, (0.20, 0.25, 0.30), climate.air + 2.0 + 0.5 * bark, 1.0 + 0.25 * bark)
    radius = np.hypot((u - x) / (0.42 * size), (v - (y - 0.68 * size)) / (0.36 * size)).astype(np.float32)
    crown = smoothstep(-0.05, 0.05, 0.85 - radius + 0.12 * clumps + 0.07 * leaves)
    # Clumps catch the light from above on the left and leave the lower right in the shade.
    lifted = np.roll(clumps, (6, 6), (0, 1)) - clumps
    shade = 0.95 - 0.35 * lifted + 0.30 * leaves - 0.25 * ((v - y + 0.68 * size) / size + (u - x) / size)
    tint = (0.16, float(rng.uniform(0.36, 0.46)), float(rng.uniform(0.24, 0.36)))
    backdrop.lay(crown, tint, climate.air + 0.8 * leaves + 0.7 * clumps, shade)


def _lamp(backdrop: Backdrop, climate: Climate, x: float) -> None:
    """A street lamp; at night it lights the ground, and its head is warm."""
    foot, z = ground_point(x, 19.6), 19.6
    head = (foot[0] + 0.5 * FOCAL / z, foot[1] - 4.3 * FOCAL / z)
    pole = _polygon(
        [(foot[0] - 4, foot[1]), (foot[0] - 2.5, head[1]), (foot[0] + 2.5, head[1]), (foot[0] + 4, foot[1])]
    )
    arm = _box(foot[0] - 2, head[1] - 3, head[0], head[1] + 1)
    backdrop.lay(np.maximum(pole, arm), (0.30, 0.31, 0.30), climate.air - 1.5)
    case = _polygon(
        [
            (head[0] - 20, head[1] - 4),
            (head[0] + 20, head[1] - 4),
            (head[0] + 15, head[1] + 5),
            (head[0] - 15, head[1] + 5),
        ]
    )
    backdrop.lay(case, (0.55, 0.58, 0.60), climate.air + (22.0 if climate.lamps else 1.0))
    if not climate.lamps:
        return
    v, u = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    bulb = np.exp(-(((u - head[0]) / 13) ** 2 + ((v - head[1] - 5) / 4) ** 2))
    halo = 0.25 / (1.0 + ((u - head[0]) ** 2 + (v - head[1] - 5) ** 2) / 900)
    warm = np.array((0.62, 0.88, 1.0), np.float32)
    backdrop.glow(1.2 * bulb + halo, (0.62, 0.88, 1.0))
    pool = np.exp(-(((u - head[0]) / 190) ** 2) - ((v - foot[1] - 25) / 75) ** 2)
    cone = (
        0.35
        * np.exp(-(((u - head[0]) / (40 + 0.5 * np.maximum(v - head[1], 0))) ** 2))
        * (v > head[1])
        * (v < foot[1] + 40)
    )
    backdrop.light[:] += (0.55 * pool + cone * np.exp(-np.maximum(v - foot[1], 0) / 60))[..., None] * warm
