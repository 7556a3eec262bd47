import numpy as np
import pytest

from strategies import cluster_margin
from strategies.cluster_margin import ClusterMargin, average_linkage
from strategies.k_means import members
from strategies.pool import PoolView
from strategies.testing import check_strategy
from strategies.toy_pool import cold, shuffled, toy_pool
from tests import oracles_clusters as oracles


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_contract() -> None:
    check_strategy(ClusterMargin())


@pytest.mark.parametrize("n_clusters", [1, 2, 5, 39, 40])
@pytest.mark.parametrize("seed", range(3))
def test_average_linkage_equals_joining_one_by_one(seed: int, n_clusters: int) -> None:
    vectors = toy_pool(n_samples=40, seed=seed).embeddings
    found = {frozenset(map(int, one)) for one in members(average_linkage(vectors, n_clusters), 40)}
    assert found - {frozenset()} == oracles.average_linkage(vectors, n_clusters)


def hand_made_pool() -> PoolView:
    """Eight uncertain candidates in clusters of 1, 2 and 5, and four that are sure."""
    corners = np.repeat(np.eye(3, dtype=np.float32), [1, 2, 5], axis=0)
    return PoolView(
        embeddings=np.concatenate([corners, np.repeat(corners[:1], 4, axis=0)]),
        status=np.zeros(12, np.int8),
        labels=np.full(12, -1, np.int64),
        tie_key=np.arange(12, dtype=np.uint64),
        n_classes=2,
        uncertainty=np.array([0.9] * 8 + [0.1] * 4, np.float32),
    )


def test_small_clusters_of_the_uncertain_take_their_turn_first() -> None:
    strategy = ClusterMargin(oversampling=2, cluster_size=8 / 3)
    for seed in range(5):
        first, second, third, fourth = strategy.select(hand_made_pool(), 4, rng(seed))
        assert first == 0
        assert second in (1, 2)
        assert third in range(3, 8)
        assert {int(second), int(fourth)} == {1, 2}


def test_chance_decides_within_a_cluster() -> None:
    strategy = ClusterMargin(oversampling=2, cluster_size=8 / 3)
    picks = {int(strategy.select(hand_made_pool(), 4, rng(seed))[2]) for seed in range(60)}
    assert picks == set(range(3, 8))


@pytest.mark.parametrize("budget", [3, 10, 40])
def test_only_the_smallest_margins_are_picked_from(budget: int) -> None:
    pool = toy_pool(n_samples=300)
    assert pool.uncertainty is not None
    picks = ClusterMargin(oversampling=2).select(pool, budget, rng())
    ranked = np.sort(pool.uncertainty[pool.candidate_rows()])[::-1]
    assert pool.uncertainty[picks].min() >= ranked[2 * budget - 1]


@pytest.mark.parametrize("max_tree", [4096, 10])
@pytest.mark.parametrize("budget", [1, 7, 60, 999])
def test_order_of_the_pool_does_not_matter(
    budget: int, max_tree: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_margin, "MAX_TREE", max_tree)
    for pool in (toy_pool(n_samples=300), cold(toy_pool(n_samples=300, n_distinct=30))):
        order = rng(5).permutation(300)
        rows = ClusterMargin().select(pool, budget, rng(1))
        others = ClusterMargin().select(shuffled(pool, order), budget, rng(1))
        assert rows.tolist() == order[others].tolist()
        assert len(set(rows.tolist())) == min(budget, len(pool.candidate_rows()))


def test_many_candidates_are_clustered_without_a_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_margin, "MAX_TREE", 7)
    strategy = ClusterMargin(oversampling=2, cluster_size=8 / 3)
    first, second, third, fourth = strategy.select(hand_made_pool(), 4, rng())
    assert [first, {int(second), int(fourth)}, third in range(3, 8)] == [0, {1, 2}, True]


def test_settings_that_make_no_sense_are_refused() -> None:
    for name in ("oversampling", "cluster_size"):
        for value in (0.5, np.nan, np.inf, 1e300):
            with pytest.raises(ValueError, match=name):
                ClusterMargin(**{name: value})
