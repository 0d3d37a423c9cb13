from __future__ import annotations

import numpy as np
import pytest

from tardal_ros.datasets import rendered
from tardal_ros.datasets.item import Item
from tardal_ros.datasets.labels import Objects
from tardal_ros.datasets.rendered import Example, Plan, RenderedDataset, objects_of, rendered_examples, shrunk
from tardal_ros.errors import RigError
from tardal_ros.simulation import CLASSES, Instance, Truth
from tardal_ros.types import CameraInfo, Frame, Pair, View

SMALL = Plan(("day", "night"), seeds=2, images=3, every=2.0)


class Renderer:
    """Stands for the renderer: grey pairs with one car, in 40x30 pixels; notes which scenes it was asked for."""

    def __init__(self):
        self.asked, self.targets = [], None

    def __call__(self, seed, condition, split, times, view, targets):
        self.asked.append((seed, condition))
        self.targets = targets
        name = f"{split}_{condition}_{seed}" if view == "vehicle" else f"{split}_{view}_{condition}_{seed}"
        for index, _ in enumerate(times):
            images = np.full((30, 40, 3), 40 + index, np.uint8), np.full((30, 40), 200, np.uint8)
            mask = np.full((30, 40), 255, np.uint8)
            mask[:, :5] = 0
            target = np.zeros((30, 40), np.uint8)
            target[10:20, 10:20] = 255
            there = Objects(np.array([[8.0, 4.0, 24.0, 20.0]]), np.array([1]), np.array([False]), CLASSES)
            pair = Pair(View(Frame(images[0], 0)), View(Frame(images[1], 0)), mask)
            yield Example(f"{name}_{index:05d}", name, condition, pair, there), target


@pytest.fixture
def renderer(monkeypatch):
    stands_in = Renderer()
    monkeypatch.setattr(rendered, "_moments", stands_in)
    return stands_in


def test_a_plan_lists_scenes_and_moments():
    plan = Plan(("day", "night"), seeds=2, first=5, images=3, every=2.0)

    assert plan.scenes() == [(5, "day"), (5, "night"), (6, "day"), (6, "night")]
    assert plan.times() == [0.0, 2.0, 4.0]


def test_the_hidden_and_the_small_are_ignored():
    def instance(box, visibility):
        return Instance(1, 1, np.array(box, float), visibility, False, np.zeros((8, 3)), np.zeros(3))

    seen = [
        instance((0, 0, 40, 30), 0.9),
        instance((0, 0, 40, 30), 0.1),
        instance((0, 0, 40, 9), 1.0),
    ]
    blank = np.zeros((4, 4))
    info = CameraInfo(4, 4, np.eye(3))
    arrays = (blank.astype(np.uint16), blank.astype(np.float32), blank.astype(np.uint8))
    truth = Truth("visible/left", 0, info, np.eye(4), tuple(seen), *arrays)

    assert objects_of(truth).ignored.tolist() == [False, True, True]
    assert objects_of(truth, smallest=5.0).ignored.tolist() == [False, True, False]
    nothing = Truth("visible/left", 0, info, np.eye(4), (), *arrays)
    assert objects_of(nothing).xyxy.shape == (0, 4)


def test_rendered_pairs_are_registered_and_true():
    dataset = RenderedDataset(Plan(("challenge",), seeds=1, first=4, images=1), "train", longest=1024)
    item = dataset.load(0)

    assert item.name == dataset.samples[0].name and item.scene == "train_challenge_4" and item.condition == "smoke"
    assert item.visible.shape == (768, 1024, 3) and item.infrared.shape == item.target.shape == (768, 1024)
    hot, seen = item.target > 127, item.seen == 255
    assert 0.5 < seen.mean() < 1.0 and (~item.objects.ignored).any()
    # Targets lie on what is warm in the registered infrared, and within the boxes of objects, hidden or not.
    assert 200 < hot.sum() < 0.2 * hot.size
    assert item.infrared[hot & seen].mean() > item.infrared[~hot & seen].mean() + 20
    inside = np.zeros_like(hot)
    for left, top, right, bottom in item.objects.xyxy.astype(int).tolist():
        inside[max(top - 12, 0) : bottom + 12, max(left - 12, 0) : right + 12] = True
    assert (hot & inside).sum() > 0.9 * hot.sum()


