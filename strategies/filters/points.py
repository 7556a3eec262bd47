"""What a filter looks at, and what it answers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from strategies.pool import Neighbors, Rows

Metric = Literal["cosine", "euclidean", "geodesic"]
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Points:
    """Samples in the order of their tie keys, so that a tie is decided by the lower row.

    `points_from` sorts them; `order` leads back to the rows that were given. As nothing depends on
    the order in which samples were given, shuffled samples give the same answer.

    Attributes
    ----------
    vectors : float32 array of shape (n, n_features), C order, finite; unit rows unless the metric
        is "euclidean"
    order : int64 array of shape (n,), the row that was given as the one at each place
    metric : what distances mean: cosine distance in [0, 2], the length of a difference, or, over
        the neighbors, the length of the shortest path
    neighbors : Neighbors of shape (n, k), self excluded, nearest first, equal ones by row; their
        distances are those of the metric
    exact : whether the neighbors are the nearest ones for certain
    classes : int64 array of shape (n,), class of each sample, known or predicted, or None
    contents : uint8 array of shape (n, 32), SHA-256 of what was embedded, or None
    """

    vectors: NDArray[np.float32]
    order: Rows
    neighbors: Neighbors
    metric: Metric = "cosine"
    exact: bool = True
    classes: NDArray[np.int64] | None = None
    contents: NDArray[np.uint8] | None = None


class Removed(NamedTuple):
    """Samples that go, in the order in which they go, each with its reason.

    Attributes
    ----------
    rows : int64 array of shape (n_removed,)
    because_of : int64 array of shape (n_removed,), the row that stays and stands for it; -1 where
        there is none: an outlier is like nothing
    distances : float32 array of shape (n_removed,), the distance to `because_of`; NaN without
    scores : float32 array of shape (n_removed,), higher = removed sooner; NaN where the filter
        compares pairs and scores nothing
    """

    rows: Rows
    because_of: Rows
    distances: NDArray[np.float32]
    scores: NDArray[np.float32]


NEAREST = -2
"""Stands in `because_of` for the nearest sample that stays, which nobody has looked for yet."""


class Tree(Protocol):
    """What was found out about all points; any number of them can be removed by it, quickly."""

    def remove(self, alive: NDArray[np.bool_], n_remove: int | None) -> Removed:
        """Say which of the living go.

        Parameters
        ----------
        alive : bool array of shape (n,), those that were not removed before
        n_remove : how many go, exactly, at most as many as live; None: what the filter's own
            threshold says, for those that have one

        Returns
        -------
        Removed, rows that were alive; `because_of` is alive, and stays
        """
        ...


@runtime_checkable
class Chooses(Protocol):
    """A tree that can leave the search for what stands for each removed sample to later; optional.

    The search takes far longer than the choice, and who moves a slider looks at a few samples only.
    """

    def choose(self, alive: NDArray[np.bool_], n_remove: int | None) -> Removed:
        """Choose what `Tree.remove` removes, in any order, with `NEAREST` in `because_of`."""
        ...


class Filter(Protocol):
    """A frozen dataclass: settings are its fields; what else it may declare is in `declared`."""

    reason: ClassVar[str]
    """One word, such as "outlier"; stands in the receipt."""

    def build(self, points: Points, *, progress: Progress | None = None) -> Tree:
        """Do the long work, once."""
        ...
