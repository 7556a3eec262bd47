from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from strategies.k_means import k_means
from strategies.pool import PoolView, Status, Strategy
from strategies.stratified import Allocation, StratifiedClusters, StratifiedPredictions
from strategies.testing import check_strategy
from strategies.toy_pool import cold, shuffled, toy_pool

SIZES = (60, 30, 9, 1)
STRATEGIES = [
    StratifiedClusters(n_clusters=4, allocation="equal"),
    StratifiedClusters(n_clusters=4, allocation="proportional"),
    StratifiedPredictions("equal"),
    StratifiedPredictions("proportional"),
]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def stratified_pool() -> PoolView:
    """Classes that are clusters as well, so that both kinds of strata agree."""
    classes = np.repeat(np.arange(4), SIZES)
    return PoolView(
        embeddings=np.eye(4, dtype=np.float32)[classes],
        status=np.zeros(100, np.int8),
        labels=np.full(100, -1, np.int64),
        tie_key=rng(9).integers(2**64, size=100, dtype=np.uint64),
        n_classes=4,
        predicted=classes.astype(np.int32),
    )


def counts(pool: PoolView, rows: Any) -> list[int]:
    assert pool.predicted is not None
    return np.bincount(pool.predicted[rows], minlength=4).tolist()


@pytest.mark.parametrize("strategy", STRATEGIES, ids=str)
def test_contract(strategy: Strategy) -> None:
    check_strategy(strategy)


@pytest.mark.parametrize("make", [StratifiedPredictions, lambda a: StratifiedClusters(4, a)])
def test_equal_shares_are_equal_while_strata_last(make: Any) -> None:
    pool = stratified_pool()
    for seed in range(5):
        picks = make("equal").select(pool, 100, rng(seed))
        assert counts(pool, picks[:4]) == [1, 1, 1, 1]
        assert counts(pool, picks[:28]) == [9, 9, 9, 1]
        assert counts(pool, picks[:68]) == [29, 29, 9, 1]
        assert counts(pool, picks) == list(SIZES)


@pytest.mark.parametrize("make", [StratifiedPredictions, lambda a: StratifiedClusters(4, a)])
def test_proportional_shares_follow_the_sizes(make: Any) -> None:
    pool = stratified_pool()
    for seed in range(5):
        picks = make("proportional").select(pool, 100, rng(seed))
        for n_picks in (1, 5, 10, 33, 100):
            found = np.array(counts(pool, picks[:n_picks]))
            assert np.abs(found - np.array(SIZES) * n_picks / 100).max() <= 1


@pytest.mark.parametrize("allocation", ["equal", "proportional"])
def test_picks_one_by_one_come_to_the_same_shares(allocation: Allocation) -> None:
    pool = stratified_pool()
    at_once = StratifiedPredictions(allocation).select(pool, 40, rng())
    status = pool.status.copy()
    for pick in range(40):
        moment = replace(pool, status=status)
        (row,) = StratifiedPredictions(allocation).select(moment, 1, rng(pick))
        status[row] = (Status.LABELED, Status.PENDING, Status.SKIPPED)[pick % 3]
    one_by_one = np.flatnonzero(status)
    difference = np.array(counts(pool, at_once)) - counts(pool, one_by_one)
    assert np.abs(difference).max() <= 1  # strata that tie are drawn


def test_chance_decides_within_a_stratum() -> None:
    pool = stratified_pool()
    drawn = [StratifiedPredictions().select(pool, 4, rng(seed)) for seed in range(1000)]
    assert set(np.concatenate(drawn).tolist()) == set(range(100))
    # and between strata that tie
    assert sum(int(picks[0]) == 99 for picks in drawn) == pytest.approx(250, abs=50)


def test_clusters_are_those_of_k_means() -> None:
    pool = cold(toy_pool(n_samples=300))
    order = np.argsort(pool.tie_key)
    clusters = np.empty(300, int)
    clusters[order] = k_means(pool.embeddings[order], 7, rng(2))
    picks = StratifiedClusters(7, "equal").select(pool, 7, rng(2))
    assert sorted(clusters[picks].tolist()) == list(range(7))


@pytest.mark.parametrize("strategy", STRATEGIES, ids=str)
@pytest.mark.parametrize("budget", [1, 13, 999])
def test_order_of_the_pool_does_not_matter(strategy: Strategy, budget: int) -> None:
    for pool in (toy_pool(n_samples=300), cold(toy_pool(n_samples=300, n_distinct=20))):
        order = rng(5).permutation(300)
        rows = strategy.select(pool, budget, rng(1))
        others = strategy.select(shuffled(pool, order), budget, rng(1))
        assert rows.tolist() == order[others].tolist()


def test_broken_predictions_are_named() -> None:
    predicted = stratified_pool().predicted
    assert predicted is not None
    for wrong in (-1, 4):
        pool = replace(stratified_pool(), predicted=np.where(predicted == 3, wrong, predicted))
        with pytest.raises(ValueError, match=f"predicted is {wrong} at row 99; there are 4 cl"):
            StratifiedPredictions().select(pool, 1, rng())


def test_what_is_predicted_comes_from_the_probabilities() -> None:
    pool = replace(toy_pool(), predicted=None)
    picks = StratifiedPredictions().select(toy_pool(), 20, rng())
    assert StratifiedPredictions().select(pool, 20, rng()).tolist() == picks.tolist()
    broken = np.full((60, 3), np.nan, np.float32)
    with pytest.raises(ValueError, match="probabilities holds NaN"):
        StratifiedPredictions().select(replace(pool, probabilities=broken), 1, rng())


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="n_clusters=0"):
        StratifiedClusters(n_clusters=0)
    wrong: Any = "all"
    for make in (StratifiedClusters, StratifiedPredictions):
        with pytest.raises(ValueError, match="allocation='all' is none of proportional, equal"):
            make(allocation=wrong)