def test_an_example_is_a_moment_without_its_targets(renderer):
    examples = list(rendered_examples(4, "day", "train", [0.0, 3.0]))

    assert [example.name for example in examples] == ["train_day_4_00000", "train_day_4_00001"]
    assert isinstance(examples[0], Example) and renderer.targets is False


def test_a_scene_is_rendered_once_with_all_its_moments(renderer):
    dataset = RenderedDataset(SMALL, "train", longest=20)
    items = [dataset.load(index) for index in (1, 0, 2, 4, 1)]

    assert len(dataset) == 12 and renderer.asked == [(0, "day"), (0, "night")]
    assert [item.name for item in items[:4]] == [dataset.samples[index].name for index in (1, 0, 2, 4)]
    assert items[0] is items[4] and items[0].visible[0, 0, 0] == 41


def test_memory_is_bounded(renderer):
    moment = 20 * 15 * 6
    dataset = RenderedDataset(SMALL, "train", longest=20, cache_bytes=2 * 3 * moment)
    for index in (0, 3, 0, 6, 0, 3):
        dataset.load(index)

    # The third scene drove out the second, which was not asked for longest, and not the first.
    assert renderer.asked == [(0, "day"), (0, "night"), (1, "day"), (0, "night")]


def test_scenes_are_kept_on_disk(renderer, tmp_path):
    first = RenderedDataset(SMALL, "train", longest=20, keep=tmp_path).load(4)
    again = RenderedDataset(SMALL, "train", longest=20, keep=tmp_path).load(4)

    assert renderer.asked == [(0, "night")]
    for name in ("visible", "infrared", "target", "seen"):
        assert np.array_equal(getattr(again, name), getattr(first, name))
    assert (again.name, again.scene, again.condition) == (first.name, first.scene, first.condition)
    assert again.objects.xyxy.tolist() == first.objects.xyxy.tolist() and again.objects.names == CLASSES
    RenderedDataset(SMALL, "train", longest=10, keep=tmp_path).load(4)
    assert len(renderer.asked) == 2  # of another size


def test_scenes_from_a_drone_have_names_of_their_own(renderer, tmp_path):
    kept = [
        RenderedDataset(Plan(("day",), 1, images=1, view=view), "test", 40, tmp_path) for view in ("vehicle", "uav")
    ]

    assert [dataset.samples[0].name for dataset in kept] == ["test_day_0_00000", "test_uav_day_0_00000"]
    assert [dataset.load(0).name for dataset in kept] == ["test_day_0_00000", "test_uav_day_0_00000"]
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_a_kept_scene_that_is_broken_is_rendered_again(renderer, tmp_path, content):
    RenderedDataset(SMALL, "train", longest=20, keep=tmp_path).load(0)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-100] if content is None else content)
    item = RenderedDataset(SMALL, "train", longest=20, keep=tmp_path).load(0)

    assert item.name == "train_day_0_00000" and len(renderer.asked) == 2


def test_a_smaller_pair_has_smaller_boxes_and_masks():
    seen = np.full((30, 40), 255, np.uint8)
    seen[:, :5] = 0
    there = Objects(np.array([[8.0, 4.0, 24.0, 20.0]]), np.array([1]), np.array([False]), CLASSES)
    gradient = np.tile(np.arange(40, dtype=np.uint8), (30, 1))
    item = shrunk(Item("a", "a", "day", np.dstack([gradient] * 3), gradient, there, gradient, seen), 20)

    assert item.objects.xyxy.tolist() == [[4.0, 2.0, 12.0, 10.0]] and item.visible.shape == (15, 20, 3)
    assert np.abs(item.infrared[0].astype(float) - (np.arange(20) * 2 + 0.5)).max() <= 0.5
    # The pixel of which half is seen is not.
    assert item.seen[0].tolist() == [0, 0, 0] + [255] * 17
    assert shrunk(item, 64) is item


@pytest.mark.parametrize(
    ("plan", "split", "longest", "sentence"),
    [
        (Plan(("dawn",)), "train", 64, "no condition 'dawn'"),
        (Plan(), "holiday", 64, "no split 'holiday'"),
        (Plan(), "train", 0, "images of 0 pixels"),
        (Plan(seeds=0), "train", 64, "no scenes"),
        (Plan(images=0), "train", 64, "no moments"),
    ],
)
def test_what_cannot_be_rendered_is_refused_at_once(plan, split, longest, sentence):
    with pytest.raises(RigError, match=sentence):
        RenderedDataset(plan, split, longest)
