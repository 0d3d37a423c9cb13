"""The inner loops of drawing, compiled: which faces an eye sees, and every pixel of them, the nearest first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from tardal_ros.errors import MissingDependencyError
from tardal_ros.simulation.skin import AIR_PER_METRE, AIR_STEPS

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Function = TypeVar("Function", bound=Callable[..., Any])
Corners = tuple[np.uint64, np.uint64, np.uint64, np.uint64]
Sample = tuple[np.float32, np.float32, np.float32]

NEAR = 0.3
"""Metres; nothing nearer is drawn."""

SMALLEST = 1.0
"""Pixels; thinner faces are not drawn."""

_BLOCK = 16  # Pixels.
_FULL = 0.996  # Of a pixel's light; what would be added to more is not seen.


def compiled(function: Function) -> Function:
    """Compiles a function when it is first called; its machine code is kept for the next process if it can be.

    Raises:
        MissingDependencyError: numba is not installed.
    """
    return _compiled(function, "never")


def inlined(function: Function) -> Function:
    """The same for what is called for every pixel: it becomes a part of what calls it."""
    return _compiled(function, "always")


def _compiled(function: Function, inline: Literal["never", "always"]) -> Function:
    try:
        from numba import njit
    except ImportError:
        raise MissingDependencyError(
            "The simulation draws with numba, which is not installed: pip install numba, or the system's python3-numba."
        ) from None
    try:
        return cast(Function, njit(cache=True, nogil=True, error_model="numpy", inline=inline)(function))
    except RuntimeError:  # There is no folder that can be written, neither beside the source nor at home.
        return cast(Function, njit(nogil=True, error_model="numpy", inline=inline)(function))


@compiled
def _bring(corners: Floats, endless: bool, rotation: Floats, centre: Floats, plane: Floats, points: Floats) -> None:
    """Brings a face into the optical frame: its plane, and its four corners."""
    for axis in range(3):
        origin = across = down = 0.0
        for each in range(3):
            away = corners[0, each] - (0.0 if endless else centre[each])
            origin += away * rotation[each, axis]
            across += corners[1, each] * rotation[each, axis]
            down += corners[2, each] * rotation[each, axis]
        plane[axis, 0], plane[axis, 1], plane[axis, 2] = across, down, origin
        points[0, axis], points[1, axis] = origin, origin + across
        points[2, axis], points[3, axis] = origin + across + down, origin + down


@compiled
def _faces_us(plane: Floats) -> bool:
    """Whether the outside of a face is what we see."""
    x = plane[1, 1] * plane[2, 0] - plane[2, 1] * plane[1, 0]
    y = plane[2, 1] * plane[0, 0] - plane[0, 1] * plane[2, 0]
    z = plane[0, 1] * plane[1, 0] - plane[1, 1] * plane[0, 0]
    return bool(x * plane[0, 2] + y * plane[1, 2] + z * plane[2, 2] < 0.0)


@compiled
def _extent(points: Floats, k: Floats) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the image of what of a face lies before the camera."""
    left, top, right, bottom = 1e9, 1e9, -1e9, -1e9
    for index in range(4):
        one, two = points[index], points[(index + 1) % 4]
        # Its corner; and where the edge from there on passes the plane of what is too near.
        for part in (0.0, (NEAR - one[2]) / (two[2] - one[2])):
            z = one[2] + part * (two[2] - one[2])
            if z >= NEAR * (1.0 - 1e-9) and 0.0 <= part <= 1.0:
                u = k[0, 0] * (one[0] + part * (two[0] - one[0])) / z + k[0, 2]
                v = k[1, 1] * (one[1] + part * (two[1] - one[1])) / z + k[1, 2]
                left, top, right, bottom = min(left, u), min(top, v), max(right, u), max(bottom, v)
    return left, top, right, bottom


@compiled
def _measure(points: Floats, k: Floats, lengths: Floats) -> None:
    """Pixels across and down; 0 if it reaches behind the camera."""
    lengths[:] = 0.0
    if points[:, 2].min() < NEAR:
        return
    for index in range(4):
        one, two = points[index], points[(index + 1) % 4]
        u = k[0, 0] * (two[0] / two[2] - one[0] / one[2])
        v = k[1, 1] * (two[1] / two[2] - one[1] / one[2])
        lengths[index % 2] += 0.5 * np.hypot(u, v)


