"""What filters have in common: how many go, and what stands for each of them."""

import numpy as np
from numpy.typing import NDArray

from strategies.filters.kept_neighbors import nearest_kept
from strategies.filters.points import NEAREST, Points, Removed
from strategies.pool import Rows


def checked_count(name: str, alive: NDArray[np.bool_], n_remove: int | None) -> int:
    """Return how many shall go, for filters without a threshold of their own.

    Raises
    ------
    ValueError
        If no number is given, or more than live.
    """
    if n_remove is None:
        raise ValueError(f"{name} has no threshold; say how many samples it shall remove")
    n_alive = int(np.count_nonzero(alive))
    if not 0 <= n_remove <= n_alive:
        raise ValueError(f"{name} cannot remove {n_remove} of {n_alive} samples; ask for 0 to all")
    return int(n_remove)


def receipts(
    points: Points, rows: Rows, kept: NDArray[np.bool_], scores: NDArray[np.float32] | None = None
) -> Removed:
    """Return removed rows with the nearest kept of each; -1 and NaN where nothing is kept."""
    if scores is None:
        scores = np.full(len(rows), np.nan, np.float32)
    return Removed(rows, *nearest_kept(points, rows, kept), scores)


def without_receipts(rows: Rows, scores: NDArray[np.float32] | None = None) -> Removed:
    """Return removed rows whose nearest kept is to be looked for by whoever wants to know it."""
    unknown = np.full(len(rows), np.nan, np.float32)
    return Removed(
        rows, np.full(len(rows), NEAREST), unknown, unknown if scores is None else scores
    )
