"""Class probabilities that a model of the user's own has supplied."""

import numpy as np
from numpy.typing import NDArray

from al_server.campaign.classifier import Beliefs
from strategies.scores import margin, over_classes


class OwnPredictions:
    """Probabilities for some or all rows; the votes answer for the others.

    Attributes
    ----------
    probabilities : float32 array of shape (n_samples, n_classes), NaN rows: nothing said
    said : bool array of shape (n_samples,)
    """

    def __init__(self, probabilities: NDArray[np.float32], *, multi: bool) -> None:
        self.probabilities = probabilities
        self._multi = multi
        self.said = np.logical_not(np.isnan(probabilities).any(axis=1))
        said = probabilities[self.said]
        self._uncertainty = over_classes("margin", said) if multi else margin(said)
        self._predicted = said.argmax(axis=1).astype(np.int32)

    def over(self, votes: Beliefs) -> Beliefs:
        """Lay these predictions over the votes. Time O(n_samples n_classes)."""
        if self.said.all():
            return Beliefs(self.probabilities, self._uncertainty, self._predicted)
        beliefs = Beliefs(
            np.where(self.said[:, None], self.probabilities, votes.probabilities),
            votes.uncertainty.copy(),
            votes.predicted.copy(),
        )
        beliefs.uncertainty[self.said] = self._uncertainty
        beliefs.predicted[self.said] = self._predicted
        return beliefs

    def grown(self, n_samples: int, n_classes: int) -> "OwnPredictions":
        """Return the same predictions for a larger pool; nothing is said of the new rows."""
        n_before, n_classes_before = self.probabilities.shape
        longer = np.full((n_samples, n_classes), np.nan, dtype=np.float32)
        longer[:n_before] = 0.0
        longer[:n_before, :n_classes_before] = self.probabilities
        return OwnPredictions(longer, multi=self._multi)
