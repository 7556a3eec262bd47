"""What the numbers come down to, in sentences that need no statistics to be read."""

from collections.abc import Mapping

import numpy as np

from al_server.lab.plan import BASELINE, Plan
from al_server.lab.report import Arm, Judged, LabelsTo, Verdict
from al_server.lab.statistics import Estimate, fewest_repeats

METRIC_NAMES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
}
MOST_REPEATS = 1000
"""A difference that takes more repeats than this to be seen is none that anybody will notice."""
_BUDGET_WORDS = {"low": "few", "mid": "some", "high": "many"}


def verdict(plan: Plan, arms: Mapping[str, Arm]) -> Verdict:
    """Say who beats random, and as loudly who loses to it."""
    ranked = sorted(
        (name for name in arms if name != BASELINE), key=lambda name: -arms[name].aubc_gain.mean
    )
    outcomes = ("better", "worse", "no difference")
    winners, losers, others = (
        [name for name in ranked if arms[name].against_random == outcome] for outcome in outcomes
    )
    losses = [_loss(plan, name, arms[name]) for name in reversed(losers)]
    losses += [one for name in winners for one in _weak_thirds(plan, name, arms[name])]
    return Verdict(
        headline=_headline(plan, arms, winners, losers),
        wins=[_win(plan, name, arms[name]) for name in winners],
        losses=losses,
        undecided=[_undecided(plan, name, arms[name]) for name in others],
        linear_model=None if not ranked else _transfer(plan, ranked[0], arms[ranked[0]]),
    )


def _headline(plan: Plan, arms: Mapping[str, Arm], winners: list[str], losers: list[str]) -> str:
    if plan.repeats < fewest_repeats(len(arms) - 1):
        return f"{plan.repeats} repeats are too few to say whether a strategy beats random here."
    if not winners:
        worse = f" {_listed(losers)} {'is' if len(losers) == 1 else 'are'} worse." if losers else ""
        return f"No strategy beats random here.{worse}"
    name, best = winners[0], arms[winners[0]]
    for target in sorted(best.labels_to, key=float, reverse=True):
        found = best.labels_to[target]
        if found.ratio.high < 1:
            return f"On this data {name} reaches {_percent(float(target))} with {_labels(found)}."
    most = best.labels_to_share_of_gain
    if most.ratio.high < 1:
        return (
            f"On this data {name} reaches {_percent(most.share)} of what random gains within "
            f"{plan.budget} labels with {_labels(most)}."
        )
    return f"On this data {name} is {_points(plan, best.aubc_gain)} above random on average."


def _win(plan: Plan, name: str, arm: Arm) -> str:
    said = [f"{name} is {_points(plan, arm.aubc_gain)} above random on average"]
    for target, found in arm.labels_to.items():
        reaches = f"reaches {_percent(float(target))} with"
        if np.isfinite(found.ratio.mean):
            said.append(f"{reaches} {_labels(found)}")
        elif found.labels is not None:
            said.append(f"{reaches} {found.labels:.0f} labels, random not within {plan.budget}")
    return "; ".join(said) + "."


def _loss(plan: Plan, name: str, arm: Arm) -> str:
    said = [f"{name} LOSES to random: {_points(plan, _negative(arm.aubc_gain))} below it"]
    for target, found in arm.labels_to.items():
        if np.isfinite(found.ratio.mean):
            said.append(f"reaches {_percent(float(target))} with {_labels(found)}")
        elif found.labels is None:
            said.append(f"does not reach {_percent(float(target))} within {plan.budget} labels")
    return "; ".join(said) + "."


def _weak_thirds(plan: Plan, name: str, arm: Arm) -> list[str]:
    """Say where a winner is behind."""
    return [
        f"{name} wins on the whole, but LOSES with {_BUDGET_WORDS[third]} labels: "
        f"{_points(plan, _negative(one.gain))} below random in the {third} third of the budget."
        for third, one in arm.thirds.items()
        if one.gain.high < 0
    ]


def _undecided(plan: Plan, name: str, arm: Arm) -> str:
    said = f"{name}: {_no_difference(plan, arm)}"
    needed = arm.repeats_needed
    if needed is not None and plan.repeats < needed <= MOST_REPEATS:
        said += f"; if that is real, about {needed} repeats would show it"
    return f"{said}."


def _transfer(plan: Plan, name: str, arm: Arm) -> str | None:
    """Say whether the best one's advantage is the linear model's too."""
    seen = arm.probe
    if seen is None:
        return None
    if seen.against_random == "better":
        said = f"{_points(plan, seen.aubc_gain)} above random"
    elif seen.against_random == "worse":
        said = f"a LOSS, {_points(plan, _negative(seen.aubc_gain))} below random"
    else:
        said = _no_difference(plan, seen)
    begin = f"A linear model trained on the labels that {name} asks for"
    if arm.against_random == "better":
        carries = seen.against_random == "better"
        begin = f"The advantage {'carries' if carries else 'does NOT carry'} over to another model"
        begin += f", a linear one trained on the labels that {name} asks for"
    return f"{begin}: {said}."


def _no_difference(plan: Plan, judged: Judged) -> str:
    mean, low, high = (f"{100 * one:+.1f}" for one in judged.aubc_gain)
    return (
        f"no difference from random that {plan.repeats} repeats can tell, "
        f"{mean} points of {METRIC_NAMES[plan.shown]} ({low} to {high})"
    )


def _labels(found: LabelsTo) -> str:
    low, high = (f"{one:.2f}" if np.isfinite(one) else "?" for one in found.ratio[1:])
    said = f"{found.ratio.mean:.2f} ({low}-{high}) of random's labels"
    if found.labels is None:
        return said
    return f"{said}, {found.labels:.0f} instead of {found.labels / found.ratio.mean:.0f}"


def _points(plan: Plan, gain: Estimate) -> str:
    mean, low, high = (f"{100 * one:.1f}" for one in gain)
    return f"{mean} points of {METRIC_NAMES[plan.shown]} ({low} to {high})"


def _negative(gain: Estimate) -> Estimate:
    return Estimate(-gain.mean, -gain.high, -gain.low)


def _percent(share: float) -> str:
    return f"{100 * share:g}%"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
