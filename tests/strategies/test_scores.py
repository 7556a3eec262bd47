"""Each score against its formula, and against values worked out by hand."""

import numpy as np
import pytest

from strategies import scores
from strategies.scores import Measure
from tests import oracles

HALF = np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [0.5, 0.25, 0.25]], np.float32)


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        ("least_confidence", [0.5, 0.0, 0.5]),
        ("margin", [1.0, 0.0, 0.75]),
        ("ratio", [1.0, 0.0, 0.5]),
        ("entropy", [np.log(2) / np.log(3), 0.0, 1.5 * np.log(2) / np.log(3)]),
    ],
)
def test_uncertainties_of_simple_rows(measure: Measure, expected: list[float]) -> None:
    np.testing.assert_allclose(scores.MEASURES[measure](HALF), expected, rtol=1e-6)


@pytest.mark.parametrize("measure", scores.MEASURES)
@pytest.mark.parametrize("n_classes", [2, 3, 10, 300])
def test_uncertainties_follow_their_formulas(measure: Measure, n_classes: int) -> None:
    rng = np.random.default_rng(n_classes)
    probabilities = rng.dirichlet(np.full(n_classes, 0.2), size=200).astype(np.float32)
    values = scores.MEASURES[measure](probabilities)
    expected = [oracles.uncertainty([float(p) for p in row], measure) for row in probabilities]
    np.testing.assert_allclose(values, expected, atol=3e-6)
    assert values.dtype == np.float32
    assert values.min() >= 0 and values.max() <= 1


@pytest.mark.parametrize("measure", scores.MEASURES)
def test_one_class_leaves_no_doubt(measure: Measure) -> None:
    assert scores.MEASURES[measure](np.ones((4, 1), np.float32)).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("measure", scores.MEASURES)
def test_no_samples_no_scores(measure: Measure) -> None:
    assert scores.MEASURES[measure](np.empty((0, 3), np.float32)).shape == (0,)


@pytest.mark.parametrize(
    ("probabilities", "complaint"),
    [
        ([[0.5, 0.5], [0.7, 0.7]], "row 1 sums to 1.4"),
        ([[np.nan, 0.5]], "NaN"),
        ([[1.5, -0.5]], "outside"),
        ([0.5, 0.5], "shape"),
        ([[]], "shape"),
    ],
)
def test_broken_probabilities_are_named(probabilities: list[object], complaint: str) -> None:
    with pytest.raises(ValueError, match=f"probabilities.*{complaint}"):
        scores.margin(np.array(probabilities, np.float32))


def test_several_classes_are_as_many_questions() -> None:
    probabilities = np.array([[0.5, 1.0, 0.25], [0.0, 0.0, 0.0]], np.float32)
    margins = {"mean": [0.5, 0.0], "max": [1.0, 0.0], "sum": [1.5, 0.0]}
    for aggregate, expected in margins.items():
        values = scores.over_classes("margin", probabilities, aggregate=aggregate)  # type: ignore[arg-type]
        assert values.tolist() == expected


def test_unknown_aggregates_are_named() -> None:
    with pytest.raises(ValueError, match=r"median.*mean, max, sum"):
        scores.over_classes("margin", HALF, aggregate="median")  # type: ignore[arg-type]


def test_ecdf_of_simple_values() -> None:
    assert scores.ecdf(np.array([3.0, 1.0, 3.0, np.inf])).tolist() == [0.625, 0.25, 0.625, 1.0]
    assert scores.ecdf(np.array([-0.0, 0.0])).tolist() == [0.75, 0.75]
    assert scores.ecdf(np.empty(0)).shape == (0,)


def test_ecdf_counts_what_is_below() -> None:
    values = np.random.default_rng(0).integers(8, size=60).astype(np.float32)
    assert scores.ecdf(values).tolist() == oracles.ecdf(values.tolist())


def test_ecdf_refuses_nan() -> None:
    with pytest.raises(ValueError, match="values holds NaN"):
        scores.ecdf(np.array([1.0, np.nan]))


def test_density_is_the_inverse_of_the_mean_distance() -> None:
    distances = np.array([[0.1, 0.3], [2.0, 2.0], [0.0, 0.0]], np.float32)
    np.testing.assert_allclose(scores.density(distances), [5.0, 0.5, 2.0**24])


def test_density_without_neighbors_is_zero() -> None:
    assert scores.density(np.empty((1, 0), np.float32)).tolist() == [0.0]


def test_density_refuses_nan_and_wrong_shapes() -> None:
    with pytest.raises(ValueError, match="neighbor_distances holds NaN"):
        scores.density(np.array([[np.nan]]))
    with pytest.raises(ValueError, match="one row of distances a sample"):
        scores.density(np.array([0.5]))


def test_best_first_sends_ties_to_the_lowest_key() -> None:
    values = np.array([0.5, 0.9, 0.5, 0.5, 0.1])
    tie_key = np.array([9, 5, 2**64 - 1, 3, 0], np.uint64)
    assert scores.best_first(values, tie_key, 3).tolist() == [1, 3, 0]
    assert scores.best_first(values, tie_key, 9).tolist() == [1, 3, 0, 2, 4]
    assert scores.best_first(values, tie_key, 0).tolist() == []


def test_best_first_is_a_full_sort_cut_short() -> None:
    rng = np.random.default_rng(1)
    values = rng.integers(30, size=300).astype(np.float32)
    tie_key = rng.integers(2**64, size=300, dtype=np.uint64)
    order = sorted(range(300), key=lambda position: (-values[position], tie_key[position]))
    for n_best in (1, 7, 299, 300):
        assert scores.best_first(values, tie_key, n_best).tolist() == order[:n_best]
