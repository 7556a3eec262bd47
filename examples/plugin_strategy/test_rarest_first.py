"""What a package with a strategy should test: the contract, and the idea."""

import numpy as np
import pytest
from rarest_first import RarestFirst

from strategies import registry
from strategies.testing import CHECKS, Check
from strategies.toy_pool import toy_pool


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("wanted", [1, 2])
def test_it_keeps_the_contract(wanted: int, check: Check) -> None:
    check(RarestFirst(wanted))


def test_the_rarest_class_is_looked_for() -> None:
    pool = toy_pool()
    rarest = np.bincount(pool.labels[pool.labels >= 0]).argmin()
    assert pool.probabilities is not None
    likely = pool.probabilities[pool.candidate_rows(), rarest]
    (row,) = RarestFirst().select(pool, 1, np.random.default_rng(0))
    assert pool.probabilities[row, rarest] == likely.max()


def test_it_is_found_by_its_name() -> None:
    assert registry.make("rarest_first?wanted=2") == RarestFirst(2)


def test_it_can_be_part_of_others() -> None:
    threshold = registry.make("threshold?by=rarest_first&then=margin")
    assert len(threshold.select(toy_pool(), 5, np.random.default_rng(0))) == 5
