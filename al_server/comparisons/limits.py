"""What may be compared: not before there are labels enough, and not more than ends in time."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from al_server.errors import BadInput
from al_server.models import ComparisonIn

if TYPE_CHECKING:
    from al_server.campaign.campaign import Campaign
    from al_server.lab.plan import Plan

FEWEST_LABELS: Final = 50
"""With fewer, a fifth of them is too little to measure on."""

MOST_LABELINGS: Final = 100_000
"""Repeats x strategies x labels: minutes, and never a night, on a small machine."""


def lacking(campaign: "Campaign") -> BadInput | None:
    """Return what stands against comparing strategies as proposed; None where nothing does."""
    try:
        check_enough(campaign, holdout=ComparisonIn().holdout)
    except BadInput as error:
        return error
    return None


def check_enough(campaign: "Campaign", *, holdout: float) -> int:
    """Return how many samples of a campaign are labeled.

    Parameters
    ----------
    holdout : share that will be measured on; every class must be in it

    Raises
    ------
    BadInput
        If these are too few to compare strategies on; it says how many are missing.
    """
    name = campaign.spec.name
    if campaign.spec.task == "multi":
        raise BadInput(
            f"campaign {name!r} gives a sample several labels",
            "comparisons need one label a sample",
        )
    counts = campaign.progress().class_counts
    missing = shortage(counts, holdout=holdout)
    if missing is not None:
        raise BadInput(f"too few labels in campaign {name!r}: {missing}", "label more first")
    return sum(counts.values())


def shortage(counts: Mapping[str, int], *, holdout: float) -> str | None:
    """Say what is missing before strategies can be compared; None where nothing is.

    Parameters
    ----------
    counts : labeled samples by class
    """
    from al_server.lab.background import fewest_of_class

    n_labeled = sum(counts.values())
    if n_labeled < FEWEST_LABELS:
        return _more(f"{_samples(n_labeled)} labeled", n_labeled)
    fewest = fewest_of_class(holdout)
    large = [n for n in counts.values() if n >= fewest]
    needed = f"the {fewest} labels that a holdout of {holdout:.0%} asks of a class"
    if len(large) < 2:
        few = "only one class has" if large else "no class has"
        return f"{few} {needed}, and two must"
    if sum(large) < FEWEST_LABELS:
        return _more(f"{_samples(sum(large))} of classes that have {needed}", sum(large))
    return None


def plan_of(campaign: "Campaign", asked: ComparisonIn) -> "Plan":
    """Return the plan of what was asked for, by the campaign's own classifier.

    Raises
    ------
    BadInput, UnknownPlugin
        If it does not fit together, or is too large.
    """
    from al_server.campaign.strategy import make_strategy
    from al_server.lab.plan import BASELINE, make_plan

    strategies = tuple(asked.strategies)
    theirs = {"classifier": campaign.spec.classifier, "k": campaign.spec.k}
    plan = make_plan(**asked.model_dump() | {"strategies": strategies} | theirs)
    if plan.arms == (BASELINE,):
        raise BadInput(f"{BASELINE} is what strategies are compared with", "name another one")
    for strategy in plan.arms:
        make_strategy(strategy)
    n_labels = plan.repeats * len(plan.arms) * plan.budget
    if n_labels > MOST_LABELINGS:
        raise BadInput(
            f"{plan.repeats} repeats of {len(plan.arms)} strategies, random sampling among them, "
            f"with a budget of {plan.budget} replay {n_labels:,} labels; at most "
            f"{MOST_LABELINGS:,} are replayed",
            "take fewer repeats, strategies or labels",
        )
    return plan


def _samples(n: int) -> str:
    return "1 sample is" if n == 1 else f"{n} samples are"


def _more(there: str, n: int) -> str:
    return f"{there}, a comparison needs {FEWEST_LABELS}: {FEWEST_LABELS - n} more"
