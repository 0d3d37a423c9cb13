from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tardal_ros.errors import RigError
from tardal_ros.registration.agc import MAX_STEP, Agc, to_grey8
from tardal_ros.types import ToneRange

BOUND = 255 * MAX_STEP / (1 - 2 * MAX_STEP) + 0.5
"""What consecutive frames may differ by in grey levels: the documented bound, and rounding."""


def scene(seed: int = 0, hot: int | None = None, level: int = 8000, contrast: int = 250) -> np.ndarray:
    """A noisy thermal scene of 128x160; `hot` is the column of a hot object, outside the static rows above 32."""
    rng = np.random.default_rng(seed)
    slope = np.linspace(-contrast, contrast, 160)[None, :] * np.linspace(0.5, 1.0, 128)[:, None]
    image = level + slope + rng.normal(0, 4, (128, 160))
    if hot is not None:
        image[48:112, max(hot, 0) : hot + 40] = level + 3000
    return image.clip(0, 65535).astype(np.uint16)


def background(agc: Agc, image: np.ndarray) -> float:
    return float(to_grey8(image, agc.update(image))[:32].mean())


def test_a_hot_object_coming_and_going_does_not_flicker() -> None:
    agc = Agc()
    columns = [None] * 10 + list(range(-40, 160, 4)) + [None] * 60
    levels = np.array([background(agc, scene(i, hot)) for i, hot in enumerate(columns)])
    each_by_itself = np.array([to_grey8(scene(i, hot))[:32].mean() for i, hot in enumerate(columns)])
    assert np.abs(np.diff(each_by_itself)).max() > 40, "the scene must be one that flickers without smoothing"
    assert np.abs(np.diff(levels)).max() <= BOUND
    assert levels[-1] == pytest.approx(levels[9], abs=5), "afterwards the background looks as before"


def test_the_bound_holds_for_every_pixel_in_range() -> None:
    agc, image = Agc(smoothing=0.1), scene(0)
    before = to_grey8(image, agc.update(image)).astype(int)
    for i in range(30):
        tone = agc.update(scene(i + 1, hot=60))
        now = to_grey8(image, tone).astype(int)
        assert np.abs(now - before).max() <= BOUND + 0.5
        before = now


def test_a_static_noisy_scene_is_steady() -> None:
    agc = Agc()
    levels = np.array([background(agc, scene(i)) for i in range(40)])
    assert np.abs(np.diff(levels)).max() < 1.0
    assert levels.std() < 1.0


def test_another_scene_is_shown_at_once() -> None:
    agc = Agc()
    for i in range(5):
        agc.update(scene(i))
    jumped = scene(9, level=20000)
    assert 64 < to_grey8(jumped, agc.update(jumped)).mean() < 192


def test_the_range_follows_a_wider_scene_within_two_seconds_of_frames() -> None:
    agc = Agc()
    agc.update(scene(0, contrast=100))
    wide = scene(1, contrast=1000)
    for _ in range(60):
        tone = agc.update(wide)
    alone = Agc().update(wide)
    assert tone.high - tone.low == pytest.approx(alone.high - alone.low, rel=0.05)


@pytest.mark.parametrize("level", [8000, 8100, 12000])
def test_a_shutter_event_is_over_when_the_shutter_opens_or_soon_after(level: int) -> None:
    agc = Agc()
    for i in range(20):
        before = background(agc, scene(i))
    closed = 12
    for i in range(closed):
        agc.update(scene(i, level=level, contrast=0))
    for i in range(2 * closed):
        after = background(agc, scene(i))
    assert after == pytest.approx(before, abs=6)


@pytest.mark.parametrize("count", [0, 30, 9000, 65535])
def test_a_flat_image_is_mid_grey_and_its_noise_stays_small(count: int) -> None:
    image = np.full((64, 80), count, np.uint16)
    tone = Agc(min_span=64).update(image)
    assert tone.high - tone.low == 64
    assert np.abs(to_grey8(image, tone).astype(int) - 128).max() <= 4
    noise = (np.random.default_rng(0).normal(9000, 1.5, (64, 80))).astype(np.uint16)
    assert to_grey8(noise, Agc().update(noise)).std() < 10


