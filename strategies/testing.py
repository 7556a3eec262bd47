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

from strategies.pool import Explains, PoolView, Rows, Scores, Status, Strategy
from strategies.toy_pool import cold, repeated, shuffled, toy_pool

Check = Callable[[Strategy], None]
BATCH = 5
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
    for budget in (1, 2, BATCH, 30):
        _assert_fills(strategy, pool, budget, "an ordinary pool")


def labeled_pending_and_skipped_are_never_picked(strategy: Strategy) -> None:
    """Check that only candidates come, and all of them for a budget larger than the pool."""
    pool = toy_pool()
    n_candidates = len(pool.candidate_rows())
    for budget in (n_candidates - 1, n_candidates, len(pool.status) + 1):
        _assert_fills(strategy, pool, budget, "an ordinary pool")


def same_generator_same_rows(strategy: Strategy) -> None:
    """Check that equal seeds give equal batches: no other chance, nothing remembered."""
    pool = toy_pool()
    first, second = (_select(strategy, pool, BATCH, seed=7) for _ in range(2))
    assert np.array_equal(first, second), f"the same seed gave {first}, then {second}"


def pool_is_left_unchanged(strategy: Strategy) -> None:
    """Check that no array of the pool is written to."""
    pool, before = toy_pool(), toy_pool()
    _select(strategy, pool, BATCH)
    if isinstance(strategy, Scores):
        strategy.score(pool, pool.candidate_rows(), np.random.default_rng(0))
    for name, array in _arrays(before):
        assert np.array_equal(getattr(pool, name), array), f"pool.{name} was written to"


def nothing_is_picked_from_nothing(strategy: Strategy) -> None:
    """Check that no candidates, or a budget of 0, give an empty batch."""
    pool = toy_pool()
    assert len(_select(strategy, toy_pool(n_samples=0), BATCH)) == 0, "rows from an empty pool"
    for status in (Status.PENDING, Status.LABELED, Status.SKIPPED):
        gone = replace(pool, status=np.full_like(pool.status, status))
        assert len(_select(strategy, gone, BATCH)) == 0, f"rows that are {status.name}"
    for full in (pool, cold(pool)):
        assert len(_select(strategy, full, 0)) == 0, "rows for a budget of 0"


def negative_budgets_are_refused(strategy: Strategy) -> None:
    """Check that a budget below 0 is a ValueError that says so."""
    error = _error(strategy, toy_pool(), -1)
    assert "budget" in error, "a budget of -1 must be a ValueError that names it"


def one_candidate_is_picked(strategy: Strategy) -> None:
    """Check that the last candidate of a pool can be picked."""
    pool = toy_pool()
    for others in (Status.LABELED, Status.PENDING, Status.SKIPPED):
        status = np.full_like(pool.status, others)
        status[11] = Status.UNLABELED
        rows = _select(strategy, replace(pool, status=status), BATCH)
        assert rows.tolist() == [11], f"{rows} instead of the only candidate, row 11"


def large_batches_are_filled(strategy: Strategy) -> None:
    """Check batches of hundreds, some of which are taken in other ways than a few picks."""
    pool = repeated(toy_pool(), 40)
    for budget in (300, 700):
        _assert_fills(strategy, pool, budget, "a pool of 2,400")
    _assert_fills(strategy, cold(pool), 300, "a pool of 2,400 without labels")


def cold_pools_are_picked_from(strategy: Strategy) -> None:
    """Check the start: no labels, no probabilities, all cover distances infinite."""
    for budget in (BATCH, 99):
        _assert_fills(strategy, cold(toy_pool()), budget, "a pool without labels")


def duplicates_are_picked_from(strategy: Strategy) -> None:
    """Check that a pool of equal samples, all tied, gives distinct rows."""
    pool = toy_pool()
    same: dict[str, Any] = {
        name: np.repeat(array[:1], len(array), axis=0)
        for name, array in _arrays(pool)
        if name in ("embeddings", *NEVER_NAN, "predicted")
    }
    for budget in (BATCH, 99):
        _assert_fills(strategy, replace(pool, **same), budget, "a pool of duplicates")


def constant_embeddings_are_picked_from(strategy: Strategy) -> None:
    """Check that samples are told apart by whatever else differs, or by tie_key."""
    pool = toy_pool(n_distinct=1)
    for budget in (BATCH, 99):
        _assert_fills(strategy, pool, budget, "a pool of constant embeddings")
        _assert_fills(strategy, cold(pool), budget, "the same without labels")


