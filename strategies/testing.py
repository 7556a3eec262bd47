"""The contract suite: what every strategy promises, ours and third parties'.

In a test of your own::

    from strategies.testing import CHECKS, check_strategy

    def test_my_strategy_keeps_the_contract():
        check_strategy(MyStrategy())

or, for one test a promise, parametrize over `CHECKS` and call ``check(MyStrategy())``.
"""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategies.pool import PoolView, Rows, Status, Strategy
from strategies.toy_pool import cold, shuffled, toy_pool

Check = Callable[[Strategy], None]
BATCH = 5
# embeddings are left out: their owner checks them once, where they come in
NEVER_NAN = ("probabilities", "uncertainty", "density", "cover_distance", "uncertainty_mass")
OPTIONAL = (*NEVER_NAN, "predicted", "neighbors")


def check_strategy(strategy: Strategy) -> None:
    """Run every check; an AssertionError says which promise is broken.

    Parameters
    ----------
    strategy : the strategy under test, able to pick from a pool of 60 samples in 3 classes that
        has all optional arrays
    """
    for check in CHECKS:
        check(strategy)


def picks_are_distinct_candidates(strategy: Strategy) -> None:
    """Check that a batch holds as many distinct candidate rows as were asked for."""
    pool = toy_pool()
    for budget in (1, 2, BATCH):
        rows = _select(strategy, pool, budget)
        assert len(rows) == budget, f"{len(rows)} rows instead of budget={budget}"
        _assert_distinct_candidates(pool, rows)


def labeled_pending_and_skipped_are_never_picked(strategy: Strategy) -> None:
    """Check that only candidates come, and all of them for a budget larger than the pool."""
    pool = toy_pool()
    rows = _select(strategy, pool, len(pool.status) + 1)
    _assert_distinct_candidates(pool, rows)
    assert set(rows) == set(pool.candidate_rows()), "a large budget must empty the pool"


def same_generator_same_rows(strategy: Strategy) -> None:
    """Check that equal seeds give equal batches: no other chance, nothing remembered."""
    pool = toy_pool()
    first, second = (_select(strategy, pool, BATCH, seed=7) for _ in range(2))
    assert np.array_equal(first, second), f"the same seed gave {first}, then {second}"


def pool_is_left_unchanged(strategy: Strategy) -> None:
    """Check that no array of the pool is written to."""
    pool, before = toy_pool(), toy_pool()
    _select(strategy, pool, BATCH)
    for name, array in _arrays(before):
        assert np.array_equal(getattr(pool, name), array), f"pool.{name} was written to"


def nothing_is_picked_from_nothing(strategy: Strategy) -> None:
    """Check that no candidates, or a budget of 0, give an empty batch."""
    pool = toy_pool()
    waiting = replace(pool, status=np.full_like(pool.status, Status.PENDING))
    assert len(_select(strategy, toy_pool(n_samples=0), BATCH)) == 0, "rows from an empty pool"
    assert len(_select(strategy, waiting, BATCH)) == 0, "rows that are pending"
    assert len(_select(strategy, pool, 0)) == 0, "rows for a budget of 0"


def negative_budgets_are_refused(strategy: Strategy) -> None:
    """Check that a budget below 0 is a ValueError that says so."""
    error = _error(strategy, toy_pool(), -1)
    assert "budget" in error, "a budget of -1 must be a ValueError that names it"


def one_candidate_is_picked(strategy: Strategy) -> None:
    """Check that the last candidate of a pool can be picked."""
    pool = toy_pool()
    status = np.full_like(pool.status, Status.LABELED)
    status[11] = Status.UNLABELED
    rows = _select(strategy, replace(pool, status=status), BATCH)
    assert rows.tolist() == [11], f"{rows} instead of the only candidate, row 11"


def cold_pools_are_picked_from(strategy: Strategy) -> None:
    """Check the start: no labels, no probabilities, all cover distances infinite."""
    pool = cold(toy_pool())
    rows = _select(strategy, pool, BATCH)
    assert len(rows) == BATCH, f"{len(rows)} rows from a pool without labels"
    _assert_distinct_candidates(pool, rows)


def duplicates_are_picked_from(strategy: Strategy) -> None:
    """Check that a pool of equal samples, all tied, gives distinct rows."""
    pool = toy_pool()
    same: dict[str, Any] = {
        name: np.repeat(array[:1], len(array), axis=0)
        for name, array in _arrays(pool)
        if name in ("embeddings", *NEVER_NAN, "predicted")
    }
    equal = replace(pool, **same)
    _assert_distinct_candidates(pool, rows := _select(strategy, equal, BATCH))
    assert len(rows) == BATCH, f"{len(rows)} rows from a pool of duplicates"


