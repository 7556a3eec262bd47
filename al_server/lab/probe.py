"""The linear model that is trained in the end: whether an advantage carries over to it.

What a strategy picks suits the classifier it asks. So the labels of each arm are judged by another
model too: a logistic regression on the same embeddings, fitted anew on the labels so far.
"""

import time

import numpy as np
from numpy.typing import NDArray

from al_server.lab.data import LabeledData
from al_server.lab.measures import Quality, quality
from al_server.lab.replay import Trace
from al_server.lab.splits import Rows, Split

STRENGTH = 0.1
"""C of the regression, on features of the pool's own scale."""
_MAX_STEPS = 1000


def checkpoints(n_labeled: list[int], n_checkpoints: int) -> list[int]:
    """Spread checkpoints evenly over a curve; its end is one of them.

    Parameters
    ----------
    n_labeled : labels at each point of the curve
    """
    places = np.linspace(0, len(n_labeled), n_checkpoints + 1)[1:].round().astype(int) - 1
    return [n_labeled[place] for place in np.unique(np.maximum(places, 0))]


def probe(data: LabeledData, split: Split, picks: Rows, at: list[int]) -> Trace:
    """Measure a linear model on the holdout after the first so many labels.

    Parameters
    ----------
    picks : rows of the data, in the order of their labels
    at : numbers of labels, ascending
    """
    center, scale = _scale(data.embeddings[split.pool])
    holdout = (data.embeddings[split.holdout] - center) / scale
    truth = data.labels[split.holdout]
    qualities: list[Quality] = []
    seconds: list[float] = []
    for n_labels in at:
        rows = picks[:n_labels]
        began = time.perf_counter()
        features = (data.embeddings[rows] - center) / scale
        qualities.append(_quality(features, data.labels[rows], holdout, truth))
        seconds.append(time.perf_counter() - began)
    return Trace(picks, at, qualities, seconds)


def _scale(pool: NDArray[np.float32]) -> tuple[NDArray[np.float32], np.float32]:
    """Center and spread of the pool, which are known without any label.

    One spread for all features: to scale each by itself would blow up those that are mere noise.
    """
    center = pool.mean(axis=0)
    return center, np.sqrt(np.mean((pool - center) ** 2))


def _quality(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    holdout: NDArray[np.float32],
    truth: NDArray[np.int64],
) -> Quality:
    from sklearn.linear_model import LogisticRegression

    if (labels == labels[0]).all():
        # a single class so far: there is nothing to fit
        predicted = np.full(len(truth), labels[0])
        return quality(predicted, np.ones(len(truth)), truth)
    model = LogisticRegression(C=STRENGTH, max_iter=_MAX_STEPS).fit(features, labels)
    probabilities = model.predict_proba(holdout)
    best = probabilities.argmax(axis=1)
    return quality(model.classes_[best], probabilities[np.arange(len(best)), best], truth)
