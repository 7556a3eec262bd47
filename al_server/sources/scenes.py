"""Where a new scene begins in a video: a cut, told by how much a frame differs from the last one.

Each frame is made `WIDTH` x `HEIGHT` pixels small, which noise and small movements do not change
much, and compared with the one before: the mean absolute difference of their values, 0 to 255. A
cut is a difference of at least `FLOOR` that is also `FACTOR` times the mean of the `WINDOW`
differences before it: what is much for a quiet scene is little for a moving one. Slow fades are not
found.
"""

from collections import deque

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 32, 18
FLOOR = 12.0
FACTOR = 4.0
WINDOW = 24
MIN_GAP_MS = 1000


class SceneCuts:
    """Told the frames of one video in order, says which of them begin a scene."""

    def __init__(self) -> None:
        self._before: NDArray[np.int16] | None = None
        self._differences: deque[float] = deque(maxlen=WINDOW)
        self._begun_ms = 0

    def begins(self, ms: int, small: NDArray[np.uint8]) -> bool:
        """Tell whether a frame begins a scene; the first one does.

        A scene lasts at least `MIN_GAP_MS`.

        Parameters
        ----------
        ms : its time
        small : uint8 array of shape (HEIGHT, WIDTH, 3)
        """
        before, self._before = self._before, small.astype(np.int16)
        if before is None:
            self._begun_ms = ms
            return True
        difference = float(np.abs(self._before - before).mean())
        usual = float(np.mean(self._differences)) if self._differences else 0.0
        self._differences.append(difference)
        is_cut = difference >= max(FLOOR, FACTOR * usual)
        if not is_cut or ms - self._begun_ms < MIN_GAP_MS:
            return False
        self._differences.clear()  # how much the next scene moves is yet to be seen
        self._begun_ms = ms
        return True
