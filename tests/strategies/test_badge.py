"""Factorised k-means++ against gradients written out, and against its distribution."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from numba import get_num_threads, set_num_threads
from numpy.typing import NDArray
from scipy.stats import chi2_contingency, chisquare

from strategies import badge
from strategies.badge import Badge, gradients_of
from strategies.kernels import badge as kernel
from strategies.pool import PoolView, Status
from strategies.testing import check_strategy
from strategies.toy_pool import cold, shuffled, toy_pool
from tests import oracles_badge

NOBODY = np.empty(0, np.int64)


def test_contract() -> None:
    check_strategy(Badge())


def distances(
    pool: PoolView, rows: NDArray[np.int64], centers: NDArray[np.int64]
) -> NDArray[np.float64]:
    """By the kernel, of some rows to the nearest of other ones."""
    own, chosen = gradients_of(pool, rows), gradients_of(pool, centers)
    room = -len(centers) % 4
    padded = kernel.Gradients(
        np.pad(chosen.errors, ((0, room), (0, 0))),
        np.pad(chosen.vectors, ((0, room), (0, 0))),
        np.pad(chosen.lengths, (0, room)),
    )
    squared, n_compared = np.full(len(rows), np.inf), np.zeros(len(rows), np.int32)
    # in two goes, the second from the middle of a group of four
    for n_centers in (len(centers) // 2, len(centers)):
        kernel.bring_up_to_date(own, padded, n_centers, n_compared, squared)
    assert (n_compared == len(centers)).all()
    return squared


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("n_classes", [1, 2, 7])
@pytest.mark.parametrize("n_centers", [1, 2, 6, 150])
def test_distances_are_those_of_the_written_gradients(
    multi_label: bool, n_classes: int, n_centers: int
) -> None:
    pool = toy_pool(n_samples=300, n_classes=n_classes, n_features=19, multi_label=multi_label)
    rows = np.arange(300)
    expected = oracles_badge.squared_distances(
        oracles_badge.gradients(pool, rows), oracles_badge.gradients(pool, rows[:n_centers])
    )
    found = distances(pool, rows, rows[:n_centers])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert (found[:n_centers] == 0).all()


@pytest.mark.parametrize("n_features", [1, 7, 16, 33, 384])
@pytest.mark.parametrize("n_classes", [2, 3, 100])
def test_duplicates_are_at_distance_zero(n_features: int, n_classes: int) -> None:
    pool = toy_pool(n_samples=64, n_features=n_features, n_classes=n_classes)
    halves = np.arange(64) % 32
    twice = shuffled(pool, halves)
    assert (distances(twice, np.arange(64), np.arange(32)) == 0).all()


def test_first_pick_is_the_longest_gradient() -> None:
    pool = replace(toy_pool(), status=np.zeros(60, np.int8))
    lengths = (oracles_badge.gradients(pool, np.arange(60)) ** 2).sum(axis=1)
    for seed in range(5):
        rows = Badge().select(pool, 3, np.random.default_rng(seed))
        assert rows[0] == lengths.argmax()


def tiny_pool(status: list[int]) -> PoolView:
    """Six samples in two classes; what is not a candidate comes last."""
    pool = toy_pool(n_samples=6, n_classes=2, n_features=3, seed=4)
    return replace(pool, status=np.array(status, np.int8))


@pytest.mark.parametrize(
    "status",
    [[0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, Status.LABELED], [0, 0, 0, 0, Status.PENDING, 3]],
    ids=["fresh", "labeled", "pending and skipped"],
)
def test_picks_are_drawn_in_proportion_to_their_distance(status: list[int]) -> None:
    pool = tiny_pool(status)
    rows = pool.candidate_rows()
    own = oracles_badge.gradients(pool, rows)
    covered = oracles_badge.gradients(pool, np.flatnonzero(np.isin(pool.status, [1, 3])))
    first = [int((own**2).sum(axis=1).argmax())] if len(covered) == 0 else []
    squared = oracles_badge.squared_distances(own, own[first] if first else covered)
    expected: dict[tuple[int, ...], float] = {}
    for one in range(len(rows)):
        for two in range(len(rows)):
            after = np.minimum(squared, ((own - own[one]) ** 2).sum(axis=1))
            chance = squared[one] / squared.sum() * after[two] / after.sum()
            if chance > 0:
                expected[(*first, one, two)] = chance
    rng = np.random.default_rng(0)
    n_draws = 3000
    counts = Counter(
        tuple(np.searchsorted(rows, Badge().select(pool, len(first) + 2, rng)).tolist())
        for _ in range(n_draws)
    )
    assert set(counts) <= set(expected)
    observed = [counts[picks] for picks in expected]
    assert chisquare(observed, n_draws * np.array(list(expected.values()))).pvalue > 1e-3


def test_rejection_of_stale_proposals_keeps_the_distribution() -> None:
    """Tight clusters: most proposals after the first few picks are out of date."""
    rng = np.random.default_rng(0)
    pool = toy_pool(n_samples=48, n_classes=6, n_features=6, seed=1)
    vectors = np.eye(6)[np.arange(48) % 6] + 0.05 * rng.normal(size=(48, 6))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pool = replace(cold(pool), embeddings=vectors.astype(np.float32))
    order = np.argsort(pool.tie_key)
    own = oracles_badge.gradients(pool, order)
    place = np.argsort(order)
    picked, expected = np.zeros(48, int), np.zeros(48, int)
    last, expected_last = np.zeros(48, int), np.zeros(48, int)
    for _ in range(1500):
        ours = place[Badge().select(pool, 9, rng)]
        # the first pick of equal lengths is the lowest tie_key
        plain = oracles_badge.k_means_pp(own, own[:1], 8, rng)
        assert ours[0] == 0
        picked[ours[1:]] += 1
        expected[plain] += 1
        last[ours[-1]] += 1
        expected_last[plain[-1]] += 1
    for pair in ((picked, expected), (last, expected_last)):
        table = np.array(pair)[:, pair[0] + pair[1] > 0]
        assert chi2_contingency(table).pvalue > 1e-3


def test_cold_pools_are_spread_over_by_embeddings() -> None:
    """Four directions, many samples each: k-means++ finds all four."""
    pool = cold(toy_pool(n_samples=200, n_features=4))
    pool = replace(pool, embeddings=np.eye(4, dtype=np.float32)[np.arange(200) % 4])
    for seed in range(10):
        rows = Badge().select(pool, 4, np.random.default_rng(seed))
        assert set(rows % 4) == {0, 1, 2, 3}
        assert rows[0] == np.argmin(pool.tie_key)


def test_duplicates_fill_the_batch_by_tie_key() -> None:
    pool = cold(toy_pool(n_samples=40, n_distinct=4))
    rows = Badge().select(pool, 40, np.random.default_rng(0))
    assert set(rows[:4] % 4) == {0, 1, 2, 3}
    assert (np.diff(pool.tie_key[rows[4:]].astype(object)) > 0).all()


def test_one_class_falls_back_to_tie_keys() -> None:
    pool = toy_pool(n_classes=1)
    rows = Badge().select(pool, 60, np.random.default_rng(0))
    assert (np.diff(pool.tie_key[rows].astype(object)) > 0).all()


def test_pending_and_skipped_samples_are_kept_away_from_and_labeled_ones_are_not() -> None:
    pool = cold(toy_pool(n_samples=30))
    embeddings = np.eye(3, 8, dtype=np.float32)[np.arange(30) % 3]
    status = np.zeros(30, np.int8)
    status[[0, 1]] = Status.PENDING, Status.SKIPPED
    pool = replace(pool, embeddings=embeddings, status=status)
    for seed in range(10):
        rng = np.random.default_rng(seed)
        assert Badge().select(pool, 1, rng)[0] % 3 == 2
    status[[0, 1]] = Status.LABELED
    pool = replace(pool, probabilities=np.full((30, 3), 1 / 3, np.float32))
    assert Badge().select(pool, 1, rng)[0] == min(
        pool.candidate_rows(), key=lambda row: pool.tie_key[row]
    )


@pytest.mark.parametrize("n_picks", [1, 20, 700])
def test_threads_and_order_do_not_matter(n_picks: int) -> None:
    pool = toy_pool(n_samples=3000, n_features=33, n_distinct=2500)
    order = np.random.default_rng(1).permutation(3000)
    rows = Badge().select(pool, n_picks, np.random.default_rng(2))
    available = get_num_threads()
    set_num_threads(1)
    try:
        others = Badge().select(shuffled(pool, order), n_picks, np.random.default_rng(2))
    finally:
        set_num_threads(available)
    assert np.array_equal(rows, order[others])


def test_whole_pools_are_picked_in_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = toy_pool(n_samples=2000, n_distinct=300)
    monkeypatch.setattr(badge, "COST_OF_A_ROUND", 3.0)  # brings all up to date more often
    rows = Badge().select(pool, 2000, np.random.default_rng(0))
    assert np.array_equal(np.sort(rows), pool.candidate_rows())
    # until all that differs from what is covered is picked, none is picked twice
    covered = np.isin(pool.status, [Status.PENDING, Status.SKIPPED])
    fresh = set((rows % 300).tolist()) - set((np.flatnonzero(covered) % 300).tolist())
    assert set((rows[: len(fresh)] % 300).tolist()) == fresh


def test_every_draw_is_away_from_all_before() -> None:
    pool = toy_pool(n_samples=400)
    gradients = gradients_of(pool, np.arange(400))
    picks = badge.draw_centers(gradients, gradients_of(pool, NOBODY), 60, np.random.default_rng(0))
    own = oracles_badge.gradients(pool, picks)
    for place in range(1, 60):
        assert oracles_badge.squared_distances(own[place][None], own[:place])[0] > 0
