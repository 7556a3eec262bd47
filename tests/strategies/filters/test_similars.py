from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage

from strategies.filters import components, search
from strategies.filters.dendrogram import Dendrogram
from strategies.filters.nearest import points_from
from strategies.filters.points import Metric, Points
from strategies.filters.similars import Similars
from tests.oracles_linkage import clustered, link_slowly, made, nearest_pairs, tied

Vectors = NDArray[np.float32]
GRAPH = Similars(all_pairs=0)


def groups(labels: Any) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in set(labels)}


def kept_groups(tree: Dendrogram, n: int, n_remove: int) -> set[frozenset[int]]:
    removed = tree.remove(np.ones(n, bool), n_remove)
    labels = np.arange(n)
    labels[removed.rows] = removed.because_of
    return groups(labels)


@pytest.mark.parametrize("n_remove", [1, 60, 200, 290, 299])
def test_all_pairs_give_the_clusters_of_scipy(n_remove: int) -> None:
    points = made(clustered())
    tree = linkage(points.vectors.astype(np.float64), "average", metric="cosine")
    expected = groups(fcluster(tree, 300 - n_remove, "maxclust"))
    assert len(expected) == 300 - n_remove
    assert kept_groups(Similars().build(points), 300, n_remove) == expected


def test_heights_are_the_mean_distances_of_scipy() -> None:
    points = made(clustered())
    tree = linkage(points.vectors.astype(np.float64), "average", metric="cosine")
    np.testing.assert_allclose(Similars().build(points).heights, tree[:, 2], atol=1e-6)


def test_euclidean_heights_are_half_the_mean_squared_distances_far_from_the_origin_too() -> None:
    vectors = 100 * clustered() + np.float32(1e6)
    points = made(vectors, metric="euclidean")
    tree = linkage(vectors.astype(np.float64), "average", metric="sqeuclidean")
    np.testing.assert_allclose(2 * Similars().build(points).heights, tree[:, 2], rtol=1e-9)
    expected = groups(fcluster(tree, 100, "maxclust"))
    assert kept_groups(Similars().build(points), 300, 200) == expected


@pytest.mark.parametrize("seed", range(5))
def test_all_pairs_merge_as_the_slow_loop_does_with_duplicates_and_ties(seed: int) -> None:
    points = made(tied(seed=seed))
    everything = {(a, b) for b in range(120) for a in range(b)}
    expected = link_slowly(points, everything)
    tree = Similars().build(points)
    assert tree.merges.tolist() == [[a, b] for a, b, _ in expected]
    assert tree.heights.tolist() == [height for _, _, height in expected]


def neighbor_links(points: Points) -> set[tuple[int, int]]:
    return {
        (min(row, int(other)), max(row, int(other)))
        for row, others in enumerate(points.neighbors.rows)
        for other in others
        if other >= 0
    }


def graph_links(points: Points) -> set[tuple[int, int]]:
    links = neighbor_links(points)
    return links | nearest_pairs(points, links)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 2, 5, 15])
def test_the_graph_merges_as_the_slow_loop_does(metric: Metric, k: int) -> None:
    points = made(clustered(n=200), metric=metric, k=k)
    expected = link_slowly(points, graph_links(points))
    tree = GRAPH.build(points)
    assert tree.merges.tolist() == [[a, b] for a, b, _ in expected]
    np.testing.assert_allclose(tree.heights, [height for _, _, height in expected], atol=1e-9)


@pytest.mark.parametrize("k", [1, 3, 8])
@pytest.mark.parametrize("seed", range(5))
def test_the_graph_merges_as_the_slow_loop_does_with_duplicates_and_ties(k: int, seed: int) -> None:
    points = made(tied(seed=seed), k=k)
    expected = link_slowly(points, graph_links(points))
    tree = GRAPH.build(points)
    assert tree.merges.tolist() == [[a, b] for a, b, _ in expected]
    assert tree.heights.tolist() == [height for _, _, height in expected]


def test_a_graph_of_all_pairs_merges_as_all_pairs_do() -> None:
    points = made(clustered(), k=299)
    assert GRAPH.build(points).merges.tolist() == Similars().build(points).merges.tolist()


