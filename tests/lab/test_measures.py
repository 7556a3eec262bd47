"""The measures of a holdout, beside scikit-learn's and by hand."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, recall_score

from al_server.lab.measures import quality


@pytest.mark.parametrize("seed", range(20))
def test_they_are_those_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = np.concatenate([np.arange(4), rng.integers(4, size=60)])
    predicted = np.where(rng.random(64) < 0.6, truth, rng.integers(4, size=64))
    found = quality(predicted, rng.random(64), truth)
    assert found.accuracy == np.mean(predicted == truth)
    assert found.balanced_accuracy == pytest.approx(balanced_accuracy_score(truth, predicted))
    assert found.macro_f1 == pytest.approx(f1_score(truth, predicted, average="macro"))
    assert found.worst_recall == pytest.approx(recall_score(truth, predicted, average=None).min())


def test_the_calibration_error_is_the_mean_gap_of_its_bins() -> None:
    confidence = np.array([0.95, 0.95, 0.55, 0.55])
    # one of two right at .95, both right at .55: gaps .45 and .45
    found = quality(np.array([0, 1, 0, 1]), confidence, np.array([0, 0, 0, 1]))
    assert found.calibration_error == pytest.approx(0.45)


def test_a_class_that_the_truth_lacks_does_not_count() -> None:
    found = quality(np.array([0, 5]), np.ones(2), np.array([0, 0]))
    assert (found.accuracy, found.balanced_accuracy, found.worst_recall) == (0.5, 0.5, 0.5)
