"""Every registered strategy keeps the contract, and the suite catches those that do not."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from strategies import inputs, registry, testing
from strategies.pool import Explanation, PoolView, Rows, Strategy
from strategies.scores import best_first
from strategies.settings import settings_of
from strategies.testing import CHECKS, Check, check_strategy
from strategies.toy_pool import toy_pool

COMPOSITIONS = [
    "product?margin=2&density=1",
    "product?entropy=1&k_center=2",
    "product?uniform=1&margin=0.5&in_class=1",
    "threshold?by=entropy&keep=0.3&then=k_center",
    "threshold?by=uniform&above=0.5&then=typiclust",
    "threshold?by=density&keep=0.9&then=badge",
    "balance?strategy=k_center&shares=pool",
    "balance?strategy=badge",
    "balance?strategy=threshold%3Fby=margin%26then=probcover",
    "similar?label=0&strategy=entropy",
    "similar?strategy=k_center&strength=3",
    "then?first=typiclust&until=30&then=margin",
    "then?first=uniform&until=2C&then=product",
    "power?base=product%3Fmargin=1%26density=1",
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("text", [*registry.SHELF, *COMPOSITIONS])
def test_registered_strategies_and_compositions_keep_the_contract(text: str, check: Check) -> None:
    check(registry.make(text))


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


class DrawsByRow(FirstRows):
    """Breaks another: the same seed draws other samples from a shuffled pool."""

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        return rng.permutation(super().select(pool, budget, rng)[:budget])


class ShortOfDuplicates(FirstRows):
    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        rows = inputs.in_tie_order(pool, pool.candidate_rows())
        _, first = np.unique(pool.embeddings[rows], axis=0, return_index=True)
        return rows[np.sort(first)][: inputs.n_picks(pool, budget)]


class TrustsEmbeddings(FirstRows):
    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        return _best(pool, budget, -np.abs(pool.embeddings).sum(axis=1))


class TrustsProbabilities(FirstRows):
    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        if pool.probabilities is None:
            return super().select(pool, budget, rng)
        return _best(pool, budget, np.nan_to_num(-pool.probabilities.sum(axis=1)))


class TrustsLabels(FirstRows):
    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        return _best(pool, budget, np.sin(pool.labels.sum() * (1 + pool.tie_key % 97)))


class TakesSilenceForAStart(FirstRows):
    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        if pool.probabilities is None:
            return super().select(pool, budget, rng)
        return _best(pool, budget, pool.probabilities[:, 0])


class StopsAtHundred(FirstRows):
    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        rows = inputs.in_tie_order(pool, pool.candidate_rows())
        return rows[: min(inputs.n_picks(pool, budget), 100)]


class ScoresByPlace(FirstRows):
    def score(self, pool: PoolView, rows: Rows, rng: np.random.Generator) -> NDArray[np.float32]:
        return np.arange(len(rows), dtype=np.float32)


class ExplainsTooMuch(FirstRows):
    def explain(self, pool: PoolView, rows: Rows) -> list[Explanation]:
        return [Explanation(1.0, {"surprise": 110.0}) for _ in rows]


def _best(pool: PoolView, budget: int, scores: NDArray[np.float32]) -> Rows:
    rows = pool.candidate_rows()
    n_picks = inputs.n_picks(pool, budget)
    return rows[best_first(scores[rows], pool.tie_key[rows], n_picks)]


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
        (DrawsByRow(), testing.order_does_not_matter),
        (ShortOfDuplicates(), testing.constant_embeddings_are_picked_from),
        (TrustsEmbeddings(), testing.broken_embeddings_are_never_ranked),
        (TrustsProbabilities(), testing.probabilities_sum_to_one),
        (TrustsLabels(), testing.labels_are_classes),
        (TakesSilenceForAStart(), testing.a_classifier_is_not_guessed),
        (StopsAtHundred(), testing.large_batches_are_filled),
        (ScoresByPlace(), testing.scores_are_numbers),
        (ExplainsTooMuch(), testing.explanations_are_percentiles),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_suite_catches_broken_promises(strategy: Strategy, check: Check) -> None:
    with pytest.raises(AssertionError):
        check(strategy)
    with pytest.raises(AssertionError):
        check_strategy(strategy)


FLOATS = [
    (name, setting)
    for name in registry.SHELF
    for setting, (wanted, _) in settings_of(registry.load(name)).items()
    if "float" in str(wanted)
]


@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "1e308", "1e-308", "0", "-1"])
@pytest.mark.parametrize(("name", "setting"), FLOATS)
def test_extreme_settings_are_refused_or_work(name: str, setting: str, value: str) -> None:
    pool = toy_pool()
    try:
        strategy = registry.make(f"{name}?{setting}={value}")
        rows = strategy.select(pool, 5, np.random.default_rng(0))
    except ValueError as error:
        assert setting in str(error)
    else:
        assert len(set(rows.tolist())) == 5


@pytest.mark.parametrize("name", registry.SHELF)
def test_a_budget_is_a_whole_number(name: str) -> None:
    half: Any = 2.5
    with pytest.raises(TypeError, match="integer"):
        registry.make(name).select(toy_pool(), half, np.random.default_rng(0))


@pytest.mark.parametrize("name", registry.SHELF)
def test_arrays_that_do_not_belong_together_are_refused(name: str) -> None:
    pool = toy_pool()
    broken: list[tuple[str, Any]] = [
        ("status", pool.status[:10]),
        ("status", np.full_like(pool.status, 7)),
        ("status", np.array(["unlabeled"] * 60)),
        ("labels", pool.labels[:30]),
        ("tie_key", pool.tie_key[:30]),
    ]
    for array, value in broken:
        given: dict[str, Any] = {array: value}
        with pytest.raises(ValueError, match=f"pool.{array}"):
            registry.make(name).select(replace(pool, **given), 5, np.random.default_rng(0))


def test_toy_pool_covers_every_status() -> None:
    pool = toy_pool()
    assert np.bincount(pool.status).tolist() == [43, 3, 12, 2]
