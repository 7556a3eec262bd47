"""Filters whose answers can be said by heart."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategies.filters.points import Points, Progress, Removed


@dataclass(frozen=True)
class FirstToLast:
    """The lowest living row goes first, because of the highest living one, at distance -1."""

    reason: ClassVar[str] = "low"

    def build(self, points: Points, *, progress: Progress | None = None) -> "FirstToLastTree":
        return FirstToLastTree()


class FirstToLastTree:
    def remove(self, alive: NDArray[np.bool_], n_remove: int | None) -> Removed:
        living = np.flatnonzero(alive)
        n = len(living) // 2 if n_remove is None else n_remove
        unknown = np.full(n, np.nan, np.float32)
        distances = np.full(n, -1, np.float32)
        return Removed(living[:n], np.full(n, living[-1]), distances, unknown)


@dataclass(frozen=True)
class LastToFirst:
    """The highest living row goes first, like nothing."""

    reason: ClassVar[str] = "high"

    def build(self, points: Points, *, progress: Progress | None = None) -> "LastToFirstTree":
        return LastToFirstTree()


class LastToFirstTree:
    def remove(self, alive: NDArray[np.bool_], n_remove: int | None) -> Removed:
        assert n_remove is not None
        rows = np.flatnonzero(alive)[::-1][:n_remove]
        unknown = np.full(len(rows), np.nan, np.float32)
        return Removed(rows, np.full(len(rows), -1), unknown, np.ones(len(rows), np.float32))