def test_neighbors_that_were_not_found_are_no_links() -> None:
    points = made(clustered(), k=5)
    rows = points.neighbors.rows.copy()
    rows[::3, 2:] = -1
    fewer = replace(points, neighbors=points.neighbors._replace(rows=rows))
    expected = link_slowly(fewer, graph_links(fewer))
    assert GRAPH.build(fewer).merges.tolist() == [[a, b] for a, b, _ in expected]


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("few", [False, True])
@pytest.mark.parametrize("spread", [0.0, 0.01, 0.3, 0.6])
def test_look_alikes_in_groups_larger_than_k_are_joined_by_their_nearest_pairs(
    metric: Metric, few: bool, spread: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    if few:  # of what is looked at: nearly all groups are searched for, or measured in parts
        monkeypatch.setattr(components, "N_NEAR", 3)
        monkeypatch.setattr(components, "PAIRS", 200)
    rng = np.random.default_rng(0)
    centers = rng.integers(-3, 4, size=(25, 4)) + 0.25  # some are equally near
    groups = np.repeat(centers, rng.integers(5, 12, size=25), axis=0)
    vectors = (groups + spread * rng.normal(size=groups.shape)).astype(np.float32)
    points = made(vectors, metric=metric, k=3)
    found = {(int(a), int(b)) for a, b in components.joined(points)}
    assert found and found == nearest_pairs(points, neighbor_links(points))


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("scale", [1, 0.1, 0.03, 0.01, 0.003])
@pytest.mark.parametrize("spread", [0.002, 0.02, 0.2])
def test_groups_near_by_hold_what_a_search_of_everything_finds(
    metric: Metric, scale: float, spread: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    centers = rng.normal(size=64) + scale * rng.normal(size=(60, 64))
    rows = np.repeat(centers, 10, axis=0) + spread * scale * rng.normal(size=(600, 64))
    points = points_from(rows.astype(np.float32), rng.permutation(600), metric=metric, k=4)
    found = components.joined(points)
    monkeypatch.setattr(components, "WORTH", 10**9)  # nothing is worth measuring
    assert found.tolist() == components.joined(points).tolist()


def test_components_that_no_search_near_clusters_joins_are_joined_by_all_pairs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    centers = 9 * rng.normal(size=(4, 5))
    vectors = (np.repeat(centers, 25, axis=0) + rng.normal(size=(100, 5))).astype(np.float32)
    points = made(vectors, metric="euclidean", k=3)
    expected = GRAPH.build(points).merges.tolist()
    monkeypatch.setattr(search, "ROWS_A_CLUSTER", 25)
    monkeypatch.setattr(search, "N_CLUSTERS_SEARCHED", 1)
    assert GRAPH.build(replace(points, exact=False)).merges.tolist() == expected


@pytest.mark.parametrize("similars", [Similars(), GRAPH])
def test_exactly_so_many_go_and_the_clusters_are_nested(similars: Similars) -> None:
    points = made(np.concatenate([clustered(100), tied(50) @ np.eye(4, 6, dtype=np.float32)]))
    tree = similars.build(points)
    cuts = [kept_groups(tree, 150, n_remove) for n_remove in range(150)]
    assert [len(cut) for cut in cuts] == list(range(150, 0, -1))
    for finer, coarser in pairwise(cuts):
        assert len(coarser - finer) == 1


@pytest.mark.parametrize("similars", [Similars(), GRAPH])
def test_shuffled_samples_lose_the_same(similars: Similars) -> None:
    vectors, rng = clustered(), np.random.default_rng(1)
    vectors[100:200] = vectors[:100]
    keys = rng.permutation(300).astype(np.uint64)
    shuffle = rng.permutation(300)
    one, other = points_from(vectors, keys), points_from(vectors[shuffle], keys[shuffle])
    removed = similars.build(one).remove(np.ones(300, bool), 170)
    again = similars.build(other).remove(np.ones(300, bool), 170)
    assert one.order[removed.rows].tolist() == shuffle[other.order[again.rows]].tolist()
    assert one.order[removed.because_of].tolist() == shuffle[other.order[again.because_of]].tolist()
