"""How good a classifier is on a holdout."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

N_BINS = 10


class Quality(NamedTuple):
    """All in [0, 1]; higher is better but for the calibration error.

    Attributes
    ----------
    accuracy : share of right predictions
    balanced_accuracy : mean recall of the classes
    macro_f1 : mean F1 of the classes; 0 for one that is never predicted
    worst_recall : of the class that fares worst
    calibration_error : expected difference of confidence and accuracy, ten bins of equal width
    """

    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    worst_recall: float
    calibration_error: float


def quality(
    predicted: NDArray[np.integer], confidence: NDArray[np.floating], truth: NDArray[np.int64]
) -> Quality:
    """Compare predictions with the truth; classes that the truth lacks do not count.

    Parameters
    ----------
    predicted : integer array of shape (n_samples,), class index
    confidence : float array of shape (n_samples,), probability of the predicted class
    truth : int64 array of shape (n_samples,)
    """
    n_classes = int(max(truth.max(), predicted.max())) + 1
    right = predicted == truth
    n_true = np.bincount(truth, minlength=n_classes)
    n_said = np.bincount(predicted, minlength=n_classes)
    n_right = np.bincount(truth[right], minlength=n_classes)
    there = n_true > 0
    recall = n_right[there] / n_true[there]
    f1 = 2 * n_right[there] / (n_true[there] + n_said[there])
    bins = np.minimum((confidence * N_BINS).astype(np.int64), N_BINS - 1)
    gaps = np.bincount(bins, weights=confidence - right, minlength=N_BINS)
    return Quality(
        accuracy=float(right.mean()),
        balanced_accuracy=float(recall.mean()),
        macro_f1=float(f1.mean()),
        worst_recall=float(recall.min()),
        calibration_error=float(np.abs(gaps).sum() / len(truth)),
    )
