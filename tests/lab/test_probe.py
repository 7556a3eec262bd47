"""The linear model judges the labels of a strategy, and nothing else."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from al_server.lab.probe import STRENGTH, checkpoints, probe
from al_server.lab.splits import Split
from tests.lab.toys import blobs


@pytest.mark.parametrize(
    ("n_labeled", "n", "expected"),
    [
        (list(range(1, 301)), 10, list(range(30, 301, 30))),
        (list(range(1, 8)), 10, [1, 2, 3, 4, 5, 6, 7]),
        ([10, 20, 30, 40], 2, [20, 40]),
        ([5], 10, [5]),
    ],
)
def test_checkpoints_spread_over_the_curve_and_end_with_it(
    n_labeled: list[int], n: int, expected: list[int]
) -> None:
    assert checkpoints(n_labeled, n) == expected


def test_it_is_a_logistic_regression_on_the_labels_so_far() -> None:
    data = blobs(spread=0.6)
    split = Split(np.arange(0, 120, 2), np.arange(1, 120, 2))
    picks = np.random.default_rng(0).permutation(split.pool)
    found = probe(data, split, picks, [12, 40])
    pool = data.embeddings[split.pool]
    center, scale = pool.mean(axis=0), pool.std(axis=0)
    scale = np.sqrt((scale**2).mean())
    for place, n in enumerate((12, 40)):
        model = LogisticRegression(C=STRENGTH, max_iter=1000)
        model.fit((data.embeddings[picks[:n]] - center) / scale, data.labels[picks[:n]])
        right = model.predict((data.embeddings[split.holdout] - center) / scale)
        expected = np.mean(right == data.labels[split.holdout])
        assert found.qualities[place].accuracy == pytest.approx(expected)


def test_of_one_class_it_predicts_that_class() -> None:
    data = blobs()
    split = Split(np.arange(0, 120, 2), np.arange(1, 120, 2))
    found = probe(data, split, split.pool, [1, 5])
    assert [one.accuracy for one in found.qualities] == pytest.approx([1 / 3, 1 / 3])
