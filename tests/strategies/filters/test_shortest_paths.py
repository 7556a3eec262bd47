from typing import Any

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from strategies.filters.kept_neighbors import nearest_kept
from strategies.filters.nearest import points_from
from strategies.filters.points import Metric, Points
from strategies.filters.shortest_paths import with_path_distances
from tests.strategies.filters.test_nearest import METRICS, spread

ON_A_BOW = np.stack([np.cos(np.linspace(0, 5, 60)), np.sin(np.linspace(0, 5, 60))], axis=1)


def paths(points: Points) -> Any:
    """Lengths between all, by scipy."""
    n, k = points.neighbors.rows.shape
    lengths = points.neighbors.distances.astype(float)
    if points.metric == "cosine":
        lengths = np.sqrt(2 * lengths)
    edges = np.full((n, n), np.inf)
    edges[np.repeat(np.arange(n), k), points.neighbors.rows.ravel()] = lengths.ravel()
    edges = np.minimum(edges, edges.T)
    rows, columns = np.nonzero(np.isfinite(edges))
    found = dijkstra(coo_array((edges[rows, columns], (rows, columns)), shape=(n, n)).tocsr())
    np.fill_diagonal(found, np.inf)
    return found


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [1, 4, 8])
def test_distances_are_those_of_the_shortest_paths(metric: Metric, k: int) -> None:
    points = points_from(spread(500, 6), np.arange(500), metric=metric, k=8)
    expected = np.sort(paths(points), axis=1)[:, :k]
    geodesic = with_path_distances(points, k)
    assert geodesic.metric == "geodesic" and geodesic.neighbors.rows.shape == (500, k)
    np.testing.assert_allclose(geodesic.neighbors.distances, expected, rtol=1e-6)
    rows = geodesic.neighbors.rows
    reached = np.take_along_axis(paths(points), rows.astype(np.int64), 1)
    np.testing.assert_allclose(geodesic.neighbors.distances, reached, rtol=1e-6)


def test_on_a_bow_the_way_is_along_it() -> None:
    bow = points_from(ON_A_BOW, np.arange(60), metric="euclidean", k=4)
    geodesic = with_path_distances(bow, 4)
    step = 2 * np.sin(5 / 59 / 2)
    np.testing.assert_allclose(
        geodesic.neighbors.distances[30], np.array([1, 1, 2, 2]) * step, rtol=0.002
    )
    kept = np.arange(60) >= 58
    far = nearest_kept(geodesic, np.array([0]), kept)
    assert far.rows.tolist() == [58]
    # straight on it would be 1.2
    np.testing.assert_allclose(far.distances, 58 * step, rtol=0.01)


def test_a_path_is_as_long_from_either_end() -> None:
    geodesic = with_path_distances(points_from(spread(400, 4), np.arange(400), k=15), 15)
    known = {
        (row, int(other)): length
        for row, (others, lengths) in enumerate(zip(*geodesic.neighbors, strict=True))
        for other, length in zip(others, lengths, strict=True)
    }
    both = [(known[pair], known[pair[::-1]]) for pair in known if pair[::-1] in known]
    assert len(both) > 1000 and all(there == back for there, back in both)


def test_copies_are_at_no_distance_and_stand_by_row() -> None:
    vectors = np.repeat(spread(30, 3), 4, axis=0)
    geodesic = with_path_distances(points_from(vectors, np.arange(120), k=6), 6)
    assert (geodesic.neighbors.distances[:, :3] == 0).all()
    assert geodesic.neighbors.rows[5, :3].tolist() == [4, 6, 7]
    same = with_path_distances(points_from(np.ones((9, 2)), np.arange(9), k=3), 3)
    assert (same.neighbors.distances == 0).all()


def test_what_cannot_be_reached_for_certain_is_refused() -> None:
    points = points_from(spread(20, 3), np.arange(20), k=5)
    for k in (0, 6):
        with pytest.raises(ValueError, match="larger k"):
            with_path_distances(points, k)
    with pytest.raises(ValueError, match="already"):
        with_path_distances(with_path_distances(points, 5), 5)
    alone = with_path_distances(points_from(spread(1, 3), [0]), 1)
    assert alone.neighbors.rows.shape == (1, 0) and alone.metric == "geodesic"
