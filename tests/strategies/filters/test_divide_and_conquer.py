"""Clusters, their quotas, and a filter inside of each."""

import numpy as np
import pytest

from strategies.filters import registry
from strategies.filters.coreset import Coreset
from strategies.filters.divide_and_conquer import Clusterer, DivideAndConquer, Grove, quotas
from strategies.filters.nearest import points_from
from strategies.filters.points import Points
from strategies.filters.shortest_paths import with_path_distances
from strategies.filters.testing import toy_points
from tests.strategies.filters.test_nearest import approximate


@pytest.mark.parametrize(
    ("counts", "n_remove", "wanted"),
    [
        ([50, 30, 20], 10, [5, 3, 2]),
        ([5, 3, 2], 5, [3, 1, 1]),  # 2.5, 1.5, 1: of equal remainders the first
        ([7, 2, 1], 4, [3, 1, 0]),  # 2.8, 0.8, 0.4
        ([1, 1, 98], 50, [0, 0, 50]),  # what single ones do not give, others do
        ([3, 3, 1], 4, [2, 2, 0]),
        ([3, 3, 1], 5, [2, 2, 1]),  # only then the last ones, the smallest first
        ([3, 3, 1], 6, [2, 3, 1]),
        ([3, 3, 1], 7, [3, 3, 1]),
        ([0, 4], 2, [0, 2]),
        ([], 0, []),
    ],
)
def test_quotas_are_largest_remainders(counts: list[int], n_remove: int, wanted: list[int]) -> None:
    assert quotas(np.array(counts, np.int64), n_remove).tolist() == wanted


def test_quotas_sum_up_and_empty_no_group_too_early() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        counts = rng.integers(0, 9, rng.integers(1, 9))
        for n_remove in range(counts.sum() + 1):
            taken = quotas(counts, n_remove)
            assert taken.sum() == n_remove and (0 <= taken).all() and (taken <= counts).all()
            emptied = (taken == counts) & (counts > 0)
            assert not emptied.any() or (counts - taken).max() <= 1
            fair = counts * n_remove / max(1, counts.sum())
            if (fair <= counts - 1).all():
                assert (np.abs(taken - fair) < 1).all()
    with pytest.raises(ValueError, match="cannot remove 3 of 2"):
        quotas(np.array([2]), 3)


def blobs() -> Points:
    rng = np.random.default_rng(0)
    centers = np.repeat(np.eye(4), [60, 30, 20, 10], axis=0)
    vectors = centers + 0.05 * rng.standard_normal((120, 4))
    return points_from(vectors, rng.permutation(120).astype(np.uint64), k=8)


@pytest.mark.parametrize("clusterer", ["k_means", "spectral", "hdbscan"])
def test_every_blob_is_a_group_and_loses_its_share(clusterer: Clusterer) -> None:
    points = blobs()
    blob = np.repeat(np.arange(4), [60, 30, 20, 10])[points.order]
    settings = DivideAndConquer(clusterer, "coreset", n_clusters=4, min_size=5)
    tree = settings.build(points)
    assert isinstance(tree, Grove)
    found = tree.remove(np.ones(120, np.bool_), 60)
    if clusterer != "hdbscan":  # which may take some for noise
        assert sorted(len(rows) for rows in tree.groups) == [10, 20, 30, 60]
        assert np.bincount(blob[found.rows]).tolist() == [30, 15, 10, 5]
        # in turns: any prefix is shared out as well
        assert np.bincount(blob[found.rows[:12]]).tolist() == [6, 3, 2, 1]
    assert all(len(set(blob[rows])) == 1 for rows in tree.groups if len(rows) > 8)
    assert (blob[found.rows] == blob[found.because_of]).mean() > 0.9


def test_inside_of_a_group_the_filter_sees_nothing_else() -> None:
    points = blobs()
    tree = DivideAndConquer("k_means", "coreset", n_clusters=4).build(points)
    assert isinstance(tree, Grove)
    alive = np.zeros(120, np.bool_)
    alive[tree.groups[1]] = True
    rows = tree.groups[1]
    alone = points_from(points.vectors[rows], np.arange(len(rows)), k=8)
    expected = Coreset().build(alone).remove(np.ones(len(rows), np.bool_), 4)
    found = tree.remove(alive, 4)
    assert found.rows.tolist() == rows[expected.rows].tolist()
    assert found.because_of.tolist() == rows[expected.because_of].tolist()


def test_what_is_uncertain_in_the_groups_is_summed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    approximate(monkeypatch)
    rng = np.random.default_rng(0)
    tight = 3 + 1e-3 * rng.normal(size=(1500, 6))
    points = points_from(np.concatenate([tight, rng.normal(size=(500, 6))]), np.arange(2000), k=5)
    tree = DivideAndConquer("k_means", "adjacency", n_clusters=2).build(points)
    alive = np.ones(2000, np.bool_)
    assert isinstance(tree, Grove)
    tree.remove(alive, 1500)
    assert tree.n_uncertified == sum(one.n_uncertified for one in tree.trees) > 0
    tree.remove(alive, 1)
    assert tree.n_uncertified == 0
    assert DivideAndConquer(filter="coreset").build(points).n_uncertified is None


@pytest.mark.parametrize("clusterer", ["k_means", "spectral", "hdbscan"])
def test_more_clusters_than_samples_and_paths_work(clusterer: Clusterer) -> None:
    for given in (toy_points(), toy_points(metric="euclidean"), toy_points(3), toy_points(1)):
        k = max(1, given.neighbors.rows.shape[1] // 2)
        points = with_path_distances(given, k)
        alive = np.ones(len(points.vectors), np.bool_)
        tree = DivideAndConquer(clusterer, "coreset", n_clusters=99, min_size=3).build(points)
        for n_remove in (0, len(alive) // 2, len(alive)):
            found = tree.remove(alive, n_remove)
            assert len(set(found.rows.tolist())) == n_remove


def test_settings_are_checked_and_filters_named_or_given() -> None:
    made = registry.make("divide_and_conquer?clusterer=spectral&filter=coreset%3Fmost=7&seed=3")
    assert made == DivideAndConquer("spectral", Coreset(most=7), seed=3)
    with pytest.raises(ValueError, match=r"clusterer='ward' does not fit; give one of k_means"):
        registry.make("divide_and_conquer?clusterer=ward")
    with pytest.raises(ValueError, match="n_clusters=0"):
        DivideAndConquer(n_clusters=0, filter=Coreset())
    with pytest.raises(ValueError, match="5 is no filter"):
        DivideAndConquer(filter=5)  # type: ignore[arg-type]
