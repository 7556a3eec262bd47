from typing import Any

import numpy as np
import pytest

from strategies.filters.adjacency import Adjacency
from strategies.filters.nearest import points_from
from strategies.filters.points import Metric, Points
from strategies.filters.shortest_paths import with_path_distances
from tests.strategies.filters.test_nearest import (
    METRICS,
    all_pairs,
    approximate,
    on_a_grid,
    spread,
)

N = 300
DATA = {
    "spread": spread(N, 5),
    "grid": on_a_grid(N),
    "identical": np.ones((120, 3)),
    "copies": np.repeat(spread(60, 4), 4, axis=0),
    "dense clusters": np.concatenate([3 + 1e-3 * spread(150, 4), spread(100, 4, seed=1)]),
    "two": spread(2, 4),
    "one": spread(1, 4),
}


def by_all_pairs(points: Points, alive: Any) -> list[int]:
    """The definition, one edge after the other, until one row is left; that goes last."""
    alive, distances = alive.copy(), all_pairs(points)
    removed = []
    while alive.sum() > 1:
        rows = np.flatnonzero(alive)
        living = distances[np.ix_(rows, rows)]
        living[np.tril_indices(len(rows))] = np.inf
        low, high = np.unravel_index(living.argmin(), living.shape)
        ends = rows[low], rows[high]
        others = np.setdiff1d(rows, ends)
        of_low, of_high = (distances[end, others].min(initial=np.inf) for end in ends)
        removed.append(int(ends[0] if of_low < of_high else ends[1]))
        alive[removed[-1]] = False
    return removed + np.flatnonzero(alive).tolist()


@pytest.mark.parametrize("k", [1, 3, 15])
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", DATA)
def test_what_goes_is_what_the_loop_over_all_pairs_removes(
    name: str, metric: Metric, k: int
) -> None:
    n = len(DATA[name])
    rng = np.random.default_rng(8)
    points = points_from(DATA[name], rng.permutation(n), metric=metric, k=k)
    for alive in (np.ones(n, np.bool_), rng.random(n) < 0.6):
        expected = by_all_pairs(points, alive)
        tree = Adjacency().build(points)
        for n_remove in (len(expected) // 3, len(expected), len(expected) // 2):
            assert tree.remove(alive, n_remove).rows.tolist() == expected[:n_remove]
            assert tree.n_uncertified == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["grid", "dense"])
def test_two_thousand_go_as_in_the_loop(name: str) -> None:
    dense = np.concatenate([3 + 1e-2 * spread(1500, 8), spread(500, 8, seed=2)])
    vectors = dense if name == "dense" else on_a_grid(2000, 4)
    points = points_from(vectors, np.random.default_rng(9).permutation(2000), metric="euclidean")
    alive = np.ones(2000, np.bool_)
    expected = by_all_pairs(points, alive)[:1500]
    assert Adjacency().build(points).remove(alive, 1500).rows.tolist() == expected


def test_the_end_in_the_denser_place_goes_and_the_kept_one_stands_for_it() -> None:
    # 1 and 2 are nearest; 0 is nearer to 1 than 3 is to 2
    points = points_from([[0.0], [3], [5], [9]], np.arange(4), metric="euclidean")
    removed = Adjacency().build(points).remove(np.ones(4, np.bool_), 2)
    # then 0-2 and 2-3 are left, 5 and 4 long; the next one of 2 is nearer than that of 3
    assert removed.rows.tolist() == [1, 2]
    assert removed.because_of.tolist() == [0, 3] and removed.distances.tolist() == [3, 4]
    assert np.isnan(removed.scores).all()


def test_between_equal_ends_the_higher_row_goes() -> None:
    points = points_from([[0.0], [1], [2]], [5, 9, 7], metric="euclidean")
    assert points.order.tolist() == [0, 2, 1]
    # rows at 0, 2, 1: of the edges 0-2 and 1-2 the one with row 0; the next one of row 2 is nearer
    assert Adjacency().build(points).remove(np.ones(3, np.bool_), 1).rows.tolist() == [2]
    pair = points_from([[0.0], [1]], [1, 0], metric="euclidean")
    assert Adjacency().build(pair).remove(np.ones(2, np.bool_), 1).rows.tolist() == [1]


def test_who_stands_for_the_removed_is_alive_and_stays() -> None:
    points = points_from(DATA["dense clusters"], np.arange(250))
    alive = np.random.default_rng(10).random(250) < 0.8
    removed = Adjacency().build(points).remove(alive, 150)
    kept = alive.copy()
    kept[removed.rows] = False
    distances = np.where(kept, all_pairs(points), np.inf)[removed.rows]
    assert alive[removed.rows].all() and kept[removed.because_of].all()
    assert (removed.because_of == distances.argmin(axis=1)).all()
    assert (removed.distances == distances.min(axis=1)).all()


def test_shuffled_samples_lose_the_same_ones() -> None:
    vectors, keys = on_a_grid(500, 4), np.random.default_rng(11).permutation(500)
    shuffle = np.random.default_rng(12).permutation(500)
    there, again = points_from(vectors, keys), points_from(vectors[shuffle], keys[shuffle])
    alive = np.ones(500, np.bool_)
    removed = [Adjacency().build(points).remove(alive, 250).rows for points in (there, again)]
    assert (there.order[removed[0]] == shuffle[again.order[removed[1]]]).all()


def test_a_search_near_clusters_is_counted_and_the_number_is_exact(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    approximate(monkeypatch)
    dense = np.concatenate([3 + 1e-3 * spread(1500, 6), spread(500, 6, seed=3)])
    points = points_from(dense, np.arange(2000), k=5)
    alive = np.random.default_rng(13).random(2000) < 0.9
    tree = Adjacency().build(points)
    removed = tree.remove(alive, 1500)
    kept = alive.copy()
    kept[removed.rows] = False
    assert (
        not points.exact and len(set(removed.rows.tolist())) == 1500 and alive[removed.rows].all()
    )
    assert 0 < tree.n_uncertified <= kept.sum() and kept[removed.because_of].all()
    everything = tree.remove(alive, int(alive.sum()))
    assert tree.n_uncertified == 0, "nobody survives"
    again = Adjacency().build(points)
    for n_remove in (100, 700, 1500):
        again.remove(alive, n_remove)
        tree.remove(alive, n_remove)
        assert tree.n_uncertified == again.n_uncertified, "whatever was asked before"
    assert (everything.rows[:1500] == removed.rows).all()
    assert sorted(everything.rows.tolist()) == np.flatnonzero(alive).tolist()
    assert (everything.because_of == -1).all() and np.isnan(everything.distances).all()


def test_along_paths_any_number_goes() -> None:
    points = with_path_distances(points_from(spread(200, 3), np.arange(200), k=8), 5)
    removed = Adjacency().build(points).remove(np.ones(200, np.bool_), 190)
    kept = np.ones(200, np.bool_)
    kept[removed.rows] = False
    assert kept.sum() == 10 and kept[removed.because_of].all()
    first = points.neighbors.distances[:, 0]
    assert first[removed.rows[0]] == first.min()


def test_a_number_that_cannot_go_is_refused() -> None:
    tree = Adjacency().build(points_from(spread(5, 3), np.arange(5)))
    alive = np.arange(5) < 3
    for n_remove in (-1, 4):
        with pytest.raises(ValueError, match="of 3 samples"):
            tree.remove(alive, n_remove)
    with pytest.raises(ValueError, match="no threshold"):
        tree.remove(alive, None)
    assert len(tree.remove(alive, 0).rows) == 0
