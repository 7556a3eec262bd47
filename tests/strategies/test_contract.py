"""Every registered strategy keeps the contract, and the suite catches those that do not."""

from dataclasses import dataclass

import numpy as np
import pytest

from al_server import plugins
from strategies import testing
from strategies.pool import PoolView, Rows, Strategy
from strategies.testing import CHECKS, Check, check_strategy
from strategies.toy_pool import toy_pool


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", plugins.names(plugins.STRATEGIES))
def test_registered_strategies_keep_the_contract(name: str, check: Check) -> None:
    check(plugins.load(plugins.STRATEGIES, name)())


@dataclass(frozen=True)
class FirstRows:
    """Breaks one promise: the first candidates, whatever their tie_key."""

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        if budget < 0:
            raise ValueError("budget is negative")
        return pool.candidate_rows()[:budget]


class Repeats(FirstRows):
    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        return np.repeat(super().select(pool, budget, rng)[:1], budget)


class IgnoresStatus(FirstRows):
    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        return np.arange(min(budget, len(pool.status)))


class OwnChance(FirstRows):
    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        return np.random.default_rng().permutation(pool.candidate_rows())[:budget]


class WritesToPool(FirstRows):
    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        rows = super().select(pool, budget, rng)
        pool.status[rows] = 1
        return rows


class NegativeBudgetIsZero(FirstRows):
    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        return super().select(pool, max(budget, 0), rng)


class NamesNothing(FirstRows):
    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        if pool.density is None:
            raise ValueError("something is missing")
        return super().select(pool, budget, rng)


class RanksNan(FirstRows):
    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        assert pool.density is not None
        rows = pool.candidate_rows()
        return rows[np.argsort(-pool.density[rows])[::-1][:budget]]


@pytest.mark.parametrize(
    ("strategy", "check"),
    [
        (FirstRows(), testing.order_does_not_matter),
        (Repeats(), testing.picks_are_distinct_candidates),
        (IgnoresStatus(), testing.labeled_pending_and_skipped_are_never_picked),
        (OwnChance(), testing.same_generator_same_rows),
        (WritesToPool(), testing.pool_is_left_unchanged),
        (NegativeBudgetIsZero(), testing.negative_budgets_are_refused),
        (NamesNothing(), testing.missing_arrays_are_named),
        (RanksNan(), testing.nan_is_never_ranked),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_suite_catches_broken_promises(strategy: Strategy, check: Check) -> None:
    with pytest.raises(AssertionError):
        check(strategy)
    with pytest.raises(AssertionError):
        check_strategy(strategy)


def test_toy_pool_covers_every_status() -> None:
    pool = toy_pool()
    assert np.bincount(pool.status).tolist() == [43, 3, 12, 2]
