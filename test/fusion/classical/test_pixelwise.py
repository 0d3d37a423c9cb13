"""What needs no more than a pixel of each."""

import numpy as np
import pytest

from tardal_ros.fusion.classical import AverageMethod, InfraredMethod, MaximumMethod, VisibleMethod

LEVELS = np.meshgrid(*(np.arange(256, dtype=np.uint8),) * 2)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (VisibleMethod, LEVELS[0]),
        (InfraredMethod, LEVELS[1]),
        (MaximumMethod, np.maximum(*LEVELS)),
        (AverageMethod, (LEVELS[0].astype(int) + LEVELS[1] + 1) // 2),
    ],
)
def test_every_pair_of_levels(method, expected):
    fused = method().fuse_luma(*LEVELS)
    assert fused.dtype == np.uint8
    np.testing.assert_array_equal(fused, expected)


@pytest.mark.parametrize("method", [VisibleMethod, InfraredMethod])
def test_what_is_passed_through_is_a_copy(method):
    images = [np.zeros((3, 4), np.uint8), np.zeros((3, 4), np.uint8)]
    method().fuse_luma(*images)[:] = 7
    assert not any(image.any() for image in images)