def one_class_is_enough(strategy: Strategy) -> None:
    """Check that a campaign with a single class is picked from."""
    pool = toy_pool(n_classes=1)
    rows = _select(strategy, pool, BATCH)
    assert len(rows) == BATCH, f"{len(rows)} rows from a pool with one class"
    _assert_distinct_candidates(pool, rows)


def several_classes_a_sample_work_or_are_refused(strategy: Strategy) -> None:
    """Check that a multi-label pool is picked from, or refused by naming pool.targets."""
    pool = toy_pool(multi_label=True)
    _works_or_names(strategy, pool, "targets")


def missing_arrays_are_named(strategy: Strategy) -> None:
    """Check that a strategy works without an optional array, or names it in a ValueError."""
    pool = toy_pool()
    for name in OPTIONAL:
        without: dict[str, Any] = {name: None}
        _works_or_names(strategy, replace(pool, **without), name)


def nan_is_never_ranked(strategy: Strategy) -> None:
    """Check that NaN in an array that is read is a ValueError that names the array."""
    pool = toy_pool()
    clean = _select(strategy, pool, BATCH)
    for name in NEVER_NAN:
        values = getattr(pool, name).copy()
        values[pool.candidate_rows()[3]] = np.nan
        broken: dict[str, Any] = {name: values}
        try:
            rows = _select(strategy, replace(pool, **broken), BATCH)
        except ValueError as error:
            assert name in str(error), f"NaN in pool.{name}, but the error says: {error}"
        else:
            assert np.array_equal(rows, clean), f"NaN in pool.{name} changed the picks"


def order_does_not_matter(strategy: Strategy) -> None:
    """Check that shuffled rows choose the same samples, where nothing is drawn."""
    for pool in (toy_pool(), cold(toy_pool()), toy_pool(n_distinct=4)):
        rng = np.random.default_rng(3)
        before = rng.bit_generator.state
        rows = strategy.select(pool, BATCH, rng)
        if rng.bit_generator.state != before:
            return
        order = np.random.default_rng(5).permutation(len(pool.status))
        others = _select(strategy, shuffled(pool, order), BATCH)
        assert np.array_equal(pool.tie_key[rows], pool.tie_key[order[others]]), (
            "shuffled rows chose other samples; send equal scores to the lowest tie_key"
        )


CHECKS: tuple[Check, ...] = (
    picks_are_distinct_candidates,
    labeled_pending_and_skipped_are_never_picked,
    same_generator_same_rows,
    pool_is_left_unchanged,
    nothing_is_picked_from_nothing,
    negative_budgets_are_refused,
    one_candidate_is_picked,
    cold_pools_are_picked_from,
    duplicates_are_picked_from,
    one_class_is_enough,
    several_classes_a_sample_work_or_are_refused,
    missing_arrays_are_named,
    nan_is_never_ranked,
    order_does_not_matter,
)


def _select(strategy: Strategy, pool: PoolView, budget: int, *, seed: int = 0) -> Rows:
    rows = strategy.select(pool, budget, np.random.default_rng(seed))
    assert isinstance(rows, np.ndarray), f"select returned a {type(rows).__name__}, not an array"
    assert rows.dtype == np.int64, f"rows are {rows.dtype}, not int64"
    assert rows.ndim == 1, f"rows have shape {rows.shape}, not (n,)"
    return rows


def _error(strategy: Strategy, pool: PoolView, budget: int) -> str:
    try:
        _select(strategy, pool, budget)
    except ValueError as error:
        return str(error)
    return ""


def _works_or_names(strategy: Strategy, pool: PoolView, name: str) -> None:
    try:
        rows = _select(strategy, pool, BATCH)
    except ValueError as error:
        assert name in str(error), f"pool.{name} is the matter, but the error says: {error}"
    else:
        _assert_distinct_candidates(pool, rows)


def _assert_distinct_candidates(pool: PoolView, rows: Rows) -> None:
    assert len(set(rows.tolist())) == len(rows), f"rows repeat: {rows}"
    assert set(rows) <= set(pool.candidate_rows()), f"rows that are no candidates: {rows}"


def _arrays(pool: PoolView) -> list[tuple[str, NDArray[Any]]]:
    values = [(field.name, getattr(pool, field.name)) for field in fields(pool)]
    return [(name, value) for name, value in values if isinstance(value, np.ndarray)]
