"""Pairs with something to fuse, and weights for the generator from a formula."""

import cv2
import numpy as np
import pytest


def _formula(name, shape, number):
    """Numbers from arithmetic alone, the same on every machine: around 0 for convolutions, around 1 for scales."""
    size = int(np.prod(shape, dtype=np.int64))
    steps = (np.arange(size, dtype=np.int64) * 7919 + number * 104_729) % 1009
    spread = steps / 504.0 - 1.0
    if len(shape) == 4:
        values = spread * 2.0 * np.sqrt(1.0 / np.prod(shape[1:]))
    elif name.endswith("running_var") or (name.endswith("weight") and len(shape) == 1):
        values = 1.0 + 0.5 * spread
    else:
        values = 0.1 * spread
    return values.reshape(shape).astype(np.float32)


@pytest.fixture(scope="session")
def formula_state():
    """A generator's state dict from the formula, counters at 5; a narrow network unless told, to be quick."""
    torch = pytest.importorskip("torch", reason="needs torch")
    from tardal_ros.fusion.tardal import Generator

    def make(dim=4):
        return {
            name: torch.tensor(5) if value.ndim == 0 else torch.from_numpy(_formula(name, tuple(value.shape), number))
            for number, (name, value) in enumerate(Generator(dim).state_dict().items())
        }

    return make


@pytest.fixture(scope="session")
def save_weights(tmp_path_factory):
    """Saves anything as a torch file of its own."""
    torch = pytest.importorskip("torch", reason="needs torch")

    def save(content, name="tardal.pth"):
        path = tmp_path_factory.mktemp("weights") / name
        torch.save(content, path)
        return path

    return save


@pytest.fixture
def make_pair():
    """A textured colour image with letters, and infrared with one warm blob that only it shows."""

    def make(height=48, width=64, seed=0):
        random = np.random.default_rng(seed)
        visible = cv2.GaussianBlur(random.integers(40, 200, (height, width, 3), np.uint8), (0, 0), 1.5)
        cv2.putText(visible, "STOP", (2, height // 3), cv2.FONT_HERSHEY_PLAIN, 1.0, (230, 230, 230))
        infrared = cv2.GaussianBlur(random.integers(20, 60, (height, width), np.uint8), (0, 0), 2.0)
        cv2.ellipse(infrared, (width * 3 // 4, height * 2 // 3), (width // 12, height // 5), 0, 0, 360, 230, -1)
        return visible, infrared

    return make