@compiled
def look(
    corners: Floats,
    both_sides: NDArray[np.bool_],
    endless: NDArray[np.bool_],
    rotation: Floats,
    centre: Floats,
    k: Floats,
    size: tuple[int, int],
    planes: Floats,
    bounds: Integers,
    lengths: Floats,
) -> NDArray[np.bool_]:
    """Finds the faces in view.

    Args:
        corners: (N, 3, 3), see `Mesh`.
        both_sides: (N,) whether they are seen from behind too.
        endless: (N,) whether they are infinitely far, so that only the rotation matters.
        rotation: (3, 3) of the camera.
        centre: (3,) of the camera.
        k: (3, 3) its matrix.
        size: Width and height of the image.
        planes: (N, 3, 3), receives what takes (s, t, 1) of a face, 0 to 1 across and down, to the optical frame.
        bounds: (N, 4), receives left, top, right and bottom.
        lengths: (N, 2), receives pixels across and down, or 0 where the face reaches behind the camera.

    Returns:
        (N,) whether it is in view.
    """
    shown = np.zeros(len(corners), np.bool_)
    points = np.empty((4, 3))
    for face in range(len(corners)):
        _bring(corners[face], endless[face], rotation, centre, planes[face], points)
        if not both_sides[face] and not _faces_us(planes[face]):
            continue
        left, top, right, bottom = _extent(points, k)
        if right - left < SMALLEST or bottom - top < SMALLEST:
            continue
        bounds[face, 0] = int(max(np.floor(left) - 1.0, 0.0))
        bounds[face, 1] = int(max(np.floor(top) - 1.0, 0.0))
        bounds[face, 2] = int(min(np.ceil(right) + 2.0, size[0]))
        bounds[face, 3] = int(min(np.ceil(bottom) + 2.0, size[1]))
        if bounds[face, 0] < bounds[face, 2] and bounds[face, 1] < bounds[face, 3]:
            shown[face] = True
            _measure(points, k, lengths[face])
    return shown


@inlined
def _span(first: float, slope: float, left: float, right: float) -> tuple[float, float]:
    """The part of left..right where first + slope * x is not negative."""
    if slope > 0.0:
        return max(left, -first / slope), right
    if slope < 0.0:
        return left, min(right, -first / slope)
    return (left, right) if first >= 0.0 else (left, left - 1.0)


@inlined
def _inside(matrix: Floats, y: int, margins: Floats, left: int, right: int) -> tuple[int, int]:
    """First and last + 1 pixel of a row that see a face: before the camera, s and t within 0 to 1 and the margins."""
    across, down = margins
    s0, s1 = matrix[0, 1] * y + matrix[0, 2], matrix[0, 0]
    t0, t1 = matrix[1, 1] * y + matrix[1, 2], matrix[1, 0]
    w0, w1 = matrix[2, 1] * y + matrix[2, 2], matrix[2, 0]
    low, high = _span(w0 - 1e-7, w1, float(left), float(right - 1))
    low, high = _span(1.0 / NEAR - w0, -w1, low, high)
    low, high = _span(s0 + across * w0, s1 + across * w1, low, high)
    low, high = _span(t0 + down * w0, t1 + down * w1, low, high)
    low, high = _span((1.0 + across) * w0 - s0, (1.0 + across) * w1 - s1, low, high)
    low, high = _span((1.0 + down) * w0 - t0, (1.0 + down) * w1 - t1, low, high)
    return (int(np.ceil(low)), int(np.floor(high)) + 1) if low <= high else (0, 0)


@inlined
def _blend_colour(
    texels: NDArray[np.uint64],
    corners: Corners,
    between: tuple[np.float32, np.float32],
    glow: np.uint64,
    air: Sample,
    rest: np.float32,
    canvas: NDArray[np.float32],
    y: int,
    x: int,
) -> np.float32:
    """Adds BGR to a pixel. A texel holds B, G, R and cover in 16 bits each, so that all four are mixed at once.

    Args:
        texels: Those of all skins.
        corners: The four around a place.
        between: How far the place is from the first of them to the second and to the third, 0 to 1.
        glow: How many texels after the corners those are that shine; 0 for none.
        air: Light, what of it arrives, and what the air adds.
        rest: How much of the pixel is not covered yet.
        canvas: (H, W, channels), is added to.
        y: Row of the pixel.
        x: Column of the pixel.

    Returns:
        How much of what is behind it hides.
    """
    a, b, c, d = corners
    right, down = np.uint64(np.int64(between[0] * 256)), np.uint64(np.int64(between[1] * 256))
    wd = (right * down) >> np.uint64(8)
    wb, wc = right - wd, down - wd
    wa = np.uint64(256) - right - wc
    mixed = texels[a] * wa + texels[b] * wb + texels[c] * wc + texels[d] * wd
    cover = np.float32(np.int64(mixed >> np.uint64(48))) * np.float32(1.0 / (255 * 256))
    gain, veil = rest * air[1] * np.float32(1.0 / 256), rest * air[2] * cover
    lane = np.uint64(0xFFFF)
    if glow:
        own = texels[a + glow] * wa + texels[b + glow] * wb + texels[c + glow] * wc + texels[d + glow] * wd
        for channel in range(3):
            shift = np.uint64(16 * channel)
            shines = np.float32(np.int64((own >> shift) & lane))
            lit = (np.float32(np.int64((mixed >> shift) & lane)) - shines) * air[0] + shines
            canvas[y, x, channel] += lit * gain + veil
        return cover  # type: ignore[no-any-return]
    gain *= air[0]
    canvas[y, x, 0] += np.float32(np.int64(mixed & lane)) * gain + veil
    canvas[y, x, 1] += np.float32(np.int64((mixed >> np.uint64(16)) & lane)) * gain + veil
    canvas[y, x, 2] += np.float32(np.int64((mixed >> np.uint64(32)) & lane)) * gain + veil
    return cover  # type: ignore[no-any-return]