def one_class_is_enough(strategy: Strategy) -> None:
    """Check that a campaign with a single class is picked from."""
    for budget in (BATCH, 99):
        _assert_fills(strategy, toy_pool(n_classes=1), budget, "a pool with one class")


def several_classes_a_sample_work_or_are_refused(strategy: Strategy) -> None:
    """Check that a multi-label pool is picked from, or refused by naming pool.targets."""
    pool = toy_pool(multi_label=True)
    for one in (pool, cold(pool)):
        _works_or_names(strategy, one, "targets")


def missing_arrays_are_named(strategy: Strategy) -> None:
    """Check that a strategy works without an optional array, or names it in a ValueError."""
    pool = toy_pool()
    for name in OPTIONAL:
        without: dict[str, Any] = {name: None}
        _works_or_names(strategy, replace(pool, **without), name)


def nan_is_never_ranked(strategy: Strategy) -> None:
    """Check that NaN in an array that is read is a ValueError that names the array."""
    pool = toy_pool()
    for name in NEVER_NAN:
        _assert_not_ranked(strategy, pool, name, pool.candidate_rows()[3], np.nan)


def broken_embeddings_are_never_ranked(strategy: Strategy) -> None:
    """Check that embeddings that are read are refused with NaN, inf, or another length than 1."""
    pool = toy_pool()
    for row in (pool.candidate_rows()[3], np.flatnonzero(pool.status == Status.LABELED)[0]):
        for value in (np.nan, np.inf, 0, 3 * pool.embeddings[row]):
            _assert_not_ranked(strategy, pool, "embeddings", row, value)


def labels_are_classes(strategy: Strategy) -> None:
    """Check that a label that is no class is a ValueError that says so, if labels are read."""
    pool = toy_pool()
    row = np.flatnonzero(pool.status == Status.LABELED)[0]
    _assert_not_ranked(strategy, pool, "labels", row, pool.n_classes)


def a_classifier_is_not_guessed(strategy: Strategy) -> None:
    """Check that a pool with labels, but without probabilities, is not taken for a cold one."""
    pool = toy_pool()
    without = replace(pool, probabilities=None, uncertainty=None, predicted=None)
    _assert_refused_or_equal(strategy, pool, without, "probabilities", "no probabilities")


def probabilities_sum_to_one(strategy: Strategy) -> None:
    """Check that probabilities of one label a sample are a ValueError where they do not sum to 1.

    Unless they change nothing: a strategy may look at the order of the classes only.
    """
    pool = replace(toy_pool(), uncertainty=None, predicted=None)
    row = pool.candidate_rows()[3]
    assert pool.probabilities is not None
    _assert_not_ranked(strategy, pool, "probabilities", row, pool.probabilities[row] / 2)


def order_does_not_matter(strategy: Strategy) -> None:
    """Check that shuffled rows choose the same samples, where something is drawn too."""
    for pool in (toy_pool(), cold(toy_pool()), toy_pool(n_distinct=4)):
        order = np.random.default_rng(5).permutation(len(pool.status))
        for budget in (BATCH, 30):
            rows = _select(strategy, pool, budget, seed=3)
            others = _select(strategy, shuffled(pool, order), budget, seed=3)
            assert np.array_equal(pool.tie_key[rows], pool.tie_key[order[others]]), (
                "shuffled rows chose other samples; send equal scores to the lowest tie_key, and "
                "draw from rows in its order (strategies.inputs.in_tie_order)"
            )


def scores_are_numbers(strategy: Strategy) -> None:
    """Check `score` where there is one: a number for each row, whatever the order of the rows."""
    if not isinstance(strategy, Scores):
        return
    for pool in (toy_pool(), cold(toy_pool()), toy_pool(n_distinct=1)):
        rows = pool.candidate_rows()
        scores = _score(strategy, pool, rows)
        order = np.random.default_rng(5).permutation(len(rows))
        again = _score(strategy, pool, rows[order])
        assert np.array_equal(again, scores[order]), "another order of rows gave other scores"
        order = np.random.default_rng(6).permutation(len(pool.status))
        again = _score(strategy, shuffled(pool, order), np.argsort(order)[rows])
        assert np.array_equal(again, scores), "a shuffled pool gave other scores"
        assert _score(strategy, pool, rows[:0]).shape == (0,), "no rows must get no scores"


