from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numba import get_num_threads, set_num_threads

from strategies.filters import nearest, search
from strategies.filters.nearest import distances_between, measured_recall, points_from
from strategies.filters.points import Metric, Points

METRICS: tuple[Metric, ...] = ("cosine", "euclidean")


def spread(n: int, n_features: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal((n, n_features))


def on_a_grid(n: int, n_features: int = 3) -> Any:
    return np.random.default_rng(1).integers(1, 5, (n, n_features)).astype(float)


def all_pairs(points: Points) -> Any:
    """Sums in single precision, one feature after the other, of every pair."""
    total = np.zeros((len(points.vectors),) * 2, np.float32)
    for column in points.vectors.T:
        if points.metric == "cosine":
            total = total + column[:, None] * column
        else:
            total = total + (column[:, None] - column) ** 2
    if points.metric == "euclidean":
        return np.sqrt(total)
    distances = np.maximum(0, np.float32(1) - total)
    return np.where(distances < 2**-20, np.float32(0), distances)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    "vectors",
    [
        spread(1, 3),
        spread(2, 5),
        spread(700, 20),
        spread(300, 270),
        on_a_grid(600),
        np.ones((300, 4)),
        np.repeat(spread(80, 7), 5, axis=0),
        1000 + spread(200, 9),
    ],
    ids=["one", "two", "spread", "wide", "grid", "identical", "copies", "far off"],
)
def test_neighbors_are_those_of_all_pairs_sorted_by_distance_and_row(
    vectors: Any, metric: Metric
) -> None:
    n = len(vectors)
    points = points_from(vectors, np.random.default_rng(2).permutation(n), metric=metric, k=15)
    expected = all_pairs(points)
    np.fill_diagonal(expected, np.inf)
    rows = np.argsort(expected, axis=1, kind="stable")[:, : min(15, n - 1)]
    assert points.exact
    assert (points.neighbors.rows == rows).all()
    assert (points.neighbors.distances == np.take_along_axis(expected, rows, 1)).all()