@inlined
def _blend_heat(
    texels: NDArray[np.float32],
    corners: Corners,
    between: tuple[np.float32, np.float32],
    glow: np.uint64,
    air: Sample,
    rest: np.float32,
    canvas: NDArray[np.float32],
    y: int,
    x: int,
) -> np.float32:
    """Adds an apparent temperature to a pixel; a texel holds it and its cover. See `_blend_colour`."""
    a, b, c, d = corners
    right, down = between
    wd = right * down
    wb, wc = right - wd, down - wd
    wa = np.float32(1.0) - right - wc
    heat = wa * texels[a, 0] + wb * texels[b, 0] + wc * texels[c, 0] + wd * texels[d, 0]
    cover = wa * texels[a, 1] + wb * texels[b, 1] + wc * texels[c, 1] + wd * texels[d, 1]
    canvas[y, x, 0] += rest * (heat * air[1] + air[2] * cover)
    return cover  # type: ignore[no-any-return]


@inlined
def _sample(
    matrix: Floats,
    width: int,
    height: int,
    far: float,
    reach: NDArray[np.float32],
    air: NDArray[np.float32],
    y: int,
    x: int,
) -> tuple[np.float32, np.float32, np.float32, np.float32, np.float32]:
    """Column and row of the texel that a pixel sees, and the air before it (see `_painter`)."""
    depth = 1.0 / (matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2])
    s, t = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2], matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]
    u = min(max(s * depth * width - 0.5, 0.0), width - 1.0)
    v = min(max(t * depth * height - 0.5, 0.0), height - 1.0)
    distance = far if far > 0.0 else depth * reach[y, x]
    step = int(min(distance * AIR_PER_METRE, AIR_STEPS - 1.0))
    return np.float32(u), np.float32(v), air[step, 0], air[step, 1], air[step, 2]


def _painter(blend: Callable[..., np.float32]) -> Callable[..., None]:
    """A painter that mixes texels in one way."""

    @compiled
    def paint(
        texels: NDArray[Any],
        levels: Integers,
        onto: Floats,
        bounds: Integers,
        margins: Floats,
        constant: Floats,
        reach: NDArray[np.float32],
        air: NDArray[np.float32],
        rows: tuple[int, int],
        canvas: NDArray[np.float32],
        left_over: NDArray[np.float32],
    ) -> None:
        """Adds faces to an image, the nearest first.

        Args:
            texels: Those of all skins.
            levels: (N, 4) first texel, width and height of each face's skin; the first texel of what glows, or -1.
            onto: (N, 3, 3), takes pixels (x, y, 1) to w * (s, t, 1) of the face, where w is 1 / depth.
            bounds: (N, 4) left, top, right and bottom.
            margins: (N, 2) by how much of itself a face is drawn too large, across and down.
            constant: (N,) distance in metres of what is endless, else 0.
            reach: (H, W) distance of what is at depth 1.
            air: (`AIR_STEPS`, 3) by distance: the light that falls on things, what of it arrives, what the air adds.
            rows: First and last + 1 to draw.
            canvas: (H, W, channels), is added to.
            left_over: (H, W), how much of each pixel is not covered yet; is updated.
        """
        full, least = np.float32(1.0), np.float32(1.0 - _FULL)
        none, one = np.uint64(0), np.uint64(1)
        for face in range(len(levels)):
            start, width, height, glow = levels[face]
            matrix, far, wide = onto[face], constant[face], np.uint64(width)
            shift = np.uint64(glow - start) if glow >= 0 else none
            for y in range(max(bounds[face, 1], rows[0]), min(bounds[face, 3], rows[1])):
                left, right = _inside(matrix, y, margins[face], bounds[face, 0], bounds[face, 2])
                for first in range(left, right, _BLOCK):
                    last = min(first + _BLOCK, right)
                    begin = first
                    while begin < last and left_over[y, begin] < least:
                        begin += 1
                    if begin == last:
                        continue
                    # Between the ends of so few pixels all is as good as linear.
                    here = _sample(matrix, width, height, far, reach, air, y, first)
                    there = _sample(matrix, width, height, far, reach, air, y, last - 1)
                    part = full / np.float32(max(last - 1 - first, 1))
                    for x in range(begin, last):
                        rest = left_over[y, x]
                        if rest < least:
                            continue
                        on = np.float32(x - first) * part
                        u, v = here[0] + on * (there[0] - here[0]), here[1] + on * (there[1] - here[1])
                        light = here[2] + on * (there[2] - here[2])
                        through = here[3] + on * (there[3] - here[3])
                        veil = here[4] + on * (there[4] - here[4])
                        column, row = np.int64(u), np.int64(v)
                        # Unsigned, which spares a look at whether an index counts from the end.
                        a = np.uint64(start + row * width + column)
                        c = a + (wide if row + 1 < height else none)
                        beside = one if column + 1 < width else none
                        corners, between = (a, a + beside, c, c + beside), (u - np.float32(column), v - np.float32(row))
                        cover = blend(texels, corners, between, shift, (light, through, veil), rest, canvas, y, x)
                        left_over[y, x] = rest * (full - cover)

    return paint


