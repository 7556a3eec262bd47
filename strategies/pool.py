"""The whole contract between a pool of samples and the strategies that choose from it."""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
"""Positions in a PoolView, shape (n,)."""


class Status(IntEnum):
    """What has happened to a sample."""

    UNLABELED = 0
    PENDING = 1  # leased to an annotator
    LABELED = 2
    SKIPPED = 3  # refused; not offered again


class Neighbors(NamedTuple):
    """Nearest neighbours, nearest first.

    Attributes
    ----------
    rows : integer array of shape (n, k)
    distances : float32 array of shape (n, k), cosine distance, in [0, 2]
    """

    rows: NDArray[np.integer]
    distances: NDArray[np.float32]


@dataclass(frozen=True)
class PoolView:
    """One moment of the pool; row r is the same sample in every array.

    Distances are cosine distances, 1 - cosine similarity, in [0, 2].

    Attributes
    ----------
    embeddings : float32 array of shape (n_samples, n_features), unit-length rows;
        may be memory-mapped
    status : int8 array of shape (n_samples,), values of `Status`
    labels : int64 array of shape (n_samples,), class index, -1 where there is none
    tie_key : uint64 array of shape (n_samples,), a hash of the sample_id, never of the row:
        equal scores go to the lowest key
    n_classes : int, how many classes there are, also before the first label
    probabilities : float32 array of shape (n_samples, n_classes), or None before the first label
    uncertainty : float32 array of shape (n_samples,), in [0, 1], or None; the margin uncertainty
        of `probabilities`, kept up to date by the owner of the pool so that a pick need not read
        the whole matrix; a strategy computes it where it is None
    predicted : int32 array of shape (n_samples,), or None; the most probable class of each row,
        the lowest index on ties; kept like `uncertainty`
    density : float32 array of shape (n_samples,), or None; higher = more neighbours close by
    cover_distance : float32 array of shape (n_samples,), distance to the nearest labeled, pending
        or skipped sample; inf before the first
    neighbors : Neighbors of shape (n_samples, k), self excluded, or None
    uncertainty_mass : float32 array of shape (n_samples,), or None; own and neighbours' uncertainty
    targets : int8 array of shape (n_samples, n_classes), or None; multi-label campaigns:
        1 yes, 0 no, -1 unknown
    images : uint8 array of shape (n_samples, height, width, 3), or None; may be memory-mapped;
        only strategies that learn from pixels read it
    """

    embeddings: NDArray[np.float32]
    status: NDArray[np.int8]
    labels: NDArray[np.int64]
    tie_key: NDArray[np.uint64]
    n_classes: int
    probabilities: NDArray[np.float32] | None = None
    uncertainty: NDArray[np.float32] | None = None
    predicted: NDArray[np.int32] | None = None
    density: NDArray[np.float32] | None = None
    cover_distance: NDArray[np.float32] | None = None
    neighbors: Neighbors | None = None
    uncertainty_mass: NDArray[np.float32] | None = None
    targets: NDArray[np.int8] | None = None
    images: NDArray[np.uint8] | None = None

    def candidate_rows(self) -> Rows:
        """Rows that may be offered, in ascending order."""
        return np.flatnonzero(self.status == Status.UNLABELED)


class Strategy(Protocol):
    """Chooses the rows worth labeling next. A frozen dataclass: settings are its fields."""

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        """Return up to `budget` distinct candidate rows, most valuable first.

        A short batch when the pool runs out. `rng` is the only source of chance; nothing is
        remembered between calls and the pool is not changed.

        Raises
        ------
        ValueError
            If the pool lacks an array that this strategy needs; it names the array and the remedy.
        """
        ...


@runtime_checkable
class Scores(Protocol):
    """A strategy that values every candidate by itself; compositions are made of these."""

    def score(self, pool: PoolView, rows: Rows, rng: np.random.Generator) -> NDArray[np.float32]:
        """Score candidate rows, higher = label sooner; inf is allowed, NaN never comes.

        Returns
        -------
        float32 array of shape (len(rows),)
        """
        ...


class Explanation(NamedTuple):
    """Why a row was chosen.

    Attributes
    ----------
    score : float, higher = label sooner
    parts : the percentile of the row among the candidates for each thing the strategy looks at,
        in [0, 1]
    """

    score: float
    parts: dict[str, float]


@runtime_checkable
class Explains(Protocol):
    """A strategy that can say why; optional."""

    def explain(self, pool: PoolView, rows: Rows) -> list[Explanation]:
        """Explain candidate rows, one explanation a row, against the pool as it is given."""
        ...
