from dataclasses import replace

import numpy as np
import pytest

from strategies.compose.views import after, distance_to, only
from strategies.kernels.distances import cosine_distances
from strategies.pool import PoolView, Status
from strategies.toy_pool import cold, toy_pool
from tests.oracles_compose import covered_by_all


@pytest.mark.parametrize("pool", [toy_pool(), cold(toy_pool())], ids=["warm", "cold"])
def test_after_picks_the_pool_is_as_after_as_many_leases(pool: PoolView) -> None:
    picks = pool.candidate_rows()[[4, 1, 20]]
    found, expected = after(pool, picks), covered_by_all(pool, picks.tolist())
    assert np.array_equal(found.status, expected.status)
    assert np.array_equal(found.cover_distance, expected.cover_distance)
    assert found.embeddings is pool.embeddings


def test_after_nothing_the_pool_is_itself() -> None:
    pool = toy_pool()
    assert after(pool, np.empty(0, np.int64)) is pool


def test_without_cover_distances_picks_are_still_pending() -> None:
    pool = replace(toy_pool(), cover_distance=None)
    picks = pool.candidate_rows()[:3]
    found = after(pool, picks)
    assert found.cover_distance is None
    assert (found.status[picks] == Status.PENDING).all()


def test_distance_is_that_to_the_nearest_vector() -> None:
    pool = toy_pool(n_samples=500)
    for n_vectors in (1, 7, 300):
        vectors = pool.embeddings[:n_vectors]
        expected = cosine_distances(pool.embeddings, vectors).min(axis=0)
        assert np.array_equal(distance_to(vectors, pool), expected)
    assert np.isinf(distance_to(pool.embeddings[:0], pool)).all()


def test_only_some_candidates_stay_and_all_that_is_none() -> None:
    pool = toy_pool()
    kept = pool.candidate_rows()[[3, 5, 8]]
    view, rows = only(pool, kept)
    assert rows[view.candidate_rows()].tolist() == kept.tolist()
    assert len(rows) == len(kept) + (pool.status != Status.UNLABELED).sum()
    assert np.array_equal(view.embeddings, pool.embeddings[rows])
    assert np.array_equal(view.tie_key, pool.tie_key[rows])
    assert view.neighbors is None
    assert view.n_classes == pool.n_classes


def test_all_candidates_are_the_pool_itself() -> None:
    pool = toy_pool()
    assert only(pool, pool.candidate_rows()).view is pool
