"""Which pictures may show the same: those that look alike at 8 x 8 pixels, whole or cropped."""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from al_server.curation.near_duplicates_pictures import SIDE, shrinking_weights

COARSE_SIDE: Final = 8
CROP: Final = 28  # pixels of SIDE; with the whole, it stands for all crops from 78% up
N_NEAREST: Final = 3
LEAST_CORRELATION: Final = 0.8
"""At 8 x 8 pixels; copies of the CIFAR-10 training images had .867 at least."""

BLOCK: Final = 8192

Floats = NDArray[np.float32]


class Candidates(NamedTuple):
    """Pairs in which one picture may be a part of the other, each once.

    Attributes
    ----------
    parts, wholes : int64 arrays of shape (n_pairs,), rows
    mirrored : bool array of shape (n_pairs,)
    """

    parts: NDArray[np.int64]
    wholes: NDArray[np.int64]
    mirrored: NDArray[np.bool_]


def find_candidates(
    thumbnails: NDArray[np.uint8], *, progress: Callable[[float], None] | None = None
) -> Candidates:
    """Find, for each picture, those of which a view is most like it.

    A view is the whole picture or one of five crops (corners and middle), as it is or mirrored.

    Parameters
    ----------
    thumbnails : uint8 array of shape (n, 3, SIDE, SIDE)

    Notes
    -----
    Twelve times all pairs by products of 192 numbers: time O(n^2), memory O(n).
    """
    from strategies.kernels.nearest import nearest

    n = len(thumbnails)
    keys: list[NDArray[np.int64]] = []
    wholes = _view(thumbnails, 0, 0, SIDE, mirror=False)
    # flat pictures are like nothing; as rows of zeros they would be near to everything
    seen = np.flatnonzero(np.any(wholes != 0, axis=1))
    wholes = wholes[seen]
    views = list(_views())
    for done, (top, left, size, mirror) in enumerate(views, start=1):
        view = _view(thumbnails, top, left, size, mirror=mirror)[seen]
        found = nearest(wholes, view, k=N_NEAREST + 1)  # one more: a view of itself is among them
        others = seen[found.positions]
        alike = (found.distances <= 1 - LEAST_CORRELATION) & (others != seen[:, None])
        which, place = np.nonzero(alike)
        keys.append((seen[which] * n + others[which, place]) * 2 + int(mirror))
        if progress is not None:
            progress(done / len(views))
    key = np.unique(np.concatenate(keys))
    return Candidates(key // 2 // n, key // 2 % n, (key % 2).astype(np.bool_))


def _views() -> Iterator[tuple[int, int, int, bool]]:
    """Give top, left, size and whether mirrored."""
    rest = SIDE - CROP
    corners = ((0, 0), (0, rest), (rest, 0), (rest, rest), (rest // 2, rest // 2))
    for mirror in (False, True):
        yield 0, 0, SIDE, mirror
        for top, left in corners:
            yield top, left, CROP, mirror


def _view(thumbnails: NDArray[np.uint8], top: int, left: int, size: int, *, mirror: bool) -> Floats:
    """Return unit rows of shape (n, 192), each channel around its mean; of zeros where flat."""
    weights = shrinking_weights(size, COARSE_SIDE)
    rows = np.empty((len(thumbnails), 3 * COARSE_SIDE**2), np.float32)
    for start in range(0, len(thumbnails), BLOCK):
        part = thumbnails[start : start + BLOCK, :, top : top + size, left : left + size]
        small = weights @ part.astype(np.float32) @ weights.T
        small = small[..., ::-1] if mirror else small
        small = (small - small.mean(axis=(2, 3), keepdims=True)).reshape(len(part), -1)
        lengths = np.sqrt(np.square(small, dtype=np.float64).sum(axis=1, keepdims=True))
        rows[start : start + BLOCK] = np.where(lengths > 1, small / np.maximum(lengths, 1), 0)
    return rows
