from dataclasses import replace

import numpy as np
import pytest

from strategies.density import Density
from strategies.pool import Scores
from strategies.testing import check_strategy
from strategies.toy_pool import cold, toy_pool
from tests import oracles

RNG = np.random.default_rng(0)


def test_contract() -> None:
    check_strategy(Density())


def test_the_densest_candidates_come_first() -> None:
    pool = toy_pool()
    assert pool.density is not None
    density = pool.density
    expected = sorted(pool.candidate_rows(), key=lambda row: (-density[row], pool.tie_key[row]))
    for budget in (1, 7, 60):
        assert Density().select(pool, budget, RNG).tolist() == expected[:budget]


def test_labels_change_nothing() -> None:
    pool = replace(cold(toy_pool()), status=toy_pool().status)
    assert np.array_equal(Density().select(pool, 9, RNG), Density().select(toy_pool(), 9, RNG))


def test_samples_without_neighbors_come_last() -> None:
    pool = toy_pool()
    assert pool.density is not None
    row = pool.candidate_rows()[0]
    density = pool.density.copy()
    density[row] = 0
    assert Density().select(replace(pool, density=density), 99, RNG)[-1] == row


def test_score_is_the_density_and_its_percentile_explains_it() -> None:
    pool = toy_pool()
    assert pool.density is not None
    rows = Density().select(pool, 60, RNG)
    assert isinstance(Density(), Scores)
    assert np.array_equal(Density().score(pool, rows, RNG), pool.density[rows])
    shares = oracles.ecdf(pool.density[rows].tolist())
    for row, share, explained in zip(rows, shares, Density().explain(pool, rows), strict=True):
        assert explained.score == pool.density[row]
        assert explained.parts == {"density": share}


def test_what_is_missing_is_said_in_its_own_name() -> None:
    with pytest.raises(ValueError, match=r"^density needs pool\.density"):
        Density().select(replace(toy_pool(), density=None), 1, RNG)
