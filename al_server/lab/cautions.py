"""What a sceptical reader would ask about a comparison, said before they have to."""

from collections.abc import Mapping

import numpy as np

from al_server.lab.data import LabeledData
from al_server.lab.plan import BASELINE, Plan
from al_server.lab.report import Arm
from al_server.lab.splits import LEAK_SHARE, Rows, Split, share_of_copies
from al_server.lab.statistics import fewest_repeats
from al_server.lab.verdict import MOST_REPEATS


def of_data(plan: Plan, data: LabeledData, splits: list[Split]) -> list[str]:
    """Warn of what can be seen before anything has run."""
    found = [] if data.caution is None else [data.caution]
    leaking = share_of_copies(data, splits[0])
    if leaking > LEAK_SHARE:
        remedy = (
            "groups do not part them"
            if plan.by_group
            else "split by what samples were made from: --group, with an array `group`"
        )
        found.append(
            f"{leaking:.0%} of the holdout are near copies of samples in the pool, so that "
            f"accuracies flatter: {remedy}."
        )
    elif data.groups is not None and not plan.by_group and _is_parted(data.groups, splits[0]):
        found.append(
            "The data has groups, and a random split parts them: what is alike lies in the pool "
            "and in the holdout, and accuracies may flatter. Split with --group."
        )
    if min(len(split.pool) for split in splits) == plan.budget:
        found.append(
            f"The smallest pool has {plan.budget} samples: at the end of the curves everything is "
            "labeled, and all strategies are equal."
        )
    return found


def of_result(plan: Plan, arms: Mapping[str, Arm]) -> list[str]:
    """Warn of what the numbers cannot say."""
    found = []
    others = [name for name in arms if name != BASELINE]
    fewest = fewest_repeats(len(others))
    if plan.repeats < fewest:
        found.append(
            f"{plan.repeats} repeats are too few for any of {len(others)} strategies to be told "
            f"from random: take {fewest} or more."
        )
    few = [
        f"{name} ({arm.repeats_needed})"
        for name, arm in arms.items()
        if arm.against_random == "no difference"
        and arm.repeats_needed is not None
        and plan.repeats < arm.repeats_needed <= MOST_REPEATS
    ]
    if few:
        found.append(
            f"{plan.repeats} repeats are too few for the differences shown of {', '.join(few)}; "
            "in brackets how many would tell them from none, if they are real."
        )
    winners = sum(arm.against_random == "better" for arm in arms.values())
    if winners > 1:
        found.append(
            f"The first sentence names the best of {winners} strategies that beat random; the best "
            "of several was lucky, too: on fresh repeats (another --seed) it gains a little less."
        )
    for target in plan.targets:
        name = f"{target:g}"
        if all(arm.labels_to[name].labels is None for arm in arms.values()):
            best = max(arm.final[plan.shown] for arm in arms.values())
            found.append(
                f"No strategy reaches {100 * target:g}% within {plan.budget} labels, the best ends "
                f"at {best:.1%}: ask for lower --targets, or a larger --budget."
            )
    return found


def _is_parted(groups: Rows, split: Split) -> bool:
    return bool(np.isin(groups[split.holdout], groups[split.pool]).any())
