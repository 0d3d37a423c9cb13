"""Trees and bushes, as cut-outs."""

from __future__ import annotations

import cv2
import numpy as np

from tardal_ros.simulation.climate import Climate
from tardal_ros.simulation.skin import Skin
from tardal_ros.simulation.styles import Styles, pick
from tardal_ros.simulation.texture import fractal, smoothstep


def grow_tree(rng: np.random.Generator, climate: Climate, styles: Styles, width: float, height: float) -> Skin:
    """A tree that fills a face of this width and height in metres, its foot in the middle of the lower edge."""
    density = 56.0
    shape = round(height * density), round(width * density)
    v, u = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    x, y = u / shape[1] * 2.0 - 1.0, v / shape[0]
    clumps, leaves = fractal(rng, shape, shape[1] / 4, 4, 0.6), fractal(rng, shape, 16, 4, 0.9)
    trunk = (np.abs(x - 0.02 * np.sin(7 * y)) < 0.035 + 0.03 * y**4) & (y > 0.45)
    bark = fractal(rng, shape, 14, 4)
    twigs = np.zeros(shape, np.uint8)
    for _ in range(9):
        end = (int(rng.uniform(0.2, 0.8) * shape[1]), int(rng.uniform(0.15, 0.5) * shape[0]))
        cv2.line(twigs, (shape[1] // 2, int(rng.uniform(0.5, 0.68) * shape[0])), end, 1, int(rng.integers(3, 7)))
    kind = pick(rng, styles.crowns)
    density_of = kind.dense - np.hypot(x / kind.wide, (y - kind.middle) / kind.tall) ** kind.fall
    crown = density_of + 0.20 * clumps + 0.16 * leaves > 0.12
    lifted = np.roll(clumps, (6, 6), (0, 1)) - clumps
    shade = np.clip(0.85 - 0.5 * lifted + 0.30 * leaves - 0.45 * (y - 0.36) + 0.18 * x, 0.12, 1.6)
    tint = np.array(pick(rng, styles.leaves), np.float32)
    wood = (trunk | (twigs > 0)) & ~crown
    colour = np.where(
        crown[..., None],
        tint * shade[..., None],
        np.array((0.18, 0.22, 0.27), np.float32) * (1 + 0.3 * bark)[..., None],
    )
    light = np.array(climate.ambient, np.float32) + np.float32(0.6 * climate.sun)
    alpha = smoothstep(0.2, 0.8, cv2.GaussianBlur((crown | wood).astype(np.float32), (0, 0), 0.8))
    leaf = climate.apparent(climate.air + 0.12 * climate.sunlit, 0.97, 0.2)
    heat = np.where(crown, leaf + 1.6 * leaves + 1.2 * clumps, leaf + 2.0 + bark)
    lit = np.clip(colour * light, 0.0, 1.0) * alpha[..., None]
    pixels = (np.dstack([lit, alpha]) * 255.0 + 0.5).astype(np.uint8)
    return Skin(pixels, np.dstack([heat * alpha, alpha]).astype(np.float32))


def grow_hedge(rng: np.random.Generator, climate: Climate, styles: Styles, width: float, height: float) -> Skin:
    """A bush or a piece of hedge."""
    shape = round(height * 60), round(width * 60)
    v, u = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    x, y = u / shape[1] * 2.0 - 1.0, v / shape[0]
    clumps, leaves = fractal(rng, shape, 30, 4, 0.6), fractal(rng, shape, 10, 3, 0.9)
    inside = 1.05 - np.abs(x) ** 4 - np.clip(0.25 - y, 0, 1) * 5 + 0.15 * clumps + 0.12 * leaves > 0.25
    shade = np.clip(1.0 - 0.6 * y + 0.3 * leaves + 0.2 * clumps, 0.15, 1.5)
    light = np.array(climate.ambient, np.float32) + np.float32(0.5 * climate.sun)
    tint = np.array(pick(rng, styles.hedges), np.float32)
    alpha = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 0.8)
    lit = np.clip(tint * shade[..., None] * light, 0.0, 1.0) * alpha[..., None]
    heat = climate.apparent(climate.air + 0.1 * climate.sunlit, 0.97, 0.2) + 0.8 * leaves + 0.6 * clumps
    pixels = (np.dstack([lit, alpha]) * 255.0 + 0.5).astype(np.uint8)
    return Skin(pixels, np.dstack([heat * alpha, alpha]).astype(np.float32))
