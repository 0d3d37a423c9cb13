"""A car: its sides painted in profile, its other faces spanned between them; above the belt it leans inwards."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import cv2
import numpy as np

from tardal_ros.simulation.climate import Climate, Colour
from tardal_ros.simulation.easel import Easel, Mask, Point, Sprite
from tardal_ros.simulation.mesh import Face, Mesh
from tardal_ros.simulation.mural import covering, plain, shining
from tardal_ros.simulation.skin import Skin, cut_out
from tardal_ros.simulation.styles import Body, Styles, pick
from tardal_ros.simulation.texture import Image

_METRE = 60.0
_MARGIN = 0.05  # Metres of the painting around the car.
_CLEAR = 0.22  # Metres below the body.
_LEAN = 0.30  # Metres by which the windows lean inwards on each metre upwards.
_OVERLAP = 0.03  # Metres by which cut-out faces overlap their neighbours.
_DARK: Colour = (0.07, 0.07, 0.07)
_RED: Colour = (0.10, 0.08, 0.62)


def build_car(rng: np.random.Generator, climate: Climate, styles: Styles) -> tuple[Mesh, tuple[float, float, float]]:
    """Builds a car that faces +y, its middle above the origin.

    Args:
        rng: Chooses shape, colour, width and plate.
        climate: Light and temperatures.
        styles: Whose colours and shapes to take.

    Returns:
        The mesh, and its length, width and height in metres.
    """
    body, paint, width = pick(rng, styles.bodies), pick(rng, styles.paints), float(rng.uniform(1.70, 1.86))
    back, inset = -0.5 * body.length, _LEAN * (body.roof - body.belt)
    faces = _sides(_paint_side(rng, climate, body, paint), climate, body, width)
    tyre = plain(rng, climate, (0.2, 0.4), (0.08, 0.08, 0.08), climate.air + 11.0, 0.2)
    for x, wheel in itertools.product((-0.5, 0.5), body.wheels):
        left = x * (width - 0.24) - 0.1
        faces.append(Face((left, back + wheel, 0.42), (0.2, 0.0, 0.0), (0.0, 0.0, -0.42), tyre, True))

    def span(skin: Skin, start: Point, end: Point, narrower: float = 0.0) -> None:
        (y0, z0), (y1, z1), x = start, end, 0.5 * width - narrower
        if z1 > z0:
            faces.append(Face((-x, back + y1, z1), (2 * x, 0.0, 0.0), (0.0, y0 - y1, z0 - z1), skin))
        else:
            faces.append(Face((x, back + y0, z0), (-2 * x, 0.0, 0.0), (0.0, y1 - y0, z1 - z0), skin))

    foot, top = (body.rear[0], body.belt), (body.rear[1], body.roof - 0.06)
    boot = body.rear[0] > 0.3
    tail = (0.03, body.deck) if boot else foot
    eaves, screen = (body.screen[0], body.roof - 0.03), (body.screen[1], body.belt)
    nose, chin = (body.length - 0.1, body.nose), (body.length - 0.01, _CLEAR)
    span(_end(rng, climate, styles, (width, tail[1] - _CLEAR), paint, False), (0.02, _CLEAR), tail)
    if boot:
        span(_deck(rng, climate, (width, _reach(tail, foot)), paint, 1.0), tail, foot)
    span(_glass(rng, climate, (width, _reach(foot, top)), inset, paint), foot, top)
    span(_deck(rng, climate, (width - 2 * inset, _reach(top, eaves)), paint, 0.0), top, eaves, inset - _OVERLAP)
    span(_glass(rng, climate, (width, _reach(eaves, screen)), inset, paint), eaves, screen)
    span(_deck(rng, climate, (width, _reach(screen, nose)), paint, 10.0), screen, nose)
    span(_end(rng, climate, styles, (width, body.nose - _CLEAR), paint, True), nose, chin)
    return Mesh.of(faces), (body.length + 0.04, width, body.roof)


def _reach(start: Point, end: Point) -> float:
    return float(np.hypot(end[0] - start[0], end[1] - start[1]))


def _sides(side: Sprite, climate: Climate, body: Body, width: float) -> list[Face]:
    """Upright below the belt, leaning above it."""
    top = body.roof + _MARGIN
    belt = round((top - body.belt) * _METRE)
    begin = belt - round(_OVERLAP * _METRE)
    upper = cut_out(side.rows(0, belt), climate)
    lower = cut_out(side.rows(begin, len(side.heat)), climate)
    x, end, along = 0.5 * width, 0.5 * body.length + _MARGIN, body.length + 2 * _MARGIN
    high, start = belt / _METRE, top - begin / _METRE
    lean, drop = _LEAN * high, (0.0, 0.0, -start - _MARGIN)
    return [
        Face((x, -end, start), (0.0, along, 0.0), drop, lower),
        Face((-x, end, start), (0.0, -along, 0.0), drop, lower.mirrored()),
        Face((x - lean, -end, top), (0.0, along, 0.0), (lean, 0.0, -high), upper),
        Face((lean - x, end, top), (0.0, -along, 0.0), (-lean, 0.0, -high), upper.mirrored()),
    ]


def _paint_side(rng: np.random.Generator, climate: Climate, body: Body, paint: Colour) -> Sprite:
    """Paints the side of a car that faces right."""
    length, roof, belt = body.length, body.roof, body.belt
    easel = Easel(rng, round((length + 2 * _MARGIN) * _METRE), round((roof + 2 * _MARGIN) * _METRE))

    def texels(*points: Point) -> list[Point]:
        return [((x + _MARGIN) * _METRE, (roof + _MARGIN - z) * _METRE) for x, z in points]

    def shape(*points: Point) -> Mask:
        return easel.polygon(texels(*points))

    def bands(lefts: Sequence[float], low: float, wide: float, high: float) -> Mask:
        return easel.polygon(*(texels((x, high), (x + wide, high), (x + wide, low), (x, low)) for x in lefts))

    outline = shape(
        (0.05, _CLEAR), (0.0, 0.45), (0.03, body.deck), (body.rear[0], belt), (body.rear[1], roof - 0.05),
        (0.5 * (body.rear[1] + body.screen[0]), roof), (body.screen[0], roof - 0.02), (body.screen[1], belt),
        (length - 0.12, body.nose), (length - 0.02, body.nose - 0.12), (length, 0.42), (length - 0.06, _CLEAR),
    )  # fmt: skip
    whole = (cv2.GaussianBlur(outline * 255, (0, 0), 0.10 * _METRE) > 127).astype(np.uint8)
    v, u = np.mgrid[0 : whole.shape[0], 0 : whole.shape[1]].astype(np.float32)
    x, z = 0.5 * u / _METRE - _MARGIN, roof + _MARGIN - 0.5 * v / _METRE
    easel.paint(whole, _lacquer(paint, z, belt), _sheet_metal(climate, length - 0.6 - x, z), 0.07 * _METRE, 0.4)
    easel.paint(bands([0.25], _CLEAR, length - 0.45, 0.34) & whole, _DARK, climate.air + 3.0, 0.03 * _METRE, 0.4)
    doors = [body.wheels[0] + body.radius + 0.08, *body.posts[1:], body.screen[1] - 0.12]
    easel.paint(bands(doors, 0.36, 0.015, belt), darker(paint, 0.35), climate.air, 1.0, 0.2)
    handles = bands([door - 0.30 for door in doors[1:]], belt - 0.13, 0.16, belt - 0.10)
    easel.paint(handles, (0.5, 0.5, 0.5), climate.air, 0.02 * _METRE, 0.2)
    left, right = (body.rear[0] + 0.14, body.rear[1] + 0.03), (body.screen[1] - 0.14, body.screen[0] - 0.02)
    cabin = shape((left[0], belt), (left[1], roof - 0.11), (right[1], roof - 0.09), (right[0], belt))
    easel.paint(cabin, _DARK, climate.air, 1.0, 0.2)
    panes = shape((left[0] + 0.06, belt + 0.03), (left[1] + 0.02, roof - 0.14), (right[1] - 0.03, roof - 0.12),
                  (right[0] - 0.06, belt + 0.03))  # fmt: skip
    panes[bands([post - 0.04 for post in body.posts], 0.0, 0.08, roof) > 0] = 0
    easel.paint(panes, reflection((z - belt) / (roof - belt), x), pane_warmth(climate, 0.4), 0.02 * _METRE, 0.4)
    lamps = (
        shape((length - 0.38, body.nose - 0.05), (length - 0.06, body.nose - 0.10), (length - 0.03, body.nose - 0.24)),
        shape((0.04, body.deck - 0.03), (0.26, body.deck - 0.04), (0.16, body.deck - 0.22), (0.02, body.deck - 0.24)),
    )
    for lamp, colour in zip(lamps, ((0.80, 0.83, 0.85), _RED), strict=True):
        easel.paint(lamp & whole, colour, climate.air + (12.0 if climate.lamps else 1.0), 0.03 * _METRE, 0.2)
    for wheel in body.wheels:
        _wheel(easel, ((wheel + _MARGIN) * _METRE, (roof + _MARGIN - body.radius) * _METRE), body.radius, climate)
    return easel.finish()


def darker(paint: Colour, part: float) -> Colour:
    """The colour in less light."""
    return part * paint[0], part * paint[1], part * paint[2]


def _lacquer(paint: Colour, z: Image, belt: float) -> Image:
    """The shoulder mirrors the sky, the flank the road; a crease catches the light."""
    mirror = 0.62 + 0.50 * np.clip((z - 0.25) / (belt - 0.25), 0.0, 1.0) ** 1.5
    mirror = mirror * np.where(z < 0.62 * belt, 0.86, 1.0)
    highlight = 0.20 * np.exp(-(((z - belt + 0.05) / 0.04) ** 2)) + 0.10 * np.exp(-(((z - 0.62 * belt) / 0.02) ** 2))
    return np.asarray(np.asarray(paint, np.float32) * mirror[..., None] + highlight[..., None], np.float32)


def _sheet_metal(climate: Climate, behind: Image, z: Image) -> Image:
    """Lacquer mirrors the cold sky above; the engine warms what is near it, and the road the sills."""
    engine = 8.0 * np.exp(-((behind / 0.5) ** 2) - ((z - 0.60) / 0.35) ** 2)
    above = climate.apparent(climate.air + 0.3 * climate.sunlit, 0.86, 0.7)
    below = climate.air + 1.0 + 0.25 * (climate.asphalt - climate.air)
    return np.asarray(above + np.clip(1.0 - z / 0.9, 0.0, 1.0) * (below - above) + engine, np.float32)


def reflection(rise: Image, x: Image) -> Image:
    """Dark glass in which the sky shows, the more the higher; a streak of light lies across it."""
    streak = 0.10 * np.exp(-(((np.mod(x + 0.5 * rise, 1.7) - 0.8) / 0.10) ** 2))
    tone = 0.09 + 0.30 * np.clip(rise, 0.0, 1.0) ** 2 + streak
    return np.asarray(tone[..., None] * np.array((1.0, 0.93, 0.86), np.float32), np.float32)


def pane_warmth(climate: Climate, sky: float) -> float:
    """Glass is opaque to infrared and mirrors the sky."""
    return climate.apparent(climate.air + 1.0 + 0.2 * climate.sunlit, 0.84, sky)


def _wheel(easel: Easel, centre: Point, radius: float, climate: Climate) -> None:
    """An arch, a black tyre warmed by rolling, and a rim warmed by the brake."""
    (x, y), air, size = centre, climate.air, radius * _METRE
    arch = easel.oval((x, y - 0.02 * _METRE), (size + 0.07 * _METRE, size + 0.05 * _METRE))
    # The arch is open below.
    below = [(x - 2 * size, y + 0.5 * size), (x + 2 * size, y + 0.5 * size), (x + 2 * size, y + 2 * size),
             (x - 2 * size, y + 2 * size)]  # fmt: skip
    arch[easel.polygon(below) > 0] = 0
    easel.paint(arch, (0.04, 0.04, 0.04), air + 4.0, 0.06 * _METRE, 0.3)
    for part, grey, warmer in ((1.0, 0.07, 12.0), (0.66, 0.42, 15.0), (0.60, 0.13, 19.0)):
        easel.paint(easel.oval(centre, (part * size, part * size)), (grey,) * 3, air + warmer, 0.04 * _METRE, 0.5)
    for angle in np.arange(5) * 0.4 * np.pi + 0.3:
        end = float(x + 0.58 * size * np.cos(angle)), float(y + 0.58 * size * np.sin(angle))
        spoke = easel.limb(centre, end, 0.035 * _METRE, 0.03 * _METRE)
        easel.paint(spoke, (0.55, 0.56, 0.57), air + 15.0, 0.02 * _METRE, 0.3)


def _panel(easel: Easel, left: float, top: float, right: float, bottom: float, corner: float = 0.0) -> Mask:
    """A rectangle in metres, its corners cut off."""
    points = [
        (left + corner, top), (right - corner, top), (right, top + corner), (right, bottom - corner),
        (right - corner, bottom), (left + corner, bottom), (left, bottom - corner), (left, top + corner),
    ]  # fmt: skip
    return easel.polygon([(x * _METRE, y * _METRE) for x, y in points])


def _deck(rng: np.random.Generator, climate: Climate, size: tuple[float, float], paint: Colour, engine: float) -> Skin:
    """Boot, roof or bonnet: it mirrors the sky."""
    width, length = size
    easel = Easel(rng, round(width * _METRE), round(length * _METRE))
    warm = climate.apparent(climate.air + 0.8 * climate.sunlit + engine, 0.88, 1.0)
    bright = 0.85 * paint[0] + 0.12, 0.85 * paint[1] + 0.12, 0.85 * paint[2] + 0.12
    easel.paint(_panel(easel, -0.1, -0.1, width + 0.1, length + 0.1), bright, warm, 0.10 * _METRE, 0.3)
    for x in (0.22, width - 0.22):
        easel.paint(_panel(easel, x - 0.01, -0.1, x + 0.01, length + 0.1), darker(paint, 0.7), warm, 1.0, 0.2)
    return covering(easel.finish(), climate, 0.95)


def _glass(rng: np.random.Generator, climate: Climate, size: tuple[float, float], inset: float, paint: Colour) -> Skin:
    """Rear window or windscreen: narrower above, between posts of the car's colour."""
    width, height = size
    easel = Easel(rng, round(width * _METRE), round(height * _METRE))
    edge = inset - _OVERLAP

    def frame(sides: float, ends: float) -> Mask:
        upper, lower = (edge + sides) * _METRE, sides * _METRE
        top, bottom, right = ends * _METRE, (height - ends) * _METRE, width * _METRE
        return easel.polygon([(upper, top), (right - upper, top), (right - lower, bottom), (lower, bottom)])

    easel.paint(frame(0.0, -0.02), paint, climate.apparent(climate.air + 0.4 * climate.sunlit, 0.88, 0.8), 1.0, 0.3)
    easel.paint(frame(0.07, 0.03), _DARK, climate.air, 1.0, 0.2)
    pane = frame(0.09, 0.045)
    rows, columns = pane.shape
    u, rise = np.linspace(0.0, width, columns, dtype=np.float32), np.linspace(1.0, 0.0, rows, dtype=np.float32)
    warm, tone = pane_warmth(climate, 0.9), reflection(rise[:, None], u[None, :])
    easel.paint(pane, tone, warm, 0.03 * _METRE, 0.3)
    for x in (0.27 * width, 0.73 * width):
        seat = _panel(easel, x - 0.13, 0.45 * height, x + 0.13, height - 0.05, 0.08)
        easel.paint(seat, np.asarray(0.45 * tone, np.float32), warm, 0.03 * _METRE, 0.2)
    return cut_out(easel.finish(), climate, 0.7)