def explanations_are_percentiles(strategy: Strategy) -> None:
    """Check `explain` where there is one: a score for each row, its parts in [0, 1]."""
    if not isinstance(strategy, Explains):
        return
    for pool in (toy_pool(), cold(toy_pool())):
        rows = _select(strategy, pool, BATCH)
        explanations = list(strategy.explain(pool, rows))
        assert len(explanations) == len(rows), f"{len(explanations)} explanations of {len(rows)}"
        for score, parts in explanations:
            assert not np.isnan(score), "the score of an explanation is NaN"
            assert all(0 <= share <= 1 for share in parts.values()), f"no percentiles: {parts}"


CHECKS: tuple[Check, ...] = (
    picks_are_distinct_candidates,
    labeled_pending_and_skipped_are_never_picked,
    same_generator_same_rows,
    pool_is_left_unchanged,
    nothing_is_picked_from_nothing,
    negative_budgets_are_refused,
    one_candidate_is_picked,
    large_batches_are_filled,
    cold_pools_are_picked_from,
    duplicates_are_picked_from,
    constant_embeddings_are_picked_from,
    one_class_is_enough,
    several_classes_a_sample_work_or_are_refused,
    missing_arrays_are_named,
    nan_is_never_ranked,
    broken_embeddings_are_never_ranked,
    labels_are_classes,
    a_classifier_is_not_guessed,
    probabilities_sum_to_one,
    order_does_not_matter,
    scores_are_numbers,
    explanations_are_percentiles,
)


def _select(strategy: Strategy, pool: PoolView, budget: int, *, seed: int = 0) -> Rows:
    rows = strategy.select(pool, budget, np.random.default_rng(seed))
    assert isinstance(rows, np.ndarray), f"select returned a {type(rows).__name__}, not an array"
    assert rows.dtype == np.int64, f"rows are {rows.dtype}, not int64"
    assert rows.ndim == 1, f"rows have shape {rows.shape}, not (n,)"
    return rows


def _score(strategy: Scores, pool: PoolView, rows: Rows) -> NDArray[np.float32]:
    scores = strategy.score(pool, rows, np.random.default_rng(0))
    assert isinstance(scores, np.ndarray), f"score returned a {type(scores).__name__}, not an array"
    assert scores.dtype == np.float32, f"scores are {scores.dtype}, not float32"
    assert scores.shape == rows.shape, f"scores have shape {scores.shape} for {len(rows)} rows"
    assert not np.isnan(scores).any(), "a score is NaN"
    return scores


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


def _assert_not_ranked(strategy: Strategy, pool: PoolView, name: str, row: Any, value: Any) -> None:
    """Put a value into a row of an array: it must be refused by the array's name, or not matter."""
    values = getattr(pool, name).copy()
    values[row] = value
    broken: dict[str, Any] = {name: values}
    what = f"{value} in pool.{name}"
    _assert_refused_or_equal(strategy, pool, replace(pool, **broken), name, what)


def _assert_refused_or_equal(
    strategy: Strategy, pool: PoolView, broken: PoolView, name: str, what: str
) -> None:
    clean = _select(strategy, pool, BATCH)
    try:
        rows = _select(strategy, broken, BATCH)
    except ValueError as error:
        assert name in str(error), f"{what}, but the error says: {error}"
    else:
        assert np.array_equal(rows, clean), f"{what} changed the picks"


def _assert_fills(strategy: Strategy, pool: PoolView, budget: int, what: str) -> None:
    rows = _select(strategy, pool, budget)
    wanted = min(budget, len(pool.candidate_rows()))
    assert len(rows) == wanted, f"{len(rows)} rows from {what} for budget={budget}, not {wanted}"
    _assert_distinct_candidates(pool, rows)


def _assert_distinct_candidates(pool: PoolView, rows: Rows) -> None:
    assert len(set(rows.tolist())) == len(rows), f"rows repeat: {rows}"
    assert set(rows) <= set(pool.candidate_rows()), f"rows that are no candidates: {rows}"


def _arrays(pool: PoolView) -> list[tuple[str, NDArray[Any]]]:
    values = [(field.name, getattr(pool, field.name)) for field in fields(pool)]
    return [(name, value) for name, value in values if isinstance(value, np.ndarray)]
