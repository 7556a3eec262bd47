from dataclasses import replace

import numpy as np
import pytest

from strategies.compose import Then
from strategies.density import Density
from strategies.pool import Status
from strategies.toy_pool import cold, toy_pool
from strategies.uncertainty import Margin

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("until", "turn"), [(12, Margin()), (13, Density()), ("4C", Margin()), ("5C", Density())]
)
def test_the_number_of_labels_decides(until: int | str, turn: Density) -> None:
    pool = toy_pool()
    assert (pool.status == Status.LABELED).sum() == 12 and pool.n_classes == 3
    found = Then(first=Density(), until=until, then="margin").select(pool, 9, RNG)
    assert found.tolist() == turn.select(pool, 9, RNG).tolist()


def test_only_labels_count_and_a_batch_is_not_split() -> None:
    pool = cold(toy_pool())
    then = Then(first="density", until=3, then="margin")
    pending = pool.status.copy()
    pending[:20] = Status.PENDING
    for one in (pool, replace(pool, status=pending)):
        found = then.select(one, 30, RNG)
        assert found.tolist() == Density().select(one, 30, RNG).tolist()


@pytest.mark.parametrize("until", ["many", -1, "C3", "", "1.5C"])
def test_limits_that_are_none_are_refused(until: int | str) -> None:
    with pytest.raises(ValueError, match=r"until=.* is no number of labels"):
        Then(first="density", until=until)


def test_zero_means_never_the_first() -> None:
    pool = cold(toy_pool())
    found = Then(first="density", until=0, then="margin").select(pool, 3, RNG)
    assert found.tolist() == Margin().select(pool, 3, RNG).tolist()
