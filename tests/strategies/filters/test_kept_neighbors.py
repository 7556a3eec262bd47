from typing import Any

import numpy as np
import pytest

from strategies.filters.kept_neighbors import nearest_kept
from strategies.filters.nearest import points_from
from strategies.filters.points import Metric
from tests.strategies.filters.test_nearest import METRICS, all_pairs, on_a_grid, spread


@pytest.mark.parametrize("share", [0.02, 0.5])
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("vectors", [spread(600, 9), on_a_grid(600)], ids=["spread", "grid"])
def test_it_is_the_nearest_of_all_that_are_kept(vectors: Any, metric: Metric, share: float) -> None:
    points = points_from(vectors, np.arange(600), metric=metric, k=5)
    kept = np.random.default_rng(6).random(600) < share
    expected = np.where(kept, all_pairs(points), np.inf)
    np.fill_diagonal(expected, np.inf)
    rows = np.random.default_rng(7).permutation(600)[:400]
    found = nearest_kept(points, rows, kept)
    assert (found.rows == expected.argmin(axis=1)[rows]).all()
    assert (found.distances == expected.min(axis=1)[rows]).all()


def test_without_anything_kept_nothing_stands_for_a_row() -> None:
    points = points_from(spread(5, 3), np.arange(5))
    found = nearest_kept(points, np.arange(5), np.zeros(5, np.bool_))
    assert found.rows.tolist() == [-1] * 5 and np.isnan(found.distances).all()
    assert len(nearest_kept(points, np.array([], np.int64), np.ones(5, np.bool_)).rows) == 0
    alone = nearest_kept(points, np.array([2]), np.arange(5) == 2)
    assert alone.rows.tolist() == [-1] and np.isnan(alone.distances).all()
