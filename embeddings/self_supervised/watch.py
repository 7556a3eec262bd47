"""Looks at a training from outside: whether it goes wrong, and whether it is over."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import EmbeddingError
from embeddings.self_supervised.measures import (
    Features,
    effective_rank,
    kept_neighbors,
    nearest,
)

N_WATCHED = 1000
"""Images that are looked at, at most."""
_N_NEIGHBORS = 10
_N_QUIET = 2
_COLLAPSED = 2.0


class Reading(NamedTuple):
    """What one look found.

    Attributes
    ----------
    effective_rank : directions that the features make use of; see `measures.effective_rank`
    kept : share of the nearest neighbours that are those of the last look, in [0, 1]; 0 at first
    """

    effective_rank: float
    kept: float


@dataclass
class Watch:
    """Ends a training whose neighbour graph stands still, and refuses one that collapses.

    What an embedding is used for here is who is near whom, so the training is over when that no
    longer changes: when at least `stop_at` of the ten nearest neighbours stayed the same in two
    looks one after another. The loss says less: it falls long after the graph stands still, and
    under Barlow Twins it cannot tell a good graph from a poor one.

    Attributes
    ----------
    stop_at : in (0, 1]; 1: only where not one neighbour changed
    n_quiet : looks in a row that found the graph at rest
    neighbors : int64 array of shape (n_watched, 10) of the last look, or None
    """

    stop_at: float
    n_quiet: int = 0
    neighbors: NDArray[np.int64] | None = None

    @property
    def is_over(self) -> bool:
        """Whether the graph stands still."""
        return self.n_quiet >= _N_QUIET

    def look(self, features: Features, *, may_end: bool = True) -> Reading:
        """Compare the features of the watched images with those of the last look.

        Parameters
        ----------
        features : float32 array of shape (n_watched, n_features), the same images each time
        may_end : whether a graph at rest counts; while the learning rate is still low, or rising,
            it rests for another reason

        Raises
        ------
        EmbeddingError
            If the features are not finite, or say the same of every image.
        """
        rank = effective_rank(features) if np.isfinite(features).all() else 0.0
        if rank < _COLLAPSED:
            raise EmbeddingError(
                "the training collapsed: the network says the same of every image"
                if rank
                else "the training diverged: the network gives numbers that are not finite",
                "start anew in another folder with a lower --learning-rate",
            )
        neighbors = nearest(features, k=min(_N_NEIGHBORS, len(features) - 1))
        kept = 0.0 if self.neighbors is None else kept_neighbors(self.neighbors, neighbors)
        self.neighbors = neighbors
        self.n_quiet = self.n_quiet + 1 if may_end and kept >= self.stop_at else 0
        return Reading(rank, kept)
