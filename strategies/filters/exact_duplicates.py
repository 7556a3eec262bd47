"""Exact duplicates: of files with the same bytes one is enough."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strategies.filters.nearest import distances_between
from strategies.filters.points import Points, Progress, Removed, Tree
from strategies.pool import Rows


@dataclass(frozen=True)
class ExactDuplicates:
    """Of samples with equal contents the lowest living row stays, the others go because of it.

    They go highest row first. Distances are measured: above 0 where an embedder gave equal files
    different vectors; along paths they count as 0. There are no scores. Time O(n log n), memory
    O(n).

    Source: equal SHA-256 digests, as `points.contents`.
    """

    reason: ClassVar[str] = "duplicate"
    needs: ClassVar[tuple[str, ...]] = ("contents",)

    def build(self, points: Points, *, progress: Progress | None = None) -> Tree:
        """Find out which contents are equal.

        Raises
        ------
        ValueError
            If the points have no contents.
        """
        if points.contents is None:
            raise ValueError(
                "exact_duplicates needs points.contents; give points_from(..., contents=...) the "
                "SHA-256 of each file, or use semantic_dedup, which compares embeddings"
            )
        _, groups = np.unique(points.contents, axis=0, return_inverse=True)
        if progress is not None:
            progress(1.0)
        return ExactDuplicatesTree(points, groups.reshape(-1).astype(np.int64))


class ExactDuplicatesTree(NamedTuple):
    """Which group of equal contents each row belongs to."""

    points: Points
    groups: NDArray[np.int64]

    def remove(self, alive: NDArray[np.bool_], n_remove: int | None) -> Removed:
        """Remove all living duplicates, or so many.

        Raises
        ------
        ValueError
            If more are to go than there are duplicates.
        """
        living = np.flatnonzero(alive)
        _, first, group = np.unique(self.groups[living], return_index=True, return_inverse=True)
        stand_ins: Rows = living[first][group.reshape(-1)]
        is_duplicate = stand_ins != living
        rows, because_of = living[is_duplicate][::-1], stand_ins[is_duplicate][::-1]
        if n_remove is not None and not 0 <= n_remove <= len(rows):
            raise ValueError(
                f"exact_duplicates cannot remove {n_remove} samples, for there are {len(rows)} "
                "duplicates; leave the number out, or use similars for the rest"
            )
        rows, because_of = rows[:n_remove], because_of[:n_remove]
        distances: NDArray[np.float32] = np.zeros(len(rows), np.float32)
        if self.points.metric != "geodesic":
            distances = distances_between(self.points, rows, because_of)
        return Removed(rows, because_of, distances, np.full(len(rows), np.nan, np.float32))
