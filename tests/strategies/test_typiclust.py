from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from strategies import inputs, typiclust
from strategies.k_means import k_means
from strategies.pool import PoolView, Status
from strategies.testing import check_strategy
from strategies.toy_pool import cold, shuffled, toy_pool
from strategies.typiclust import TypiClust, mean_distances, most_typical
from tests import oracles_clusters as oracles


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def expected_picks(pool: PoolView, budget: int, strategy: TypiClust, seed: int) -> list[int]:
    rows = inputs.in_tie_order(pool, np.arange(len(pool.status)))
    is_candidate = pool.status[rows] == Status.UNLABELED
    n_picks = min(budget, int(is_candidate.sum()))
    n_clusters = min(int((~is_candidate).sum()) + n_picks, strategy.max_clusters)
    labels = k_means(pool.embeddings[rows], n_clusters, rng(seed))
    picks = oracles.typiclust(
        pool.embeddings[rows], labels, is_candidate, n_picks, strategy.n_neighbors
    )
    return rows[picks].tolist()


def test_contract() -> None:
    check_strategy(TypiClust())


@pytest.mark.parametrize("budget", [1, 5, 30, 500])
@pytest.mark.parametrize("max_clusters", [500, 8])
def test_picks_equal_going_round_the_clusters(budget: int, max_clusters: int) -> None:
    strategy = TypiClust(max_clusters=max_clusters)
    warm, duplicates = toy_pool(n_samples=200), toy_pool(n_samples=150, n_distinct=20)
    for pool in (warm, cold(warm), duplicates, cold(toy_pool(n_samples=7))):
        picks = strategy.select(pool, budget, rng(3))
        assert picks.tolist() == expected_picks(pool, budget, strategy, 3)


def on_a_circle(degrees: list[float]) -> NDArray[np.float32]:
    angles = np.deg2rad(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def circle_pool(degrees: list[float]) -> PoolView:
    n = len(degrees)
    return PoolView(
        embeddings=on_a_circle(degrees),
        status=np.zeros(n, np.int8),
        labels=np.full(n, -1, np.int64),
        tie_key=np.arange(n, dtype=np.uint64),
        n_classes=2,
    )


def test_largest_cluster_comes_first_and_its_middle_is_taken() -> None:
    pool = circle_pool([0, 4, 6, 7, 8, 10, 90, 94, 97, 99, 100, 101, 103, 106, 110])
    picks = TypiClust(n_neighbors=2).select(pool, 2, rng())
    assert picks.tolist() == [10, 3]


def test_labeled_clusters_come_last() -> None:
    pool = circle_pool([*range(6), *range(90, 99), *range(180, 188)])
    status = pool.status.copy()
    status[10] = Status.LABELED
    picks = TypiClust(max_clusters=3).select(replace(pool, status=status), 3, rng())
    assert [
        int(pick) in group
        for pick, group in zip(picks, (range(15, 23), range(6), range(6, 15)), strict=True)
    ] == [True, True, True]


@pytest.mark.parametrize("other", [Status.PENDING, Status.SKIPPED])
def test_pending_and_skipped_samples_cover_their_cluster(other: Status) -> None:
    pool = circle_pool([*range(6), *range(90, 99)])
    status = pool.status.copy()
    status[10] = other
    (pick,) = TypiClust(max_clusters=2).select(replace(pool, status=status), 1, rng())
    assert pick < 6


def test_small_clusters_wait_for_the_others() -> None:
    pool = circle_pool([*range(5), *range(90, 99)])
    picks = TypiClust(max_clusters=2).select(pool, 14, rng())
    assert set(picks[:9].tolist()) == set(range(5, 14))


@pytest.mark.parametrize("n_distinct", [None, 12])
def test_mean_distances_equal_sorting_all(n_distinct: int | None) -> None:
    vectors = toy_pool(n_samples=300, n_distinct=n_distinct).embeddings
    for size in (1, 2, 40, 300):
        places = np.arange(0, size, 3)
        for n_neighbors in (1, 4, 20):
            found = mean_distances(vectors[:size], places, n_neighbors)
            expected = [oracles.mean_distance(vectors[:size], p, n_neighbors) for p in places]
            assert found == pytest.approx(expected, rel=1e-12)


def test_of_very_many_candidates_some_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typiclust, "MAX_MEASURED", 10)
    vectors = toy_pool(n_samples=200).embeddings
    everybody, cluster = np.ones(200, bool), np.arange(0, 200, 2)
    found = most_typical(vectors, cluster, everybody, 3, n_neighbors=5, rng=rng(1))
    measured = np.sort(rng(1).choice(100, 10, replace=False))
    distances = [oracles.mean_distance(vectors[cluster], place, 5) for place in measured]
    assert found.tolist() == cluster[measured[np.argsort(distances)[:3]]].tolist()
    for n_wanted in (11, 100):
        found = most_typical(vectors, cluster, everybody, n_wanted, n_neighbors=5, rng=rng(1))
        assert len(set(found.tolist()) & set(cluster.tolist())) == n_wanted


@pytest.mark.parametrize("budget", [1, 20, 999])
def test_order_of_the_pool_does_not_matter(budget: int) -> None:
    pool = toy_pool(n_samples=400, n_distinct=150)
    order = rng(5).permutation(400)
    rows = TypiClust().select(pool, budget, rng(1))
    others = TypiClust().select(shuffled(pool, order), budget, rng(1))
    assert rows.tolist() == order[others].tolist()


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="max_clusters=0"):
        TypiClust(max_clusters=0)
    with pytest.raises(ValueError, match="n_neighbors=0"):
        TypiClust(n_neighbors=0)
