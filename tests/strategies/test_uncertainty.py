from dataclasses import replace

import numpy as np
import pytest

from strategies import scores
from strategies.scores import Measure
from strategies.toy_pool import cold, toy_pool
from strategies.uncertainty import Entropy, LeastConfidence, Margin, Ratio, Uncertainty
from tests import oracles

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("measure", scores.MEASURES)
def test_most_uncertain_candidates_come_first(measure: Measure) -> None:
    pool = toy_pool()
    assert pool.probabilities is not None
    values = [oracles.uncertainty(row.tolist(), measure) for row in pool.probabilities]
    expected = sorted(pool.candidate_rows(), key=lambda row: -values[row])
    assert Uncertainty(measure).select(pool, 10, RNG).tolist() == expected[:10]


def test_names_stand_for_their_measures() -> None:
    strategies = [LeastConfidence(), Margin(), Entropy(), Ratio()]
    assert [strategy.measure for strategy in strategies] == list(scores.MEASURES)


def test_kept_margin_is_taken_where_it_is_given() -> None:
    pool = toy_pool()
    row = pool.candidate_rows()[-1]
    uncertainty = np.zeros(60, np.float32)
    uncertainty[row] = 1
    given = replace(pool, uncertainty=uncertainty)
    assert Margin().select(given, 1, RNG) == row
    assert Entropy().select(given, 1, RNG) == Entropy().select(pool, 1, RNG)


@pytest.mark.parametrize("aggregate", ["mean", "max", "sum"])
def test_several_classes_are_aggregated(aggregate: scores.Aggregate) -> None:
    pool = toy_pool(multi_label=True)
    assert pool.probabilities is not None
    doubts = [
        [oracles.uncertainty([p, 1 - p], "entropy") for p in row.tolist()]
        for row in pool.probabilities
    ]
    values = getattr(np.array(doubts), aggregate)(axis=1)
    expected = sorted(pool.candidate_rows(), key=lambda row: -values[row])
    picked = Uncertainty("entropy", aggregate).select(pool, 10, RNG)
    assert picked.tolist() == expected[:10]


def test_before_the_first_label_the_lowest_keys_come_first() -> None:
    pool = cold(toy_pool())
    assert Entropy().select(pool, 4, RNG).tolist() == np.argsort(pool.tie_key)[:4].tolist()


def test_unknown_measures_are_named() -> None:
    with pytest.raises(ValueError, match="'doubt' is none of least_confidence"):
        Uncertainty("doubt").select(toy_pool(), 1, RNG)  # type: ignore[arg-type]


def test_wrong_shapes_are_named() -> None:
    pool = toy_pool()
    with pytest.raises(ValueError, match=r"pool.uncertainty has shape \(3,\)"):
        Margin().select(replace(pool, uncertainty=np.zeros(3, np.float32)), 1, RNG)
    with pytest.raises(ValueError, match=r"pool.probabilities has shape \(60, 2\)"):
        Entropy().select(replace(pool, probabilities=np.full((60, 2), 0.5, np.float32)), 1, RNG)


def test_explanation_is_the_score_and_its_percentile() -> None:
    pool = toy_pool()
    assert pool.uncertainty is not None
    rows = Margin().select(pool, 60, RNG)
    shares = oracles.ecdf(pool.uncertainty[rows].tolist())
    for row, share, explained in zip(rows, shares, Margin().explain(pool, rows), strict=True):
        assert explained.score == pool.uncertainty[row]
        assert explained.parts == {"uncertainty": share}


def test_only_candidates_are_explained() -> None:
    pool = toy_pool()
    with pytest.raises(ValueError, match="is LABELED, no candidate"):
        Margin().explain(pool, np.flatnonzero(pool.status == 2)[:1])
    with pytest.raises(ValueError, match="row 60 is not in the pool of 60 samples"):
        Margin().explain(pool, np.array([60]))
