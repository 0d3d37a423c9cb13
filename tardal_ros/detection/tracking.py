"""Keeping an object's number from image to image.

By ByteTrack (Zhang et al., 2022) as the library `trackers` has it: a Kalman filter foretells where each object's box
will be, and boxes go to the objects whose foretold box they overlap most, whatever class the detector takes them for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tardal_ros.errors import MissingDependencyError
from tardal_ros.types import UNTRACKED, Detections

LOWEST = 0.1
"""Boxes below the detector's confidence, but not below this score, keep a track going although nobody hears of them."""

# Seconds without any box after which an object is forgotten. On rendered streets 3 s change ids less often than 1 s.
_MEMORY = 3.0
# Images per second for which the library's noises fit best. It is told the true times; on rendered streets at 10 images
# per second, 10 gave 36 changes of ids, 5 gave 46 and 30 gave 54.
_RATE = 10.0
# The library counts its memory in thirtieths of a second.
_PER_SECOND = 30
# Assigning takes the cube of the number of boxes: so many are tracked, the best first.
_MOST = 300


class Tracker:
    """Numbers the objects in a sequence of detections; no number is ever used twice.

    Used by one thread at a time.
    """

    def __init__(self) -> None:
        """Loads the library.

        Raises:
            MissingDependencyError: It is not installed.
        """
        try:
            from supervision import Detections as Batch
            from trackers import ByteTrackTracker
        except ImportError as error:
            raise MissingDependencyError(
                f"Tracking needs the library trackers ({error}): run `pip install '.[track]'` in the checkout, or set "
                "tracker to none."
            ) from error
        self._make_batch = Batch
        self._library: Any = ByteTrackTracker(
            lost_track_buffer=round(_MEMORY * _PER_SECOND), frame_rate=_RATE, minimum_consecutive_frames=1
        )
        self._first_id = 0
        self._last_id = UNTRACKED
        self._begun: int | None = None
        self._newest = 0

    def track(self, detections: Detections, stamp: int, confidence: float) -> Detections:
        """Gives the boxes of one image the ids of their tracks.

        Args:
            detections: The boxes, best first; those of less than `confidence` are used, and left out of the result.
            stamp: When the image was captured, in nanoseconds. After a jump back, or one ahead by more than the
                tracker's memory, nothing of what was before is known any more.
            confidence: Lowest score of a box that is reported, and may begin a track.

        Returns:
            The boxes of at least `confidence`, unchanged, with `track_ids`; -1 where a box has no track (yet).
        """
        if self._begun is None or not 0 <= stamp - self._newest <= _MEMORY * 1e9:
            self.reset()
            self._begun = stamp
        self._newest = stamp
        self._library.high_conf_det_threshold = self._library.track_activation_threshold = confidence
        # Seconds since the beginning, since a float does not hold nanoseconds since 1970.
        ids = self._update(detections, (stamp - self._begun) / 1e9)
        sure = detections.scores >= confidence
        return Detections(
            detections.xyxy[sure], detections.scores[sure], detections.class_ids[sure], detections.names, ids[sure]
        )

    def reset(self) -> None:
        """Forgets all objects; ids go on where they were."""
        self._library.reset()
        self._first_id = self._last_id + 1
        self._begun = None

    def _update(self, detections: Detections, seconds: float) -> NDArray[np.int64]:
        """(N,) ids of the boxes."""
        ids = np.full(len(detections), UNTRACKED, np.int64)
        batch = self._make_batch(
            xyxy=detections.xyxy[:_MOST],
            confidence=detections.scores[:_MOST],
            class_id=detections.class_ids[:_MOST],
            data={"row": np.arange(min(len(detections), _MOST))},
        )
        tracked = self._library.update(batch, timestamp=seconds)
        if len(tracked):
            found = np.asarray(tracked.tracker_id, np.int64)
            ids[tracked.data["row"]] = np.where(found < 0, UNTRACKED, found + self._first_id)
            self._last_id = max(self._last_id, int(ids.max()))
        return ids