def _end(
    rng: np.random.Generator, climate: Climate, styles: Styles, size: tuple[float, float], paint: Colour, front: bool
) -> Skin:
    """Front or rear: lamps, grille, plate and bumper."""
    (width, height), air, bumper = size, climate.air, 0.55 * size[1]
    easel = Easel(rng, round(width * _METRE), round(height * _METRE))
    whole = _panel(easel, 0.0, 0.0, width, height, 0.07)
    rise = _CLEAR + height * np.linspace(1.0, 0.0, whole.shape[0], dtype=np.float32)[:, None]
    lit = _lacquer(paint, np.repeat(rise, whole.shape[1], axis=1), _CLEAR + height)
    warm = climate.apparent(air + (9.0 if front else 1.0), 0.88, 0.2)

    def part(corners: tuple[float, float, float, float], colour: Colour, warmth: float, corner: float = 0.0) -> None:
        easel.paint(_panel(easel, *corners, corner), colour, warmth, 2.0, 0.3)

    easel.paint(whole, lit, warm, 0.10 * _METRE, 0.4)
    part((0.0, bumper, width, bumper + 0.02), darker(paint, 0.4), warm)
    part((0.10, height - 0.17, width - 0.10, height), _DARK, air + 4.0, 0.03)
    if front:
        part((0.52, 0.10, width - 0.52, 0.27), _DARK, air + 15.0, 0.03)
        for y in (0.14, 0.19):
            part((0.56, y, width - 0.56, y + 0.015), (0.4, 0.4, 0.4), air + 12.0)
        part((0.45, bumper + 0.05, width - 0.45, bumper + 0.18), _DARK, air + 12.0, 0.02)
    else:
        part((0.55, 0.02, width - 0.55, 0.04), (0.6, 0.6, 0.6), air)
        part((0.20, height - 0.08, 0.33, height - 0.01), (0.25, 0.25, 0.25), air + 45.0, 0.02)
    _lamps(easel, climate, width, front)
    top = bumper + 0.05 if front else bumper - 0.14
    part((width / 2 - 0.26, top, width / 2 + 0.26, top + 0.11), (0.84, 0.86, 0.86), air)
    letters = "".join(rng.choice(list(pick(rng, styles.letters)), 2)) + str(int(rng.integers(100, 999)))
    text = easel.text(letters, (width / 2 * _METRE, (top + 0.055) * _METRE), 0.075 * _METRE, 0.7)
    easel.paint(text, _DARK, air, 1.0, 0.0)
    return shining(easel.finish(), climate, 0.35 if front else 0.7)


