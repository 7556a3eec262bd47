"""Farthest first, by all three metrics, against slow loops."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from strategies.filters.coreset import Coreset, CoresetTree
from strategies.filters.nearest import points_from
from strategies.filters.points import Metric, Points
from strategies.filters.shortest_paths import with_path_distances


def made(n: int, metric: Metric, *, seed: int = 0, n_distinct: int | None = None) -> Points:
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((n, 5))[np.arange(n) % (n_distinct or n)]
    keys = np.arange(n, dtype=np.uint64)
    if metric == "geodesic":
        return with_path_distances(points_from(vectors, keys, metric="euclidean", k=6), 5)
    return points_from(vectors, keys, metric=metric, k=6)


def all_distances(points: Points) -> NDArray[np.float64]:
    vectors = points.vectors.astype(float)
    if points.metric == "cosine":
        distances = np.maximum(0, 1 - vectors @ vectors.T)
        return np.where(distances < 2.0**-20, 0, distances)
    if points.metric == "euclidean":
        return np.sqrt(np.square(vectors[:, None] - vectors[None]).sum(axis=2))
    n = len(vectors)
    paths = np.full((n, n), np.inf)
    for row, (ends, lengths) in enumerate(zip(*points.neighbors, strict=True)):
        paths[row, ends] = np.minimum(paths[row, ends], lengths)
    paths = np.minimum(paths, paths.T)
    np.fill_diagonal(paths, 0)
    for middle in range(n):
        paths = np.minimum(paths, paths[:, middle : middle + 1] + paths[middle : middle + 1])
    return paths


def slow_order(distances: NDArray[Any]) -> list[int]:
    nearest, order = np.full(len(distances), np.inf), []
    for _ in range(len(distances)):
        left = np.setdiff1d(np.arange(len(distances)), order)
        order.append(int(left[np.argmax(nearest[left])]))
        nearest = np.minimum(nearest, distances[order[-1]])
    return order


@pytest.mark.parametrize("n_distinct", [None, 150])
@pytest.mark.parametrize("metric", ["cosine", "euclidean", "geodesic"])
def test_the_order_is_that_of_a_slow_loop(metric: Metric, n_distinct: int | None) -> None:
    points = made(400, metric, n_distinct=n_distinct)
    tree = Coreset().build(points)
    assert isinstance(tree, CoresetTree)
    assert tree.first(400).tolist() == slow_order(all_distances(points))


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "geodesic"])
def test_an_order_that_is_gone_on_with_is_the_same(metric: Metric) -> None:
    points = made(500, metric, n_distinct=450)
    whole, parts = CoresetTree(points), CoresetTree(points)
    for n_wanted in (1, 2, 17, 16, 100, 333, 500):
        assert parts.first(n_wanted).tolist() == whole.first(500)[:n_wanted].tolist()


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_large_sets_are_ordered_alike_in_one_go_and_in_several(metric: Metric) -> None:
    points = made(3000, metric)
    parts = CoresetTree(points)
    for n_wanted in (700, 701, 2000):
        parts.first(n_wanted)
    assert parts.first(3000).tolist() == CoresetTree(points).first(3000).tolist()


def test_rows_that_no_path_leads_to_come_first() -> None:
    vectors = np.concatenate([np.arange(8.0), 1000 + np.arange(8.0)])[:, None]
    points = points_from(vectors, np.arange(16, dtype=np.uint64), metric="euclidean", k=2)
    tree = CoresetTree(with_path_distances(points, 2))
    assert tree.first(2).tolist() == [0, 8]
    assert tree.first(16).tolist() == slow_order(all_distances(tree.points))


@pytest.mark.parametrize("seed", range(10))
def test_the_kept_cover_within_twice_the_best_radius(seed: int) -> None:
    points = made(11, "euclidean", seed=seed)
    distances = all_distances(points)
    for n_kept in (1, 2, 3, 4):
        found = Coreset().build(points).remove(np.ones(11, np.bool_), 11 - n_kept)
        best = min(
            distances[:, list(centers)].min(axis=1).max()
            for centers in combinations(range(11), n_kept)
        )
        assert found.distances.max() <= 2 * best + 1e-6


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "geodesic"])
def test_samples_go_best_covered_first_because_of_the_nearest_kept(metric: Metric) -> None:
    points = made(200, metric)
    distances, alive = all_distances(points), np.ones(200, np.bool_)
    alive[::3] = False
    found = Coreset(most=3).build(points).remove(alive, 90)
    order = [row for row in slow_order(distances) if alive[row]]
    assert sorted(found.rows.tolist()) == sorted(order[-90:])
    kept = np.array(order[:-90])
    nearest = distances[found.rows][:, kept].min(axis=1)
    assert np.allclose(found.distances, nearest, atol=1e-5)
    assert np.allclose(distances[found.rows, found.because_of], nearest, atol=1e-5)
    assert (np.diff(found.distances) >= 0).all()
    assert np.isnan(found.scores).all()


def test_wrong_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="most=-1"):
        Coreset(most=-1)
    tree = Coreset().build(made(5, "cosine"))
    with pytest.raises(ValueError, match="no threshold; say how many"):
        tree.remove(np.ones(5, np.bool_), None)
    with pytest.raises(ValueError, match="cannot remove 6 of 5"):
        tree.remove(np.ones(5, np.bool_), 6)
