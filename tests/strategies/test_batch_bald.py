"""Joint information of a committee, against sums over all labels of a batch."""

from dataclasses import replace

import numpy as np
import pytest
from numba import get_num_threads, set_num_threads
from scipy.stats import chisquare

from strategies.batch_bald import BatchBald, jointly
from strategies.pool import PoolView, Status
from strategies.testing import check_strategy
from strategies.toy_pool import cold, shuffled, toy_pool
from tests import oracles_committee as oracle

SMALL = BatchBald(n_members=8, n_neighbors=3)


def test_contract() -> None:
    check_strategy(BatchBald())


def candidates(pool: PoolView) -> list[int]:
    """In the order of their tie_key."""
    return sorted(pool.candidate_rows().tolist(), key=lambda row: pool.tie_key[row])


@pytest.mark.parametrize("n_distinct", [None, 9])
@pytest.mark.parametrize("n_classes", [1, 2, 3])
@pytest.mark.parametrize("k", [1, 3])
def test_scores_are_the_information_of_one_label(
    k: int, n_classes: int, n_distinct: int | None
) -> None:
    pool = toy_pool(n_classes=n_classes, n_distinct=n_distinct)
    rows = candidates(pool)
    members = oracle.committee(pool, rows, n_members=8, k=k, rng=np.random.default_rng(5))
    expected = [oracle.information(members[[i]]) for i in range(len(rows))]
    strategy = replace(SMALL, n_neighbors=k)
    scores = strategy.score(pool, np.array(rows), np.random.default_rng(5))
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n_classes", [2, 3])
def test_batches_are_found_greedily_by_their_joint_information(n_classes: int, seed: int) -> None:
    pool = toy_pool(n_samples=40, n_classes=n_classes, seed=seed)
    rows = candidates(pool)
    members = oracle.committee(pool, rows, n_members=8, k=3, rng=np.random.default_rng(seed))
    expected = [rows[i] for i in oracle.greedy(members, 4)]
    picks = SMALL.select(pool, 4, np.random.default_rng(seed))
    assert picks.tolist() == expected


def random_members(n_rows: int, n_classes: int, n_members: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    drawn = rng.dirichlet(np.full(n_classes, 0.3), size=(n_rows, n_members))
    return np.ascontiguousarray(drawn.transpose(0, 2, 1))


def test_drawn_configurations_come_close_to_all_of_them() -> None:
    """Two classes and six picks: all 64 configurations, or 2,000 drawn ones of 32."""
    members = random_members(12, 2, 10)
    every = jointly(members, 6, np.random.default_rng(0), n_configurations=64)
    best = oracle.information(members[every])
    for seed in range(5):
        rng = np.random.default_rng(seed)
        drawn = jointly(members, 6, rng, n_configurations=31)
        assert oracle.information(members[drawn]) > 0.97 * best


def test_jointly_chosen_rows_are_no_duplicates() -> None:
    """The most informative row twice says less than the two most informative different ones.

    Two members that agree on nothing: the second label of the same row would say nothing new.
    """
    sure = np.array([[0.9, 0.1], [0.1, 0.9]])
    doubtful = np.array([[0.8, 0.2], [0.5, 0.5]])
    members = np.stack([sure, sure, doubtful])
    certain = np.array([[1.0, 0.0], [0.0, 1.0]])
    picks = jointly(
        np.stack([certain, certain, *members]), 5, np.random.default_rng(0), n_configurations=99
    )
    assert picks[0] == 0  # it says which member is right, and nothing is left to say
    assert oracle.information(np.stack([certain])) == pytest.approx(np.log(2))
    assert oracle.information(np.stack([certain, sure])) == pytest.approx(np.log(2))
    assert picks[:2].tolist() == [0, 1]  # ties to the first


def test_beyond_the_joint_part_rows_are_drawn_by_their_own_information() -> None:
    pool = toy_pool(n_samples=200)
    batch = SMALL.select(pool, 60, np.random.default_rng(0))
    assert len(set(batch.tolist())) == 60
    # the joint part does not depend on how many follow
    assert np.array_equal(batch[:10], SMALL.select(pool, 10, np.random.default_rng(0)))
    scores = SMALL.score(pool, batch, np.random.default_rng(0))
    others = SMALL.score(pool, np.setdiff1d(pool.candidate_rows(), batch), np.random.default_rng(0))
    assert scores[10:].mean() > others.mean()


def test_only_the_best_by_themselves_are_looked_at_jointly() -> None:
    pool = toy_pool(n_samples=200)
    narrow = replace(SMALL, n_candidates=12)
    picks = narrow.select(pool, 10, np.random.default_rng(0))
    rows = np.array(candidates(pool))
    scores = SMALL.score(pool, rows, np.random.default_rng(0))
    best = set(rows[np.argsort(-scores, kind="stable")[:12]].tolist())
    assert set(picks.tolist()) <= best


def test_before_the_first_label_the_batch_is_drawn_uniformly() -> None:
    pool = cold(toy_pool(n_samples=20))
    rng = np.random.default_rng(0)
    drawn = np.concatenate([BatchBald().select(pool, 4, rng) for _ in range(2000)])
    assert chisquare(np.bincount(drawn, minlength=20)).pvalue > 1e-3


def test_threads_and_order_do_not_matter() -> None:
    pool = toy_pool(n_samples=1500, n_features=33, n_distinct=700)
    order = np.random.default_rng(1).permutation(1500)
    rows = BatchBald().select(pool, 30, np.random.default_rng(2))
    available = get_num_threads()
    set_num_threads(1)
    try:
        others = BatchBald().select(shuffled(pool, order), 30, np.random.default_rng(2))
    finally:
        set_num_threads(available)
    assert np.array_equal(rows, order[others])


def test_labeled_rows_without_a_label_do_not_vote() -> None:
    pool = toy_pool()
    labeled = np.flatnonzero(pool.status == Status.LABELED)
    labels = pool.labels.copy()
    labels[labeled[0]] = -1
    status = pool.status.copy()
    status[labeled[0]] = Status.SKIPPED
    one = SMALL.select(replace(pool, labels=labels), 5, np.random.default_rng(0))
    other = SMALL.select(replace(pool, status=status), 5, np.random.default_rng(0))
    assert np.array_equal(one, other)


def test_what_means_nothing_is_named() -> None:
    pool = toy_pool()
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"^batch_bald needs one label a sample.*pool\.targets"):
        BatchBald().select(toy_pool(multi_label=True), 1, rng)
    with pytest.raises(ValueError, match=r"pool\.labels is 3 at row \d+; there are 3 classes"):
        BatchBald().select(replace(pool, labels=pool.labels + 1), 1, rng)
    with pytest.raises(ValueError, match="n_members=0 is below 1"):
        BatchBald(n_members=0)