def _lamps(easel: Easel, climate: Climate, width: float, front: bool) -> None:
    lens, glow = ((0.80, 0.84, 0.86), (0.9, 0.97, 1.0)) if front else (_RED, (0.10, 0.08, 0.95))
    warm = climate.air + ((24.0 if front else 6.0) if climate.lamps else 2.0)
    for left in (0.04, width - 0.44):
        easel.paint(_panel(easel, left, 0.06, left + 0.40, 0.22, 0.05), _DARK, warm, 1.0, 0.2)
        inner = _panel(easel, left + 0.02, 0.08, left + 0.38, 0.20, 0.04)
        easel.paint(inner, lens, warm, 2.0, 0.2, glow if climate.lamps else (0.0, 0.0, 0.0))


def glare(strength: float) -> Skin:
    """The glare of a headlight: it blinds the visible, and infrared sees none of it."""
    side = 96
    v, u = np.mgrid[0:side, 0:side].astype(np.float32)
    away = np.hypot(u - side / 2, v - side / 2) / (side / 2)
    light = strength * (np.exp(-((away / 0.13) ** 2)) + 0.55 * np.exp(-away / 0.16)) * np.clip(2.0 - 2.0 * away, 0, 1)
    light += 0.10 * strength * np.exp(-(((v - side / 2) / 2.0) ** 2)) * np.clip(1 - away, 0, 1)
    pixels = np.clip(light[..., None] * np.array((0.92, 0.98, 1.0, 0.0), np.float32), 0, 1) * 255.0
    return Skin(pixels.astype(np.uint8), np.zeros((side, side, 2), np.float32), pixels[..., :3].astype(np.uint8))
