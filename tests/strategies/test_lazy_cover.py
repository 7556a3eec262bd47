"""Lazy rounds against the plain greedy over all candidates."""

from collections.abc import Iterator

import numpy as np
import pytest
from numba import get_num_threads, set_num_threads

from strategies import lazy_cover, product
from strategies.cdf_product import CdfProduct
from strategies.in_class import InClass
from strategies.lazy_cover import LazyCover, round_size
from strategies.pool import PoolView
from strategies.toy_pool import cold, shuffled, toy_pool
from tests import oracles_rounds

RNG = np.random.default_rng(0)


@pytest.fixture
def few_looked_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make small pools go the way of large ones: most candidates stay stale."""
    monkeypatch.setattr(lazy_cover, "FEWEST", 5)
    monkeypatch.setattr(lazy_cover, "MOST_NUMBERS", 8 * 16)
    yield


def pools() -> Iterator[PoolView]:
    for seed in range(2):
        yield toy_pool(n_samples=200, seed=seed)
        yield toy_pool(n_samples=200, n_distinct=9, seed=seed)
        yield cold(toy_pool(n_samples=200, seed=seed))
    yield toy_pool(n_samples=200, n_classes=40)
    yield toy_pool(n_samples=200, n_distinct=1)


@pytest.mark.parametrize("in_class", [False, True])
def test_batches_beyond_the_exact_part_are_greedy_in_rounds(
    few_looked_at: None, in_class: bool
) -> None:
    strategy = InClass() if in_class else CdfProduct()
    for pool in pools():
        factors = strategy._factors(pool)
        rows = product.select(pool, factors, 110, n_exact=12)
        if pool.uncertainty is None:
            nothing = np.zeros(len(pool.status), np.float32)
            pool = PoolView(**{**vars(pool), "uncertainty": nothing})
        expected = oracles_rounds.select_in_rounds(
            pool, 110, in_class=in_class, n_exact=12, round_size=round_size
        )
        assert rows.tolist() == expected


@pytest.mark.parametrize("n_ranked", [7, 50, 1000])
@pytest.mark.parametrize("strength", [0.5, 3.0])
def test_a_round_is_the_plain_greedy(few_looked_at: None, n_ranked: int, strength: float) -> None:
    for seed in range(4):
        pool = toy_pool(n_samples=200, n_distinct=None if seed % 2 else 60, seed=seed)
        rows = np.argsort(pool.tie_key)
        rng = np.random.default_rng(seed)
        static = np.log(rng.integers(1, 12, size=200) / 12)
        assert pool.cover_distance is not None
        cover, expected_static = pool.cover_distance[rows], static.copy()
        lazy = LazyCover(pool, rows, cover)
        for n_picks in (1, 30, 5, 60, 104):
            ranks = lazy.ranks(strength=strength, n_ranked=n_ranked)
            found = lazy.pick(static, ranks, n_picks).tolist()
            assert found == oracles_rounds.frozen_greedy(
                pool.embeddings[rows],
                expected_static,
                cover,
                n_picks,
                strength=strength,
                n_ranked=n_ranked,
            )
        assert not lazy.is_left.any()


def test_any_number_of_threads_picks_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strategies.kernels.threads.STEPS_PER_THREAD", 1)
    pool = toy_pool(n_samples=2000)
    available, found = get_num_threads(), []
    for n_threads in {1, available}:
        set_num_threads(n_threads)
        found.append(InClass().select(pool, 700, RNG).tolist())
        set_num_threads(available)
    assert all(one == found[0] for one in found)


@pytest.mark.parametrize("strategy", [InClass(), CdfProduct()])
def test_a_batch_is_the_beginning_of_every_larger_one(strategy: CdfProduct) -> None:
    pool = toy_pool(n_samples=1000)
    whole = strategy.select(pool, 1000, RNG)
    assert set(whole.tolist()) == set(pool.candidate_rows().tolist())
    for budget in (1, 255, 256, 257, 290, 500):
        assert np.array_equal(strategy.select(pool, budget, RNG), whole[:budget])


def test_rows_may_be_shuffled_and_still_the_same_samples_come_in_rounds() -> None:
    pool = toy_pool(n_samples=1000, n_distinct=100)
    order = np.random.default_rng(1).permutation(1000)
    rows = InClass().select(pool, 600, RNG)
    others = InClass().select(shuffled(pool, order), 600, RNG)
    assert np.array_equal(pool.tie_key[rows], pool.tie_key[order[others]])


def test_embeddings_that_are_not_finite_are_named() -> None:
    pool = toy_pool()
    row = pool.candidate_rows()[4]
    pool.embeddings[row, :2] = np.inf, -np.inf
    with pytest.raises(ValueError, match=rf"pool\.embeddings holds NaN or inf at row {row}"):
        InClass().select(pool, 2, RNG)
