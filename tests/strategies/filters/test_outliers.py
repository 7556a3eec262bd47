from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse.csgraph import minimum_spanning_tree

from strategies.filters.nearest import points_from
from strategies.filters.outliers import Outliers, score
from strategies.filters.points import Metric, Points

EVERYBODY = np.ones(400, bool)


def clustered(n: int = 400, n_features: int = 6, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((8, n_features))
    spread = rng.uniform(0.05, 0.5, (n, 1))
    vectors = centers[rng.integers(8, size=n)] + spread * rng.standard_normal((n, n_features))
    return vectors.astype(np.float32)


def made(vectors: NDArray[Any], **settings: Any) -> Points:
    return points_from(vectors, np.arange(len(vectors), dtype=np.uint64), **settings)


def reachability(points: Points, min_samples: int) -> NDArray[np.float64]:
    """Mutual reachability of all pairs; distances with the bits of a full list of neighbors."""
    n = len(points.vectors)
    full = points_from(
        points.vectors, np.arange(n, dtype=np.uint64), metric=points.metric, k=n - 1
    ).neighbors
    distances = np.zeros((n, n))
    np.put_along_axis(distances, full.rows.astype(np.int64), full.distances, axis=1)
    cores = np.sort(distances + np.diag(np.full(n, -1.0)), axis=1)[:, min_samples]
    return np.maximum(distances, np.maximum(cores, cores[:, None]))


def by_the_tree(points: Points, min_samples: int) -> NDArray[np.float64]:
    """Build the whole tree and take the lightest edge of every vertex."""
    # scipy takes a 0 for no edge at all
    tree = minimum_spanning_tree(reachability(points, min_samples) + 1).tocoo()
    lightest = np.full(len(points.vectors), np.inf)
    np.minimum.at(lightest, tree.row, tree.data - 1)
    np.minimum.at(lightest, tree.col, tree.data - 1)
    return lightest


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize(("min_samples", "k"), [(1, 1), (1, 3), (5, 5), (5, 15), (12, 15)])
def test_scores_are_the_lightest_edges_of_the_spanning_tree(
    metric: Metric, min_samples: int, k: int
) -> None:
    points = made(clustered(), metric=metric, k=k)
    scored = score(points, min_samples)
    np.testing.assert_allclose(scored.scores, by_the_tree(points, min_samples), atol=1e-6)
    assert scored.n_uncertified == 0


def test_scores_are_exact_with_duplicates_and_ties() -> None:
    rng = np.random.default_rng(3)
    grid = rng.integers(0, 4, (300, 3)).astype(np.float32)  # most distances occur many times
    points = made(np.concatenate([grid, grid[:100]]), metric="euclidean", k=6)
    np.testing.assert_allclose(score(points, 5).scores, by_the_tree(points, 5), atol=1e-6)


def test_where_neighbors_do_not_suffice_more_are_searched() -> None:
    # a center with five neighbors, all of them in a hurry to be alone: the nearest dense place
    # lies farther than they do, but is reached with less
    star = 1.0 * np.eye(5, 6)
    dense = np.full((10, 6), [0, 0, 0, 0, 0, 1.2]) + 0.001 * np.arange(10)[:, None]
    points = made(np.concatenate([np.zeros((1, 6)), star, dense]), metric="euclidean", k=5)
    scored = score(points, 5)
    assert scored.n_searched > 0
    assert scored.scores[0] == pytest.approx(1.2, abs=1e-6)
    np.testing.assert_allclose(scored.scores, by_the_tree(points, 5), atol=1e-6)


def test_exactly_so_many_go_the_loneliest_first_of_equal_ones_the_higher_row() -> None:
    places = np.array([0, 1, 2, 3, 10, 11, 30, 33], np.float32)[:, None]
    tree = Outliers(min_samples=1).build(made(places, metric="euclidean", k=3))
    removed = tree.remove(np.ones(8, bool), 4)
    assert removed.rows.tolist() == [7, 6, 5, 4]
    assert removed.scores.tolist() == [3, 3, 1, 1]
    assert removed.because_of.tolist() == [-1] * 4
    assert np.isnan(removed.distances).all()
    for n_remove in range(9):
        assert len(tree.remove(np.ones(8, bool), n_remove).rows) == n_remove


def test_only_the_living_go() -> None:
    tree = Outliers().build(made(clustered()))
    first = tree.remove(EVERYBODY, 20).rows
    alive = EVERYBODY.copy()
    alive[first] = False
    second = tree.remove(alive, 30).rows
    assert np.concatenate([first, second]).tolist() == tree.remove(EVERYBODY, 50).rows.tolist()


def test_copies_of_one_sample_are_removed_to_the_number_too() -> None:
    tree = Outliers().build(made(np.ones((50, 4), np.float32)))
    removed = tree.remove(np.ones(50, bool), 3)
    assert removed.rows.tolist() == [49, 48, 47]
    assert removed.scores.tolist() == [0, 0, 0]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_samples_have_scores(n: int) -> None:
    tree = Outliers().build(made(np.eye(3, dtype=np.float32)[:n]))
    assert sorted(tree.remove(np.ones(n, bool), n).rows.tolist()) == list(range(n))


def test_shuffled_samples_lose_the_same() -> None:
    vectors, rng = clustered(), np.random.default_rng(1)
    vectors[100:200] = vectors[:100]
    keys = rng.permutation(400).astype(np.uint64)
    shuffle = rng.permutation(400)
    one, other = points_from(vectors, keys), points_from(vectors[shuffle], keys[shuffle])
    gone = one.order[Outliers().build(one).remove(EVERYBODY, 77).rows]
    gone_too = shuffle[other.order[Outliers().build(other).remove(EVERYBODY, 77).rows]]
    assert gone.tolist() == gone_too.tolist()


def test_trouble_is_told_with_the_remedy() -> None:
    points = made(clustered(), k=3)
    with pytest.raises(ValueError, match="find at least 5 neighbors, or lower min_samples"):
        Outliers(min_samples=5).build(points)
    with pytest.raises(ValueError, match="min_samples=0 is below 1"):
        Outliers(min_samples=0)
    tree = Outliers(min_samples=3).build(points)
    with pytest.raises(ValueError, match="say how many"):
        tree.remove(EVERYBODY, None)
    with pytest.raises(ValueError, match=r"401 of 400 samples"):
        tree.remove(EVERYBODY, 401)
