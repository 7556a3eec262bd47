from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from strategies.k_center import KCenter, KCenterRobust
from strategies.pool import PoolView, Rows, Status
from strategies.testing import CHECKS, Check
from strategies.toy_pool import cold, shuffled, toy_pool
from tests import oracles, oracles_k_center

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("strategy", [KCenter(), KCenterRobust(), KCenterRobust(outliers=0.3)])
def test_keeps_the_contract(check: Check, strategy: KCenter | KCenterRobust) -> None:
    check(strategy)


def on_a_circle(degrees: list[float], **arrays: Any) -> PoolView:
    """One sample an angle; nothing is covered, and keys rise with the rows."""
    n = len(degrees)
    angles = np.radians(degrees)
    pool = cold(toy_pool(n_samples=n))
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    keys = np.arange(n, dtype=np.uint64)
    return replace(pool, **({"embeddings": vectors, "tie_key": keys} | arrays))


def in_tie_order(pool: PoolView) -> Rows:
    rows = pool.candidate_rows()
    return rows[np.argsort(pool.tie_key[rows])]


def expected(pool: PoolView, budget: int) -> list[int]:
    rows = in_tie_order(pool)
    assert pool.cover_distance is not None
    ones = np.ones(len(rows), np.float32)
    picks = oracles_k_center.farthest_first(
        pool.embeddings[rows], pool.cover_distance[rows], ones, min(budget, len(rows))
    )
    return [int(row) for row in rows[picks]]


def test_the_farthest_comes_first() -> None:
    pool = on_a_circle([0, 10, 90, 180, 200])
    # 0 has the lowest key; 180 is opposite; 90 lies between them; then 200, 20 degrees off
    assert KCenter().select(pool, 5, RNG).tolist() == [0, 3, 2, 4, 1]


def test_equal_distances_go_to_the_lowest_key() -> None:
    keys = np.array([5, 4, 3, 2], np.uint64)
    pool = on_a_circle([0, 90, 180, 270], tie_key=keys)
    assert KCenter().select(pool, 4, RNG).tolist() == [3, 1, 2, 0]


@pytest.mark.parametrize("status", [Status.LABELED, Status.PENDING, Status.SKIPPED])
def test_what_is_labeled_pending_or_skipped_covers(status: Status) -> None:
    statuses = np.array([0, 0, 0, status, 0], np.int8)
    for given in (None, [1, 0.8, 0.6, 0, 0.1]):
        cover = None if given is None else np.array(given, np.float32)
        pool = on_a_circle([0, 10, 45, 90, 150], status=statuses, cover_distance=cover)
        assert KCenter().select(pool, 2, RNG).tolist() == [0, 2 if given else 4]


def test_cover_distances_are_worked_out_where_none_are_kept() -> None:
    pool = replace(toy_pool(n_samples=200), cover_distance=None)
    covered = np.flatnonzero(pool.status != Status.UNLABELED)
    every = [oracles_k_center.distances(pool.embeddings, pool.embeddings[row]) for row in covered]
    known = replace(pool, cover_distance=np.min(every, axis=0))
    assert KCenter().select(pool, 50, RNG).tolist() == expected(known, 50)
    rows = pool.candidate_rows()
    assert known.cover_distance is not None
    assert (KCenter().score(pool, rows, RNG) == known.cover_distance[rows]).all()


@pytest.mark.parametrize("seed", range(3))
def test_picks_are_those_of_the_plain_loop(seed: int) -> None:
    for pool in (toy_pool(n_samples=400, seed=seed), toy_pool(n_samples=300, n_distinct=7)):
        for start in (pool, cold(pool)):
            for budget in (1, 30, 400):
                assert KCenter().select(start, budget, RNG).tolist() == expected(start, budget)


def test_scores_and_explanations_are_cover_distances() -> None:
    pool = toy_pool()
    rows = KCenter().select(pool, 60, RNG)
    assert pool.cover_distance is not None
    values = pool.cover_distance[rows]
    assert (KCenter().score(pool, rows, RNG) == values).all()
    shares = oracles.ecdf(values.tolist())
    for value, share, explained in zip(values, shares, KCenter().explain(pool, rows), strict=True):
        assert explained.score == value
        assert explained.parts == {"diversity": share}
    with pytest.raises(ValueError, match="no candidate"):
        KCenter().explain(pool, np.flatnonzero(pool.status == Status.LABELED)[:1])


