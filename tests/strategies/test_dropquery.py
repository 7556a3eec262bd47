"""Predictions with features missing, against loops; the samples taken of clusters, by hand."""

from dataclasses import replace

import numpy as np
import pytest
from numba import get_num_threads, set_num_threads
from numpy.typing import NDArray

from strategies.dropquery import DropQuery, central, drop
from strategies.k_means import k_means
from strategies.pool import PoolView, Status
from strategies.testing import check_strategy
from strategies.toy_pool import cold, shuffled, toy_pool
from tests import oracles_committee as oracle


def test_contract() -> None:
    check_strategy(DropQuery())


def in_order(pool: PoolView) -> list[int]:
    """Candidates in the order of their tie_key."""
    return sorted(pool.candidate_rows().tolist(), key=lambda row: pool.tie_key[row])


def predictions(vectors: NDArray[np.float32], pool: PoolView, k: int) -> list[int]:
    """By the soft vote of the k nearest labeled samples."""
    labeled = oracle.labeled_rows(pool)
    away = oracle.distances(vectors, pool.embeddings[labeled])
    width = oracle.vote_width(vectors, pool.embeddings[labeled])
    classes, once = pool.labels[labeled].tolist(), [1] * len(labeled)
    votes = [
        oracle.posterior(row, classes, once, k, len(labeled), width, pool.n_classes) for row in away
    ]
    return [vote.index(max(vote)) for vote in votes]


def n_changed(pool: PoolView, strategy: DropQuery, rng: np.random.Generator) -> list[int]:
    """Of each candidate in the order of tie_key, feature by feature."""
    vectors = pool.embeddings[in_order(pool)]
    clean = predictions(vectors, pool, strategy.n_neighbors)
    counts = [0] * len(clean)
    for _ in range(strategy.n_masks):
        bytes_ = rng.integers(256, size=vectors.shape, dtype=np.uint8)
        dropped = np.where(bytes_ >= strategy.dropout * 256, vectors, 0)
        lengths = np.maximum(np.linalg.norm(dropped, axis=1, keepdims=True), 1e-30)
        masked = predictions(dropped / lengths, pool, strategy.n_neighbors)
        counts = [n + (a != b) for n, a, b in zip(counts, clean, masked, strict=True)]
    return counts


@pytest.mark.parametrize("n_masks", [1, 3, 4])
@pytest.mark.parametrize("n_classes", [2, 5])
def test_those_that_change_their_mind_come_first(n_classes: int, n_masks: int) -> None:
    pool = toy_pool(n_samples=200, n_classes=n_classes, n_features=16)
    strategy = DropQuery(n_masks, dropout=0.5)
    rows = in_order(pool)
    counts = n_changed(pool, strategy, np.random.default_rng(3))
    levels = [min(count, n_masks // 2 + 1) for count in counts]
    assert len(set(levels)) > 1
    batch = strategy.select(pool, 200, np.random.default_rng(3))
    found = [levels[rows.index(row)] for row in batch]
    assert found == sorted(levels, reverse=True)
    n_first = sum(2 * count > n_masks for count in counts)
    few = strategy.select(pool, n_first // 2, np.random.default_rng(3))
    assert all(2 * counts[rows.index(row)] > n_masks for row in few)


def test_the_batch_is_the_centers_of_their_clusters() -> None:
    pool = toy_pool(n_samples=300, n_features=16)
    strategy = DropQuery()
    rng = np.random.default_rng(4)
    counts = np.array(n_changed(pool, strategy, rng))
    group = np.array(in_order(pool))[2 * counts > 3]
    vectors = pool.embeddings[group]
    assert len(group) > 10
    labels = k_means(vectors, 5, rng)
    expected = []
    for cluster in sorted(range(5), key=lambda c: -np.count_nonzero(labels == c)):
        members = np.flatnonzero(labels == cluster)
        center = vectors[members].astype(float).mean(axis=0)
        far = [((vectors[i] - center) ** 2).sum() for i in members]
        expected.append(group[members[int(np.argmin(far))]])
    assert strategy.select(pool, 5, np.random.default_rng(4)).tolist() == expected


def test_masks_take_the_share_that_was_asked_for() -> None:
    vectors = np.full((4000, 50), 1 / np.sqrt(50), np.float32)
    for share in (0.25, 0.75):
        dropped = drop(vectors, share, np.random.default_rng(0))
        assert (dropped == 0).mean() == pytest.approx(share, abs=0.005)
        kept = dropped[dropped.any(axis=1)]
        np.testing.assert_allclose(np.linalg.norm(kept, axis=1), 1, rtol=1e-5)
        assert len(np.unique(dropped > 0, axis=0)) > 3900  # each sample has its own mask


def test_what_loses_all_features_is_no_error() -> None:
    pool = toy_pool(n_features=1)
    assert len(DropQuery(dropout=0.99).select(pool, 5, np.random.default_rng(0))) == 5


def test_few_clusters_give_several_samples_in_turn() -> None:
    """Two directions, 6 and 3 samples around them, the first of each right on it."""
    angles = np.array([0, 0.1, -0.1, 0.2, -0.2, 0.0, 2, 2.1, 1.9])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    picks = central(vectors, 6, np.random.default_rng(0), max_clusters=2)
    # the larger cluster first, equal ones by position, until a cluster is used up
    assert picks.tolist() == [0, 6, 5, 7, 1, 8]
    picks = central(vectors, 9, np.random.default_rng(0), max_clusters=2)
    assert sorted(picks.tolist()) == list(range(9))


def test_before_the_first_label_all_candidates_are_clustered() -> None:
    pool = cold(toy_pool(n_samples=80, n_features=4))
    pool = replace(pool, embeddings=np.eye(4, dtype=np.float32)[np.arange(80) % 4])
    for seed in range(5):
        rows = DropQuery().select(pool, 4, np.random.default_rng(seed))
        assert set(rows % 4) == {0, 1, 2, 3}


def test_one_class_cannot_change_and_all_candidates_are_clustered() -> None:
    pool = toy_pool(n_classes=1)
    rows = DropQuery().select(pool, 6, np.random.default_rng(0))
    assert len(set(rows.tolist())) == 6


def test_threads_and_order_do_not_matter() -> None:
    pool = toy_pool(n_samples=1500, n_features=33, n_distinct=900)
    order = np.random.default_rng(1).permutation(1500)
    rows = DropQuery().select(pool, 30, np.random.default_rng(2))
    available = get_num_threads()
    set_num_threads(1)
    try:
        others = DropQuery().select(shuffled(pool, order), 30, np.random.default_rng(2))
    finally:
        set_num_threads(available)
    assert np.array_equal(rows, order[others])


def test_what_means_nothing_is_named() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"^dropquery needs one label a sample.*pool\.targets"):
        DropQuery().select(toy_pool(multi_label=True), 1, rng)
    for dropout in (0.0, 1.0, np.nan):
        with pytest.raises(ValueError, match=r"dropout=.* is not between"):
            DropQuery(dropout=dropout)
    for name in ("n_masks", "n_neighbors", "max_clusters"):
        with pytest.raises(ValueError, match=f"{name}=0 is below 1"):
            DropQuery(**{name: 0})
    pool = toy_pool()
    labels = np.where(pool.status == Status.LABELED, 9, -1)
    with pytest.raises(ValueError, match=r"pool\.labels is 9"):
        DropQuery().select(replace(pool, labels=labels), 1, rng)
