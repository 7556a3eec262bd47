import math

import numpy as np
import pytest

from al_server.curation.amounts import is_amount, make_plan
from al_server.errors import BadInput


def gone_after(n: int, **amounts: str | float | int) -> list[int]:
    plan = make_plan(n, amounts, None)
    gone, wanted, counts = 0, 0, []
    for name in amounts:
        n_remove, wanted = plan.n_remove(name, wanted, gone)
        gone += n_remove
        counts.append(gone)
    return counts


@pytest.mark.parametrize("n", [7, 20, 99, 100, 1000, 12_345])
@pytest.mark.parametrize(("outliers", "similars"), [(5, 10), (1, 1), (0, 33), (7, 0), (29, 57)])
def test_outliers_and_similars_are_counted_as_in_the_thesis(n: int, outliers: int, similars: int):
    gone = gone_after(n, outliers=f"{outliers}%", similars=f"{similars}%")
    # in whole numbers, so that nothing is rounded but once
    assert gone[0] == -(-outliers * n // 100)
    assert n - gone[1] == max(1, (100 - outliers - similars) * n // 100)


def test_shares_are_the_decimals_that_were_written():
    assert 100 * 0.07 > 7 and math.ceil(100 * 0.07) == 8
    assert gone_after(100, a=0.07) == gone_after(100, a="7%") == gone_after(100, a="0.07") == [7]
    assert gone_after(100, a=np.float64(0.07)) == [7]


def test_whole_numbers_are_counts_and_fractions_shares():
    assert gone_after(50, a=1) == gone_after(50, a="1") == gone_after(50, a=np.int32(1)) == [1]
    assert gone_after(50, a=0.5) == gone_after(50, a="50%") == [25]
    assert gone_after(50, a=10, b="10%", c=0) == [10, 15, 15]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_one_sample_stays_however_few_there_are(n: int):
    assert gone_after(n, a="60%", b="39%")[-1] == n - 1


@pytest.mark.parametrize(
    ("keep", "n", "kept"),
    [("50%", 5, 3), ("50%", 4, 2), ("49%", 5, 2), (0.1, 3, 1), (1.0, 7, 7), (4, 7, 4)],
)
def test_keep_is_rounded_half_up_and_one_at_least(keep: str | float, n: int, kept: int):
    assert make_plan(n, {}, keep).n_keep(n) == kept


def test_shares_that_come_to_all_fit_whatever_is_rounded():
    for n in range(1, 60):
        plan = make_plan(n, {"a": "5%", "b": "10%"}, "85%")
        left = n - gone_after(n, a="5%", b="10%")[-1]
        assert plan.n_keep(left) == left


@pytest.mark.parametrize(
    ("amounts", "keep", "message"),
    [
        ({"a": "60%", "b": "40%"}, None, "none would stay"),
        ({"a": 10}, None, "none would stay"),
        ({"a": "30%"}, "71%", "101%"),
        ({}, 11, "there are 10 samples"),
        ({}, "110%", "more than 100%"),
        ({"a": 1.5}, None, "more than 100%"),
        ({"a": -1}, None, "negative"),
        ({"a": "-3%"}, None, "negative"),
        ({"a": math.nan}, None, "no amount"),
        ({"a": math.inf}, None, "no amount"),
        ({"a": "nan"}, None, "no amount"),
        ({"a": "five"}, None, "no amount"),
        ({"a": ""}, None, "no amount"),
        ({"a": "1e3"}, None, "no amount"),
        ({"a": True}, None, "no amount"),
        ({"a": None}, None, "no amount"),
        ({}, 0, "no sample would stay"),
        ({}, "0%", "no sample would stay"),
        ({}, "auto", "keep is auto"),
    ],
)
def test_amounts_that_cannot_be_met_are_refused_with_a_remedy(amounts, keep, message: str):
    with pytest.raises(BadInput, match=message) as caught:
        make_plan(10, amounts, keep)
    assert caught.value.remedy


def test_a_threshold_that_leaves_too_few_is_said_when_it_is_known():
    plan = make_plan(10, {"a": "auto"}, 8)
    assert plan.n_keep(9) == 8
    with pytest.raises(BadInput, match="8 samples are to be kept, and the filters leave 7 of 10"):
        plan.n_keep(7)


def test_what_is_written_as_an_amount_is_told_from_what_is_not():
    for text in ("5%", "0.05", "50", "auto", "999%", "-1"):
        assert is_amount(text)
    for text in ("", "five", "5 apples", "1e3", "semantic_dedup"):
        assert not is_amount(text)