def test_dead_pixels_do_not_matter() -> None:
    clean, dead = scene(), scene()
    rng = np.random.default_rng(1)
    dead[rng.integers(0, 128, 60), rng.integers(0, 160, 60)] = rng.choice([0, 65535], 60)
    a, b = Agc().update(clean), Agc().update(dead)
    span = a.high - a.low
    assert abs(a.low - b.low) < 0.1 * span
    assert abs(a.high - b.high) < 0.1 * span


def test_the_range_is_that_of_the_percentiles() -> None:
    image = np.arange(10_000, dtype=np.uint16).reshape(100, 100)
    assert Agc(low=10, high=90).update(image) == ToneRange(1000.0, 8999.0)


def test_reset_forgets() -> None:
    agc = Agc()
    agc.update(scene(0, contrast=2000))
    narrow = scene(1)
    assert agc.update(narrow) != Agc().update(narrow)
    agc.reset()
    assert agc.update(narrow) == Agc().update(narrow)


def test_without_smoothing_every_frame_stands_alone() -> None:
    agc = Agc(smoothing=0)
    agc.update(scene(0, contrast=2000))
    assert agc.update(scene(1)) == Agc().update(scene(1))


def test_eight_bits_need_nothing() -> None:
    image = np.random.default_rng(0).integers(0, 255, (16, 20), np.uint8)
    assert Agc().update(image) == ToneRange(0.0, 255.0)
    assert to_grey8(image) is image
    assert to_grey8(image, ToneRange(3, 9)) is image


@pytest.mark.parametrize("shape", [(1, 1), (5, 1), (1, 4), (2, 3), (97, 131)])
def test_any_size(shape: tuple[int, int]) -> None:
    image = np.full(shape, 500, np.uint16)
    grey = to_grey8(image, ToneRange(400, 655))
    assert grey.shape == shape
    assert (grey == 100).all()
    assert to_grey8(image).shape == shape


def test_views_and_read_only_arrays() -> None:
    image = scene()
    whole = to_grey8(image, ToneRange(7800, 8200))
    image.flags.writeable = False
    np.testing.assert_array_equal(to_grey8(image[::-1, ::2], ToneRange(7800, 8200)), whole[::-1, ::2])
    np.testing.assert_array_equal(to_grey8(image.T, ToneRange(7800, 8200)), whole.T)
    assert Agc().update(image[::-1, ::-1]).low == pytest.approx(Agc().update(image).low, abs=5)


@settings(deadline=None, max_examples=50)
@given(low=st.floats(-100, 65500), span=st.floats(0, 65535))
def test_tone_mapping_is_the_clipped_line(low: float, span: float) -> None:
    counts = np.arange(0, 65536, 97, dtype=np.uint16)[None]
    tone = ToneRange(low, low + span)
    gain = 255 / max(span, 1.0)
    want = np.clip((counts - low) * gain, 0, 255)
    got = to_grey8(counts, tone).astype(float)
    above = counts >= low  # below black, the fraction of a count may remain
    assert np.abs(got - want)[above].max(initial=0) <= 0.5 + 1e-3
    assert (got[~above] <= gain + 0.5).all()
    assert (np.diff(got[0]) >= 0).all()


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"low": -1}, "low"),
        ({"low": 50, "high": 50}, "low"),
        ({"high": 101}, "high"),
        ({"low": float("nan")}, "low"),
        ({"smoothing": 1}, "smoothing"),
        ({"smoothing": -0.1}, "smoothing"),
        ({"smoothing": float("nan")}, "smoothing"),
        ({"min_span": 0}, "min_span"),
        ({"min_span": float("inf")}, "min_span"),
    ],
)
def test_parameters_out_of_range(arguments: dict[str, float], name: str) -> None:
    with pytest.raises(RigError, match=name):
        Agc(**arguments)


@pytest.mark.parametrize("use", [Agc().update, to_grey8])
def test_other_images_are_refused(use: object) -> None:
    with pytest.raises(RigError, match="not float32"):
        use(np.full((4, 4), np.nan, np.float32))  # type: ignore[operator]
    with pytest.raises(RigError, match="empty"):
        use(np.zeros((0, 4), np.uint16))  # type: ignore[operator]
