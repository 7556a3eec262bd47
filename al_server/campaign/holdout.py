"""How well the classifier does on samples that nobody is asked about."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from al_server.answers import CurvePoint
from al_server.campaign.classifier import NOTHING, Answers
from strategies.kernels.distances import cosine_distances


@dataclass(frozen=True)
class HoldoutData:
    """Labeled samples outside the pool.

    Attributes
    ----------
    embeddings : float32 array of shape (n_holdout, n_features), unit-length rows
    truth : int64 array of shape (n_holdout,), class index; in multi-label campaigns int8 array of
        shape (n_holdout, n_classes), 1 or 0
    """

    embeddings: NDArray[np.float32]
    truth: NDArray[np.int64] | NDArray[np.int8]


class Holdout:
    """The accuracy curve: one point for every number of labeled samples.

    In multi-label campaigns a point is the share of right yes/no answers over all classes.

    Parameters
    ----------
    votes : what is believed of the samples
    truth : as in `HoldoutData`
    """

    def __init__(self, votes: Answers, truth: NDArray[np.int64] | NDArray[np.int8]) -> None:
        self.votes = votes
        self.curve: list[CurvePoint] = []
        self._truth = truth

    def learn(self, row: int, vector: NDArray[np.float32], *, n_labeled: int) -> None:
        """Take in the label of one more sample, whose embedding is `vector`."""
        column = NOTHING
        if self.votes.wants_distances:
            column = cosine_distances(self.votes.embeddings, vector[None])[0]
        self.votes.learn(row, column)
        self.measure(n_labeled)

    def measure(self, n_labeled: int) -> None:
        """Put the accuracy as it is now at the end of the curve."""
        # an undo takes the curve back to where it was
        while self.curve and self.curve[-1].n_labeled >= n_labeled:
            self.curve.pop()
        if n_labeled > 0:
            self.curve.append(CurvePoint(n_labeled=n_labeled, accuracy=self._accuracy()))

    def _accuracy(self) -> float:
        if self._truth.ndim == 1:
            return float(np.mean(self.votes.beliefs.predicted == self._truth))
        n_known = self._truth.shape[1]
        return float(np.mean((self.votes.beliefs.probabilities[:, :n_known] >= 0.5) == self._truth))
