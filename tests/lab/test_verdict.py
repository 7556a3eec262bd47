"""Sentences that a manager reads, and a sceptic may check."""

from typing import Any

import numpy as np
import pytest

from al_server.lab.cautions import of_result
from al_server.lab.plan import Plan
from al_server.lab.report import Arm, Judged, LabelsTo, Third, Time, ToShareOfGain
from al_server.lab.statistics import Estimate
from al_server.lab.verdict import verdict

PLAN = Plan(strategies=("margin", "entropy"))
NAN = float("nan")
NEVER = LabelsTo(labels=None, ratio=Estimate(NAN, NAN, NAN))


def _arm(said: Any, gain: tuple[float, float, float], **changes: Any) -> Arm:
    judged = {"aubc": 0.8, "aubc_gain": gain, "p_value": 0.01, "against_random": said, "final": {}}
    third = Third(aubc=0.8, gain=Estimate(*gain))
    values: dict[str, Any] = {
        "win_share": 0.9,
        "thirds": dict.fromkeys(("low", "mid", "high"), third),
        "labels_to": {"0.9": NEVER},
        "labels_to_share_of_gain": ToShareOfGain(share=0.9, target=0.8, **NEVER.model_dump()),
        "select_ms": Time(median=1, p95=2),
        "repeats_needed": 40,
        "probe": Judged(**judged),
    }
    return Arm(**(judged | values | changes))


RANDOM = _arm("baseline", (0, 0, 0))
BETTER = (0.031, 0.024, 0.038)
WORSE = (-0.02, -0.03, -0.01)
NO_DIFFERENCE = (0.002, -0.003, 0.007)


def test_a_winner_is_named_with_its_labels_and_their_interval() -> None:
    to = LabelsTo(labels=70.0, ratio=Estimate(0.46, 0.39, 0.55))
    margin = _arm("better", BETTER, labels_to={"0.8": NEVER, "0.9": to})
    found = verdict(PLAN, {"margin": margin, "entropy": _arm("worse", WORSE), "uniform": RANDOM})
    assert found.headline == (
        "On this data margin reaches 90% with 0.46 (0.39-0.55) of random's labels, 70 instead of "
        "152."
    )
    assert found.losses[0].startswith(
        "entropy LOSES to random: 2.0 points of accuracy (1.0 to 3.0) below it"
    )


def test_the_best_of_several_winners_is_said_to_be_lucky_too() -> None:
    reached = {"0.8": LabelsTo(labels=50.0, ratio=NEVER.ratio), "0.9": NEVER}
    plan = PLAN.model_copy(update={"targets": (0.8,)})
    arms = {"margin": _arm("better", BETTER, labels_to=reached)}
    assert not of_result(plan, arms)
    arms["entropy"] = _arm("better", BETTER, labels_to=reached)
    assert any("best of 2 strategies" in one for one in of_result(plan, arms))


def test_where_no_target_tells_points_do() -> None:
    found = verdict(PLAN, {"margin": _arm("better", BETTER), "uniform": RANDOM})
    assert found.headline == (
        "On this data margin is 3.1 points of accuracy (2.4 to 3.8) above random on average."
    )


def test_where_nobody_wins_it_is_said_first() -> None:
    arms = {"margin": _arm("no difference", NO_DIFFERENCE), "uniform": RANDOM}
    found = verdict(PLAN, arms)
    assert found.headline == "No strategy beats random here."
    assert found.wins == found.losses == []
    assert found.undecided == [
        "margin: no difference from random that 30 repeats can tell, +0.2 points of accuracy "
        "(-0.3 to +0.7); if that is real, about 40 repeats would show it."
    ]
    arms["entropy"] = _arm("worse", WORSE)
    assert verdict(PLAN, arms).headline == "No strategy beats random here. entropy is worse."


def test_a_winner_that_begins_behind_is_said_to_do_so() -> None:
    late = dict(_arm("better", BETTER).thirds) | {"low": Third(aubc=0.5, gain=Estimate(*WORSE))}
    found = verdict(PLAN, {"margin": _arm("better", BETTER, thirds=late), "uniform": RANDOM})
    assert found.losses == [
        "margin wins on the whole, but LOSES with few labels: 2.0 points of accuracy (1.0 to 3.0) "
        "below random in the low third of the budget."
    ]


@pytest.mark.parametrize(
    ("said", "gain", "expected"),
    [
        ("better", BETTER, "The advantage carries over to another model"),
        ("no difference", NO_DIFFERENCE, "The advantage does NOT carry over to another model"),
        ("worse", WORSE, "a LOSS, 2.0 points of accuracy (1.0 to 3.0) below random"),
    ],
)
def test_whether_the_linear_model_agrees_is_said(
    said: Any, gain: tuple[float, float, float], expected: str
) -> None:
    probe = Judged(aubc=0.8, aubc_gain=Estimate(*gain), p_value=0.5, against_random=said, final={})
    found = verdict(PLAN, {"margin": _arm("better", BETTER, probe=probe), "uniform": RANDOM})
    assert found.linear_model is not None and expected in found.linear_model


def test_an_open_interval_is_no_proof() -> None:
    to = LabelsTo(labels=70.0, ratio=Estimate(0.46, 0.39, np.nan))
    margin = _arm("better", BETTER, labels_to={"0.9": to})
    found = verdict(PLAN, {"margin": margin, "uniform": RANDOM})
    assert "points of accuracy" in found.headline
    assert "0.46 (0.39-?) of random's labels" in found.wins[0]