def test_memory_mapped_embeddings_are_read(tmp_path: Any) -> None:
    pool = toy_pool()
    np.save(tmp_path / "vectors.npy", pool.embeddings)
    mapped = replace(pool, embeddings=np.load(tmp_path / "vectors.npy", mmap_mode="r"))
    again = KCenter().select(mapped, 20, RNG)
    assert (again == KCenter().select(pool, 20, RNG)).all()


# -- robust -----------------------------------------------------------------------------------


def outliers(pool: PoolView, share: float) -> set[int]:
    """The lowest densities of the whole pool, of equal ones the highest keys, one by one."""
    assert pool.density is not None
    ranked = sorted(
        range(len(pool.status)), key=lambda row: (pool.density[row], -int(pool.tie_key[row]))
    )
    return set(ranked[: int(share * len(ranked))])


def test_a_lonely_sample_is_left_to_the_last() -> None:
    degrees = [0, 1, 2, 3, 90, 91, 92, 93, 220]
    pool = on_a_circle(degrees, density=np.array([9, 9, 9, 9, 8, 8, 8, 8, 1], np.float32))
    assert KCenter().select(pool, 2, RNG).tolist() == [0, 8]
    robust = KCenterRobust(outliers=0.12)  # one of nine
    assert robust.select(pool, 2, RNG).tolist() == [0, 7]
    assert robust.select(pool, 9, RNG)[-1] == 8
    assert robust.score(pool, np.arange(9), RNG).tolist() == [np.inf] * 8 + [0]
    assert robust.explain(pool, np.array([8]))[0].score == 0


@pytest.mark.parametrize("share", [0.0, 0.05, 0.4, 0.99])
@pytest.mark.parametrize("n_levels", [2, 1000])
def test_inliers_are_picked_as_if_outliers_were_not_there(share: float, n_levels: int) -> None:
    pool = toy_pool(n_samples=150)
    assert pool.density is not None and pool.cover_distance is not None
    pool = replace(pool, density=RNG.integers(n_levels, size=150).astype(np.float32))
    left_out = outliers(pool, share)
    status = pool.status.copy()
    status[list(left_out)] = Status.SKIPPED
    inliers = expected(replace(pool, status=status), 150)
    picks = KCenterRobust(outliers=share).select(pool, 150, RNG).tolist()
    assert picks[: len(inliers)] == inliers
    # then the outliers, covered by all that was picked before
    covers = pool.cover_distance
    for row in inliers:
        covers = np.minimum(
            covers, oracles_k_center.distances(pool.embeddings, pool.embeddings[row])
        )
    status = np.where(np.isin(np.arange(150), list(left_out)), pool.status, Status.LABELED)
    rest = replace(pool, status=status.astype(np.int8), cover_distance=covers)
    assert picks[len(inliers) :] == expected(rest, 150)


def test_who_is_an_outlier_does_not_change_from_batch_to_batch() -> None:
    pool = toy_pool(n_samples=100)
    robust = KCenterRobust(outliers=0.1)
    first = robust.select(pool, 20, RNG)
    status = pool.status.copy()
    status[first] = Status.LABELED
    zero = robust.score(pool, pool.candidate_rows(), RNG) == 0
    later = replace(pool, status=status)
    rows = later.candidate_rows()
    assert set(rows[robust.score(later, rows, RNG) == 0]) == set(pool.candidate_rows()[zero])


def test_no_outliers_is_plain_k_center() -> None:
    pool = toy_pool()
    plain, robust = (one.select(pool, 60, RNG) for one in (KCenter(), KCenterRobust(outliers=0)))
    assert (plain == robust).all()


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_outliers_are_a_share(share: float) -> None:
    with pytest.raises(ValueError, match="no share"):
        KCenterRobust(outliers=share)


def test_shuffled_ties_pick_the_same_samples() -> None:
    pool = toy_pool(n_samples=300, n_distinct=5)
    order = np.random.default_rng(5).permutation(300)
    for strategy in (KCenter(), KCenterRobust(outliers=0.2)):
        rows = strategy.select(pool, 120, RNG)
        others = strategy.select(shuffled(pool, order), 120, RNG)
        assert (pool.tie_key[rows] == pool.tie_key[order[others]]).all()
