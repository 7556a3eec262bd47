from dataclasses import replace

import numpy as np
import pytest

from strategies.coral import Coral
from strategies.k_center import KCenter
from strategies.scores import MEASURES, Measure
from strategies.testing import CHECKS, Check
from strategies.toy_pool import cold, toy_pool
from tests import oracles, oracles_k_center

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("strategy", [Coral(), Coral(floor=0.9, uncertainty="entropy")])
def test_keeps_the_contract(check: Check, strategy: Coral) -> None:
    check(strategy)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("budget", [1, 20, 400])
def test_weighted_distances_decide(measure: Measure, budget: int) -> None:
    pool = toy_pool(n_samples=400)
    assert pool.probabilities is not None and pool.cover_distance is not None
    rows = pool.candidate_rows()
    rows = rows[np.argsort(pool.tie_key[rows])]
    unsure = MEASURES[measure](pool.probabilities)[rows]
    weights = np.float32(0.3) + (np.float32(1) - np.float32(0.3)) * unsure
    picks = oracles_k_center.farthest_first(
        pool.embeddings[rows],
        pool.cover_distance[rows],
        weights / weights.max(),
        min(budget, len(rows)),
    )
    coral = Coral(floor=0.3, uncertainty=measure)
    assert coral.select(pool, budget, RNG).tolist() == rows[picks].tolist()


def test_an_unsure_sample_comes_before_a_farther_one() -> None:
    pool = replace(
        toy_pool(n_samples=3, n_classes=2),
        status=np.zeros(3, np.int8),
        uncertainty=np.array([0.0, 1.0, 0.5], np.float32),
        cover_distance=np.array([0.9, 0.2, 0.2], np.float32),
    )
    # weights .1, 1, .55: scores .09, .2, .11
    assert Coral(floor=0.1).select(pool, 1, RNG).tolist() == [1]
    assert Coral(floor=0.1).score(pool, np.arange(3), RNG) == pytest.approx([0.09, 0.2, 0.11])
    # weights .5, 1, .75: scores .45, .2, .15
    assert Coral(floor=0.5).select(pool, 1, RNG).tolist() == [0]


@pytest.mark.parametrize("floor", [0.1, 0.3, 1.0])
def test_equal_uncertainty_is_plain_k_center(floor: float) -> None:
    start = cold(toy_pool(n_samples=300))
    same = np.full(300, 0.37, np.float32)
    for pool in (start, replace(toy_pool(n_samples=300), uncertainty=same)):
        rows = Coral(floor=floor).select(pool, 200, RNG)
        assert (rows == KCenter().select(pool, 200, RNG)).all()


def test_a_floor_of_one_is_plain_k_center() -> None:
    pool = toy_pool()
    assert (Coral(floor=1).select(pool, 40, RNG) == KCenter().select(pool, 40, RNG)).all()


def test_explanations_are_the_score_and_two_percentiles() -> None:
    pool = toy_pool()
    assert pool.uncertainty is not None and pool.cover_distance is not None
    rows = pool.candidate_rows()
    unsure = oracles.ecdf(pool.uncertainty[rows].tolist())
    diverse = oracles.ecdf(pool.cover_distance[rows].tolist())
    scores = Coral().score(pool, rows, RNG)
    for place, explained in enumerate(Coral().explain(pool, rows)):
        assert explained.score == scores[place]
        assert explained.parts == {"uncertainty": unsure[place], "diversity": diverse[place]}


@pytest.mark.parametrize("floor", [0.0, -1.0, 1.1, float("nan")])
def test_the_floor_is_above_zero(floor: float) -> None:
    with pytest.raises(ValueError, match="floor"):
        Coral(floor=floor)