@pytest.mark.parametrize("metric", METRICS)
def test_a_pair_is_measured_alike_by_itself_and_from_both_sides(metric: Metric) -> None:
    points = points_from(spread(300, 70), np.arange(300), metric=metric)
    lefts = np.repeat(np.arange(300), 15)
    rights = points.neighbors.rows.ravel()
    there = distances_between(points, lefts, rights)
    assert (there == points.neighbors.distances.ravel()).all()
    assert (there == distances_between(points, rights, lefts)).all()


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("metric", METRICS)
def test_the_order_of_samples_does_not_matter(
    metric: Metric, exact: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not exact:
        approximate(monkeypatch)
    vectors, keys = spread(900, 6), np.random.default_rng(3).permutation(900)
    there = points_from(vectors, keys, metric=metric, classes=keys % 7)
    shuffle = np.random.default_rng(4).permutation(900)
    again = points_from(vectors[shuffle], keys[shuffle], metric=metric, classes=keys[shuffle] % 7)
    assert there.exact is again.exact is exact
    assert (there.vectors == again.vectors).all()
    assert (there.neighbors.rows == again.neighbors.rows).all()
    assert (there.neighbors.distances == again.neighbors.distances).all()
    assert there.classes is not None and again.classes is not None
    assert (there.classes == np.arange(900) % 7).all() and (again.classes == there.classes).all()
    assert (shuffle[again.order] == there.order).all()


def approximate(monkeypatch: pytest.MonkeyPatch, n_searched: int = 4) -> None:
    monkeypatch.setattr(nearest, "MOST_STEPS", 0)
    monkeypatch.setattr(search, "ROWS_A_CLUSTER", 50)
    monkeypatch.setattr(search, "N_CLUSTERS_SEARCHED", n_searched)


@pytest.mark.parametrize("metric", METRICS)
def test_clusters_find_most_neighbors_and_the_recall_says_how_many(
    metric: Metric, monkeypatch: pytest.MonkeyPatch
) -> None:
    approximate(monkeypatch)
    points = points_from(spread(2000, 4), np.arange(2000), metric=metric, k=10)
    true = all_pairs(points)
    np.fill_diagonal(true, np.inf)
    found = points.neighbors.distances <= np.sort(true, axis=1)[:, 9:10]
    assert not points.exact
    assert measured_recall(points, 2000) == pytest.approx(found.mean())
    assert 0.7 < found.mean() < 1
    rows = np.arange(2000)[:, None]
    assert (points.neighbors.distances == true[rows, points.neighbors.rows]).all()


def test_all_clusters_together_find_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    there = points_from(on_a_grid(1000), np.arange(1000), metric="euclidean")
    approximate(monkeypatch, n_searched=20)
    again = points_from(on_a_grid(1000), np.arange(1000), metric="euclidean")
    assert measured_recall(again) == 1
    assert (there.neighbors.distances == again.neighbors.distances).all()


def test_one_thread_finds_what_many_find() -> None:
    n_threads = get_num_threads()
    there = points_from(spread(3000, 16), np.arange(3000))
    try:
        set_num_threads(1)
        alone = points_from(spread(3000, 16), np.arange(3000))
    finally:
        set_num_threads(n_threads)
    assert (there.neighbors.rows == alone.neighbors.rows).all()


def test_only_the_living_are_found() -> None:
    points = points_from(spread(400, 5), np.arange(400))
    alive = np.random.default_rng(5).random(400) < 0.3
    expected = np.where(alive, all_pairs(points), np.inf)
    np.fill_diagonal(expected, np.inf)
    found = nearest.search_of(points).nearest(np.arange(400), k=5, alive=alive)
    assert (found.rows == np.argsort(expected, axis=1, kind="stable")[:, :5]).all()
    few = nearest.search_of(points).nearest(np.array([7]), k=200, alive=alive)
    assert (few.rows[0] >= 0).sum() == alive.sum() - alive[7]
    assert np.isinf(few.distances[few.rows < 0]).all()


def test_progress_rises_to_one() -> None:
    shares: list[float] = []
    points_from(spread(20_000, 2), np.arange(20_000), k=2, progress=shares.append)
    assert shares == sorted(shares) and shares[-1] == 1 and len(shares) > 1


def with_a(value: float) -> Any:
    vectors = spread(5, 3)
    vectors[2, 1] = value
    return vectors


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: points_from(np.zeros((0, 3)), []), "at least one row"),
        (lambda: points_from(np.zeros(3), np.arange(3)), "one row a sample"),
        (
            lambda: points_from(with_a(np.nan), np.arange(5)),
            "row 2 has numbers that are not finite",
        ),
        (
            lambda: points_from(with_a(np.inf), np.arange(5)),
            "row 2 has numbers that are not finite",
        ),
        (lambda: points_from(np.zeros((2, 3)), np.arange(2)), "row 0 is zero"),
        (lambda: points_from(with_a(1e30), np.arange(5), metric="euclidean"), "too long"),
        (lambda: points_from(spread(5, 3), np.arange(4)), "tie_key has the shape"),
        (lambda: points_from(spread(5, 3), np.arange(5), classes=[1]), "classes has the shape"),
        (lambda: points_from(spread(5, 3), np.arange(5), k=0), "k is at least 1"),
        (lambda: points_from(spread(5, 3), np.arange(5), metric="geodesic"), "cosine or euclidean"),
    ],
)
def test_bad_input_is_told_with_its_place(call: Callable[[], Points], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_a_row_of_zeros_is_fine_where_lengths_count() -> None:
    points = points_from([[0, 0], [3, 4]], [1, 0], metric="euclidean")
    assert points.order.tolist() == [1, 0] and points.neighbors.distances.tolist() == [[5], [5]]
