"""The visual saliency map against its definition, and warm targets against the truth of rendered scenes."""

import itertools
import os

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from tardal_ros.registration.agc import Agc, to_grey8
from tardal_ros.simulation import CONDITIONS, INFRARED, Scene

torch = pytest.importorskip("torch", reason="needs torch")

from tardal_ros.training.saliency import saliency_table, thermal_targets, visual_saliency  # noqa: E402

PICTURES = arrays(np.uint8, (2, 1, 5, 6))
SCENES = int(os.environ.get("SALIENCY_SCENES", "0"))


def _tensor(levels):
    return torch.from_numpy(levels.astype(np.float32) / 255)


def test_golden_tables(golden_file):
    golden = golden_file("tardal_losses.npz")
    for name in ("ir", "vi"):
        table = saliency_table(torch.from_numpy(golden[name]))[0]
        np.testing.assert_array_equal(table.numpy(), golden[f"vsm_table_{name}"])
        normalised = visual_saliency(torch.from_numpy(golden[name]))[0, 0].numpy()
        normalised = (normalised - normalised.min()) / np.ptp(normalised)
        np.testing.assert_allclose(normalised, golden[f"vsm_norm_{name}"], rtol=0, atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(levels=PICTURES, seen=arrays(np.bool_, (2, 1, 5, 6)))
def test_saliency_is_the_mean_distance_to_all_seen_pixels(levels, seen):
    saliency = visual_saliency(_tensor(levels), torch.from_numpy(seen.astype(np.float32)))
    for image, where, got in zip(levels, seen, saliency.numpy(), strict=True):
        others = image[where].astype(float)
        expected = np.abs(image[..., None] - others).sum(axis=-1) / max(len(others), 1) / 255
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-7)


@settings(deadline=None, max_examples=20)
@given(levels=PICTURES, others=PICTURES)
def test_unseen_pixels_are_not_counted(levels, others):
    seen = torch.ones(2, 1, 5, 6)
    seen[..., :2] = 0
    mixed = np.where(seen.numpy() > 0, levels, others)
    tables = [saliency_table(_tensor(image), seen) for image in (levels, mixed)]
    torch.testing.assert_close(*tables, rtol=0, atol=0)


def test_levels_beyond_the_range_count_as_its_ends():
    wild, tame = torch.tensor([-0.5, 0.3, 1.7]), torch.tensor([0.0, 0.3, 1.0])
    torch.testing.assert_close(*(saliency_table(each.reshape(1, 1, 1, 3)) for each in (wild, tame)))


def _street(height=120, width=160):
    """A ramp of ground below a cold sky, with two warm people."""
    image = np.full((height, width), 20, np.uint8)
    image[40:] = np.linspace(70, 110, height - 40).astype(np.uint8)[:, None]
    people = np.zeros_like(image)
    people[60:90, 30:40] = people[50:60, 120:124] = 255
    image[people > 0] = 220
    return image, people


def test_warm_people_stand_out_and_cold_sky_does_not():
    image, people = _street()
    targets = thermal_targets(image)
    assert targets.dtype == np.float32
    assert targets[people > 0].mean() > 0.9
    assert targets[cv2.dilate(people, np.ones((5, 5))) == 0].max() == 0


def test_someone_at_the_border_stands_out_too():
    image, _ = _street()
    image[70:110, :8] = 220
    assert thermal_targets(image)[70:110, :7].mean() > 0.8


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 1), (31, 33)])
def test_any_size(shape):
    random = np.random.default_rng(0)
    targets = thermal_targets(random.integers(0, 255, shape, np.uint8))
    assert targets.shape == shape
    assert targets.min() >= 0
    assert targets.max() <= 1


def test_a_flat_picture_has_no_targets():
    assert not thermal_targets(np.full((20, 30), 200, np.uint8)).any()


@settings(deadline=None, max_examples=20)
@given(other=arrays(np.uint8, (120, 45)))
def test_what_infrared_does_not_see_changes_nothing(other):
    image, _ = _street()
    seen = np.full_like(image, 255)
    seen[:, :45] = 0
    expected = thermal_targets(image, seen)
    assert expected[50:60, 120:124].min() > 0
    assert not expected[:, :45].any()
    changed = image.copy()
    changed[:, :45] = other
    np.testing.assert_array_equal(thermal_targets(changed, seen), expected)


def test_nothing_seen_has_no_targets():
    image, _ = _street()
    assert not thermal_targets(image, np.zeros_like(image)).any()


def _frequency_tuned(image):
    """Achanta et al., CVPR 2009, for what is warmer than the mean, with a threshold that suits rendered scenes."""
    smooth = cv2.GaussianBlur(image.astype(np.float32), (0, 0), 1.0)
    return np.clip((smooth - smooth.mean() - 60) / 20, 0, 1)


def _score(targets, truth):
    """Intersection over union, and F-measure with precision emphasised (beta squared 0.3), of a soft mask."""
    both = (targets * truth).sum()
    precision, recall = both / max(targets.sum(), 1e-9), both / truth.sum()
    return both / np.maximum(targets, truth).sum(), 1.3 * precision * recall / max(0.3 * precision + recall, 1e-9)


@pytest.fixture(scope="module")
def rendered():
    """Infrared pictures and where their targets are: one at night, or SALIENCY_SCENES scenes of each condition."""
    scenes = itertools.product(CONDITIONS, range(200, 200 + SCENES)) if SCENES else [("night", 200)]
    pictures = []
    for condition, seed in scenes:
        scene = Scene(seed, condition, "test")
        for moment in (3.0, 17.0) if SCENES else (3.0,):
            counts = scene.view(INFRARED, moment)
            image = to_grey8(counts, Agc().update(counts))
            pictures.append((image, scene.truth(INFRARED, moment).targets > 0))
    return pictures


@pytest.mark.parametrize("method", [thermal_targets, _frequency_tuned])
def test_scores_on_rendered_scenes(rendered, method):
    overlap, f_measure = np.mean([_score(method(image), truth) for image, truth in rendered], axis=0)
    print(f"{method.__name__}: IoU {overlap:.2f}, F {f_measure:.2f}")  # noqa: T201
    assert overlap > 0.4
