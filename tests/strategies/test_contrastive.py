"""Mean divergence from labeled neighbours, against loops and values worked out by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
from numba import get_num_threads, set_num_threads

from strategies.contrastive import SMALLEST_PROBABILITY, Contrastive
from strategies.pool import PoolView, Status
from strategies.testing import check_strategy
from strategies.toy_pool import cold, shuffled, toy_pool

RNG = np.random.default_rng(0)


def test_contract() -> None:
    check_strategy(Contrastive())


def divergence(other: list[float], own: list[float]) -> float:
    """KL(other || own), with the floor that keeps it finite."""
    floor = SMALLEST_PROBABILITY
    return sum(p * math.log(max(p, floor) / max(q, floor)) for p, q in zip(other, own, strict=True))


def oracle(pool: PoolView, row: int, k: int) -> float:
    """Sort the labeled samples by distance, and average over the nearest."""
    assert pool.probabilities is not None
    labeled = np.flatnonzero(pool.status == Status.LABELED)
    distances = 1 - pool.embeddings[labeled].astype(float) @ pool.embeddings[row].astype(float)
    order = sorted(range(len(labeled)), key=lambda i: (distances[i], pool.tie_key[labeled[i]]))
    own = pool.probabilities[row].tolist()
    if pool.targets is not None:
        own = own + [1 - p for p in own]
    values = []
    for i in order[:k]:
        other = pool.probabilities[labeled[i]].tolist()
        values.append(
            divergence(other + ([1 - p for p in other] if pool.targets is not None else []), own)
        )
    return sum(values) / len(values)


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("k", [1, 3, 10, 99])
def test_scores_are_the_mean_divergence(k: int, multi_label: bool) -> None:
    pool = toy_pool(n_samples=200, n_classes=4, multi_label=multi_label)
    rows = pool.candidate_rows()
    expected = [oracle(pool, row, k) for row in rows]
    scores = Contrastive(k).score(pool, rows, RNG)
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-7)
    best = sorted(range(len(rows)), key=lambda i: -expected[i])[:10]
    assert Contrastive(k).select(pool, 10, RNG).tolist() == rows[best].tolist()


def test_disagreeing_neighbors_come_first() -> None:
    """Rows 0 and 1 lie at a labeled sample; only row 1 is predicted otherwise."""
    angles = np.array([0.0, 0.01, 0.02, 1.5])
    pool = PoolView(
        embeddings=np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32),
        status=np.array([0, 0, 2, 2], np.int8),
        labels=np.array([-1, -1, 0, 1]),
        tie_key=np.arange(4, dtype=np.uint64),
        n_classes=2,
        probabilities=np.array([[0.75, 0.25], [0.5, 0.5], [0.75, 0.25], [0.0, 1.0]], np.float32),
    )
    scores = Contrastive(1).score(pool, np.array([0, 1]), RNG)
    assert scores[0] == 0
    assert scores[1] == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5), rel=1e-6)
    # with two neighbours, both differ from the labeled sample of class 1
    scores = Contrastive(2).score(pool, np.array([0, 1]), RNG)
    assert scores[0] == pytest.approx(math.log(4) / 2, rel=1e-6)


def test_impossible_classes_keep_scores_finite() -> None:
    pool = toy_pool()
    assert pool.probabilities is not None
    probabilities = np.eye(3, dtype=np.float32)[pool.probabilities.argmax(axis=1)]
    scores = Contrastive().score(
        replace(pool, probabilities=probabilities), pool.candidate_rows(), RNG
    )
    assert np.isfinite(scores).all() and scores.max() <= -math.log(SMALLEST_PROBABILITY)
    assert scores.max() > 1


def test_before_the_first_label_the_lowest_keys_come_first() -> None:
    pool = cold(toy_pool())
    assert Contrastive().select(pool, 4, RNG).tolist() == np.argsort(pool.tie_key)[:4].tolist()


def test_scores_do_not_depend_on_threads_blocks_or_order() -> None:
    pool = toy_pool(n_samples=3000, n_distinct=900, n_features=33)
    rows = pool.candidate_rows()
    scores = Contrastive().score(pool, rows, RNG)
    order = np.random.default_rng(1).permutation(3000)
    available = get_num_threads()
    set_num_threads(1)
    try:
        moved = shuffled(pool, order)
        assert np.array_equal(Contrastive().score(moved, np.argsort(order)[rows], RNG), scores)
    finally:
        set_num_threads(available)
    assert np.array_equal(Contrastive().score(pool, rows[7:8], RNG), scores[7:8])


def test_settings_that_mean_nothing_are_named() -> None:
    with pytest.raises(ValueError, match="n_neighbors=0 is below 1"):
        Contrastive(0)