paint_colour = _painter(_blend_colour)
"""Paints BGR; texels are (T,) uint64."""

paint_heat = _painter(_blend_heat)
"""Paints apparent temperatures; texels are (T, 2) float32."""


@inlined
def _cover(solid: NDArray[np.float32], level: Integers, s: float, t: float) -> float:
    """How much of what is behind a skin hides at a place of its face."""
    start, width, height = level[:3]
    u, v = min(max(s * width - 0.5, 0.0), width - 1.0), min(max(t * height - 0.5, 0.0), height - 1.0)
    column, row = int(u), int(v)
    right, below = u - column, v - row
    beside = min(column + 1, width - 1)
    first, second = start + row * width, start + min(row + 1, height - 1) * width
    upper = (1.0 - right) * solid[first + column, 0] + right * solid[first + beside, 0]
    lower = (1.0 - right) * solid[second + column, 0] + right * solid[second + beside, 0]
    return float((1.0 - below) * upper + below * lower)


@inlined
def _count(extent: Integers, x: int, y: int) -> None:
    """Counts a pixel in."""
    if extent[4] == 0:
        extent[0], extent[1] = x, y
    extent[0], extent[1] = min(extent[0], x), min(extent[1], y)
    extent[2], extent[3] = max(extent[2], x + 1), max(extent[3], y + 1)
    extent[4] += 1


@compiled
def survey(
    solid: NDArray[np.float32],
    levels: Integers,
    onto: Floats,
    parts: Integers,
    rays: Floats,
    opaque: NDArray[np.bool_],
    owners: Integers,
    last_owner: int,
    labels: Integers,
    depth: NDArray[np.float32],
) -> Integers:
    """Finds what is where, at the rays of a camera's own pixels.

    Args:
        solid: (T, 1) float32, how much skins hide.
        levels: (N, 4), see `paint_colour`; the faces are sorted as there, those of an owner without others between.
        onto: (N, 3, 3), takes rays (x, y, 1) to w * (s, t, 1) of the face, where w is 1 / depth.
        parts: (N, 4) left, top, right and bottom of where each face can be.
        rays: (H, W, 2).
        opaque: (N,).
        owners: (N,) number of the object that each face belongs to, 0 for none.
        last_owner: The largest of them.
        labels: (H, W), receives the owner of what is seen.
        depth: (H, W), infinite; receives metres along the optical axis.

    Returns:
        (last_owner + 1, 5) left, top, right, bottom and number of the pixels of each owner, hidden ones too.
    """
    extents = np.zeros((last_owner + 1, 5), np.int64)
    latest = np.zeros(labels.shape, np.int64)
    for face in range(len(levels)):
        matrix, owner, extent = onto[face], owners[face], extents[owners[face]]
        for y in range(parts[face, 1], parts[face, 3]):
            for x in range(parts[face, 0], parts[face, 2]):
                a, b = rays[y, x]
                w = matrix[2, 0] * a + matrix[2, 1] * b + matrix[2, 2]
                if w <= 1e-9:
                    continue
                s = (matrix[0, 0] * a + matrix[0, 1] * b + matrix[0, 2]) / w
                t = (matrix[1, 0] * a + matrix[1, 1] * b + matrix[1, 2]) / w
                if s < 0.0 or s >= 1.0 or t < 0.0 or t >= 1.0:
                    continue
                if not opaque[face] and _cover(solid, levels[face], s, t) < 0.5:
                    continue
                if depth[y, x] == np.inf:
                    depth[y, x], labels[y, x] = 1.0 / w, owner
                if owner and latest[y, x] != owner:
                    latest[y, x] = owner
                    _count(extent, x, y)
    return extents
