"""Draws in proportion to a score: by counting, and where a chance is 0 or infinite."""

from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chisquare

from strategies.badge import Badge
from strategies.batch_bald import BatchBald
from strategies.density import Density
from strategies.pool import PoolView, Rows
from strategies.power import Power, Variant, draw
from strategies.testing import check_strategy
from strategies.toy_pool import cold, shuffled, toy_pool
from strategies.uncertainty import Entropy, Margin

SCORES = np.array([4.0, 2.0, 1.0, 1.0])


@pytest.mark.parametrize(
    "strategy",
    [Power(), Power(Density(), beta=3.0), Power(variant="softmax"), Power(variant="softrank")],
    ids=repr,
)
def test_contract(strategy: Power) -> None:
    check_strategy(strategy)


def weights_of(variant: Variant, beta: float) -> NDArray[np.float64]:
    """What the chances of SCORES are proportional to, worked out by hand."""
    if variant == "power":
        return SCORES**beta
    if variant == "softmax":
        return np.exp(beta * SCORES)
    return np.array([1.0, 2.0, 3.5, 3.5]) ** -beta


@pytest.mark.parametrize("variant", ["power", "softmax", "softrank"])
@pytest.mark.parametrize("beta", [0.5, 1.0])
def test_batches_are_drawn_one_after_another(variant: Variant, beta: float) -> None:
    rng = np.random.default_rng(0)
    n_draws = 20_000
    drawn = [tuple(draw(SCORES, 2, rng, beta=beta, variant=variant)) for _ in range(n_draws)]
    weights = weights_of(variant, beta)
    pairs = list(permutations(range(4), 2))
    expected = [
        weights[i] / weights.sum() * weights[j] / (weights.sum() - weights[i]) for i, j in pairs
    ]
    counts = [drawn.count(pair) for pair in pairs]
    assert chisquare(counts, n_draws * np.array(expected)).pvalue > 1e-3


def test_scores_of_zero_come_last_and_infinite_ones_first() -> None:
    scores = np.array([0.0, 1.0, np.inf, 0.0, 2.0, np.inf])
    rng = np.random.default_rng(0)
    orders = np.array([draw(scores, 6, rng) for _ in range(400)])
    assert set(orders[:, :2].ravel()) == {2, 5}
    assert set(orders[:, 2:4].ravel()) == {1, 4}
    assert set(orders[:, 4:].ravel()) == {0, 3}
    # and chance alone orders them
    for column, position in ((0, 2), (4, 0)):
        assert 150 < (orders[:, column] == position).sum() < 250


def test_no_label_yet_is_a_uniform_draw() -> None:
    pool = cold(toy_pool(n_samples=20))
    rng = np.random.default_rng(0)
    counts = np.bincount(np.concatenate([Power().select(pool, 3, rng) for _ in range(3000)]))
    assert chisquare(counts).pvalue > 1e-3


def test_a_large_beta_takes_the_highest_scores() -> None:
    pool = toy_pool()
    rng = np.random.default_rng(0)
    for base in (Margin(), Entropy(), Density()):
        expected = base.select(pool, 10, rng)
        assert np.array_equal(Power(base, beta=1e9).select(pool, 10, rng), expected)


def test_keys_are_the_scores_of_a_composition() -> None:
    pool = toy_pool()
    rows = np.random.default_rng(1).permutation(pool.candidate_rows())
    keys = Power().score(pool, rows, np.random.default_rng(3))
    picks = Power().select(pool, len(rows), np.random.default_rng(3))
    assert keys.dtype == np.float32
    assert np.array_equal(rows[np.argsort(-keys)], picks)


def test_draws_follow_the_samples_not_the_rows() -> None:
    pool = toy_pool(n_samples=300)
    order = np.random.default_rng(1).permutation(300)
    rows = Power(BatchBald()).select(pool, 40, np.random.default_rng(2))
    others = Power(BatchBald()).select(shuffled(pool, order), 40, np.random.default_rng(2))
    assert np.array_equal(rows, order[others])


@dataclass(frozen=True)
class Given:
    """A score like that of somebody else's strategy."""

    value: float

    def score(self, pool: PoolView, rows: Rows, rng: np.random.Generator) -> NDArray[np.float32]:
        return np.full(len(rows), self.value, np.float32)


def test_settings_and_scores_that_mean_nothing_are_named() -> None:
    for beta in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match=r"beta=.* is not finite and at least"):
            Power(beta=beta)
    with pytest.raises(ValueError, match="variant='best' is none of power, softmax, softrank"):
        Power(variant="best")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"base=Badge\(\) does not value candidates one by one"):
        Power(Badge())  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"falls to -1.*variant softmax or softrank"):
        Power(Given(-1.0)).select(toy_pool(), 1, rng)
    assert len(Power(Given(-1.0), variant="softmax").select(toy_pool(), 5, rng)) == 5
    with pytest.raises(ValueError, match="holds NaN"):
        Power(Given(np.nan)).select(toy_pool(), 1, rng)


def test_several_classes_a_sample_are_the_base_s_business() -> None:
    pool = toy_pool(multi_label=True)
    rng = np.random.default_rng(0)
    assert len(Power(Entropy()).select(pool, 5, rng)) == 5
    with pytest.raises(ValueError, match="targets"):
        Power(BatchBald()).select(pool, 5, rng)
    with pytest.raises(ValueError, match=r"pool\.density"):
        Power(Density()).select(replace(pool, density=None), 5, rng)
