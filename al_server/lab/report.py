"""The numbers of a comparison, as they are written to `report.json`."""

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict

from al_server import __version__
from al_server.lab.data import LabeledData
from al_server.lab.plan import BASELINE, Plan
from al_server.lab.results import Results
from al_server.lab.splits import Split
from al_server.lab.statistics import (
    CONFIDENCE,
    Curves,
    Estimate,
    area,
    difference,
    is_significant,
    labels_to,
    p_values,
    repeats_for,
    share_of_gain,
    thirds,
    win_share,
)

SHARE_OF_GAIN = 0.9


def _no_nulls(value: Any) -> Any:
    return [np.nan if one is None else one for one in value] if isinstance(value, list) else value


Interval = Annotated[Estimate, BeforeValidator(_no_nulls)]
"""[estimate, low, high]; in JSON null where a number cannot be told."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Third(_Model):
    """The area over a third of the budget."""

    aubc: float
    gain: Interval


class LabelsTo(_Model):
    """Labels that reach a target, null where they never do, and their ratio to random's."""

    labels: float | None
    ratio: Interval


class ToShareOfGain(LabelsTo):
    """The same for the target at which random has made most of its own gain."""

    share: float
    target: float


class Time(_Model):
    """Milliseconds that a query took."""

    median: float
    p95: float


class Judged(_Model):
    """An arm as one classifier sees it."""

    aubc: float
    aubc_gain: Interval
    p_value: float
    against_random: Literal["better", "worse", "no difference", "baseline"]
    final: dict[str, float]


class Arm(Judged):
    """One strategy.

    Attributes
    ----------
    aubc : mean of the metric over the budget
    aubc_gain : of it over random's, in fractions of 1, paired by repeat
    p_value : Wilcoxon's, by Holm's method over all strategies
    against_random : what test and interval together say
    win_share : share of repeats in which it is above random
    thirds : low, mid and high budget
    final : every measure after the last label
    labels_to : by target
    repeats_needed : repeats that would tell the gain shown from none; null where it is zero
    probe : the same labels, judged by a linear model
    """

    win_share: float
    thirds: dict[str, Third]
    labels_to: dict[str, LabelsTo]
    labels_to_share_of_gain: ToShareOfGain
    select_ms: Time
    repeats_needed: int | None
    probe: Judged | None


class Protocol(_Model):
    """What was compared on what, and how."""

    data: str
    fingerprint: str
    n_samples: int
    n_features: int
    classes: list[str]
    n_pool: tuple[int, int]
    n_holdout: tuple[int, int]
    n_repeats: int
    metric: str
    baseline: str
    start: str
    confidence: float
    plan: Plan
    version: str


class Verdict(_Model):
    """What it comes down to, in sentences."""

    headline: str
    wins: list[str]
    losses: list[str]
    undecided: list[str]
    linear_model: str | None


class Report(_Model):
    """All of it.

    Attributes
    ----------
    wins : share of repeats in which the first arm is above the second
    """

    verdict: Verdict
    warnings: list[str]
    arms: dict[str, Arm]
    wins: dict[str, dict[str, float]]
    protocol: Protocol


def judge_arms(plan: Plan, results: Results, probed: Results | None) -> dict[str, Arm]:
    """Compute the numbers of all arms, in the order of the plan."""
    judged = _judge(plan, results)
    linear = {} if probed is None else _judge(plan, probed)
    return {
        arm: _arm(arm, judged[arm], linear.get(arm), plan=plan, results=results)
        for arm in plan.arms
    }


def win_matrix(plan: Plan, results: Results) -> dict[str, dict[str, float]]:
    """Compare every arm with every other, repeat by repeat."""
    areas = {arm: area(_curves(plan, results, arm), results.n_labeled) for arm in plan.arms}
    return {
        arm: {other: win_share(areas[arm], areas[other]) for other in plan.arms if other != arm}
        for arm in plan.arms
    }


def protocol(plan: Plan, data: LabeledData, splits: list[Split]) -> Protocol:
    """Write down what is compared on what."""
    pools = [len(split.pool) for split in splits]
    holdouts = [len(split.holdout) for split in splits]
    return Protocol(
        data=data.name,
        fingerprint=data.fingerprint(),
        n_samples=len(data.labels),
        n_features=data.embeddings.shape[1],
        classes=list(data.classes),
        n_pool=(min(pools), max(pools)),
        n_holdout=(min(holdouts), max(holdouts)),
        n_repeats=len(splits),
        metric=plan.shown,
        baseline=BASELINE,
        start=f"the first {plan.n_shared} labels are drawn at random, the same for all"
        if plan.n_shared
        else "every strategy begins by itself",
        confidence=CONFIDENCE,
        plan=plan,
        version=__version__,
    )


def _judge(plan: Plan, results: Results) -> dict[str, Judged]:
    """Compare the areas of all arms with random's."""
    areas = {arm: area(_curves(plan, results, arm), results.n_labeled) for arm in plan.arms}
    random = areas[BASELINE]
    others = [arm for arm in plan.arms if arm != BASELINE]
    p = dict(zip(others, p_values([areas[arm] - random for arm in others]), strict=True))
    found = {}
    for arm in plan.arms:
        gain = difference(areas[arm], random, seed=plan.seed)
        found[arm] = Judged(
            aubc=float(areas[arm].mean()),
            aubc_gain=gain,
            p_value=p.get(arm, 1.0),
            against_random="baseline" if arm == BASELINE else _said(gain, p[arm]),
            final={
                metric: float(curves[:, -1].mean())
                for metric, curves in results.curves[arm].items()
            },
        )
    return found


def _said(gain: Estimate, p: float) -> Literal["better", "worse", "no difference"]:
    if not is_significant(gain, p):
        return "no difference"
    return "better" if gain.mean > 0 else "worse"


def _arm(arm: str, judged: Judged, linear: Judged | None, *, plan: Plan, results: Results) -> Arm:
    n_labeled, seed = results.n_labeled, plan.seed
    ours, random = (_curves(plan, results, one) for one in (arm, BASELINE))
    our_area, random_area = area(ours, n_labeled), area(random, n_labeled)
    random_thirds = thirds(random, n_labeled)
    goal = share_of_gain(random, SHARE_OF_GAIN)
    milliseconds = 1000 * results.seconds[arm]
    shown = judged.aubc_gain.mean
    return Arm(
        **judged.model_dump(),
        win_share=win_share(our_area, random_area),
        thirds={
            third: Third(
                aubc=float(areas.mean()), gain=difference(areas, random_thirds[third], seed=seed)
            )
            for third, areas in thirds(ours, n_labeled).items()
        },
        labels_to={
            f"{target:g}": LabelsTo(
                **labels_to(target, ours, random, n_labeled, seed=seed)._asdict()
            )
            for target in plan.targets
        },
        labels_to_share_of_gain=ToShareOfGain(
            share=SHARE_OF_GAIN,
            target=goal,
            **labels_to(goal, ours, random, n_labeled, seed=seed)._asdict(),
        ),
        select_ms=Time(
            median=float(np.median(milliseconds)), p95=float(np.quantile(milliseconds, 0.95))
        ),
        repeats_needed=repeats_for(our_area - random_area, shown) if shown else None,
        probe=linear,
    )


def _curves(plan: Plan, results: Results, arm: str) -> Curves:
    return results.curves[arm][plan.shown]
