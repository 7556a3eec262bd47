"""Uniqueness by FiftyOne's formula."""

from dataclasses import replace

import numpy as np
import pytest

from strategies.filters.nearest import points_from
from strategies.filters.testing import toy_points
from strategies.filters.uniqueness import Uniqueness, uniqueness


def test_the_formula_is_fiftyones() -> None:
    points = toy_points()
    vectors = points.vectors.astype(float)
    distances = np.sort(1 - vectors @ vectors.T, axis=1)[:, 1:4]
    means = np.mean(distances * [0.6, 0.3, 0.1], axis=1)
    assert np.allclose(uniqueness(points), means / means.max(), atol=1e-5)


def test_the_least_unique_go_first_of_equal_ones_the_higher_row() -> None:
    # distances to the nearest three: 1 2 3, 1 1 2, 1 1 2, 1 2 3, and one far away
    points = points_from(
        np.array([[0.0], [1], [2], [3], [90]]),
        np.arange(5, dtype=np.uint64),
        metric="euclidean",
        k=3,
    )
    found = Uniqueness().build(points).remove(np.ones(5, np.bool_), 4)
    assert found.rows.tolist() == [2, 1, 3, 0]
    assert found.because_of.tolist() == [4, 4, 4, 4]
    assert found.distances.tolist() == [88, 89, 87, 90]
    sums = np.array([1.1, 1.1, 1.5, 1.5])
    assert np.allclose(found.scores, 1 - sums / (0.6 * 87 + 0.3 * 88 + 0.1 * 89))


def test_equal_samples_are_not_unique_at_all() -> None:
    assert (
        uniqueness(toy_points(n_distinct=1)).max() < 1e-5
        or (uniqueness(toy_points(metric="euclidean", n_distinct=1)) == 0).all()
    )
    assert (uniqueness(toy_points(metric="euclidean", n_distinct=1)) == 0).all()


def test_too_few_neighbors_are_said() -> None:
    points = toy_points()
    few = points.neighbors._replace(
        rows=points.neighbors.rows[:, :2], distances=points.neighbors.distances[:, :2]
    )
    with pytest.raises(ValueError, match=r"looks at 3 neighbors, but the points have 2.*k=3"):
        Uniqueness().build(replace(points, neighbors=few))
