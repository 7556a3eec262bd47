"""Strategies over several data sets: who is ahead beyond the accidents of one of them.

Sources: Friedman 1937; Nemenyi 1963; the diagram is that of Demsar 2006, "Statistical comparisons
of classifiers over multiple data sets".
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from al_server.errors import BadInput
from al_server.lab.chart import WIDTH, Drawing, Label, Shape, color_of
from al_server.lab.statistics import CONFIDENCE

Areas = Mapping[str, Mapping[str, float]]
"""The mean over the budget, by data set and arm."""
_SIDE, _TOP, _STEP, _GAP = 190, 70, 24, 10


@dataclass(frozen=True)
class Ranking:
    """Mean ranks over data sets; 1 is the best.

    Attributes
    ----------
    mean_ranks : by arm, the best first
    friedman_p : of all arms being equal; NaN for fewer than three
    critical_difference : Nemenyi's; mean ranks that differ by less cannot be told apart
    groups : the longest runs of arms that cannot be told apart, of two and more
    """

    mean_ranks: dict[str, float]
    friedman_p: float
    critical_difference: float
    groups: list[tuple[str, ...]]


def rank(areas: Areas) -> Ranking:
    """Rank arms on each data set, and compare their mean ranks.

    Raises
    ------
    BadInput
        If there are fewer than two data sets, or not the same arms on all.
    """
    from scipy.stats import friedmanchisquare, rankdata, studentized_range

    arms = list(next(iter(areas.values()), {}))
    if len(areas) < 2 or len(arms) < 2 or any(set(one) != set(arms) for one in areas.values()):
        raise BadInput(
            f"{len(areas)} data sets cannot be ranked over",
            "give two or more, compared by the same strategies",
        )
    table = np.array([[one[arm] for arm in arms] for one in areas.values()])
    means = rankdata(-table, axis=1).mean(axis=0)
    n_sets, n_arms = table.shape
    p = float(friedmanchisquare(*table.T).pvalue) if n_arms > 2 else np.nan
    q = float(studentized_range.ppf(CONFIDENCE, n_arms, np.inf)) / np.sqrt(2)
    critical = float(q * np.sqrt(n_arms * (n_arms + 1) / (6 * n_sets)))
    order = np.argsort(means, kind="stable")
    mean_ranks = {arms[place]: float(means[place]) for place in order}
    return Ranking(mean_ranks, p, critical, _groups(mean_ranks, critical))


def _groups(mean_ranks: dict[str, float], critical: float) -> list[tuple[str, ...]]:
    arms, ranks = list(mean_ranks), list(mean_ranks.values())
    found: list[tuple[str, ...]] = []
    reached = 0
    for first, lowest in enumerate(ranks):
        end = sum(one < lowest + critical for one in ranks)
        if end > max(reached, first + 1):  # else it is part of the group before
            found.append(tuple(arms[first:end]))
            reached = end
    return found


def draw_ranking(ranking: Ranking, arms: list[str]) -> Drawing:
    """Draw the critical-difference diagram; bars join what cannot be told apart.

    Parameters
    ----------
    arms : in the order that gives them their colors
    """
    names = list(ranking.mean_ranks)
    n_left = (len(names) + 1) // 2
    below = _TOP + 20 + _GAP * len(ranking.groups)
    height = below + _STEP * n_left + 16

    def x(value: float) -> float:
        return round(_SIDE + (WIDTH - 2 * _SIDE) * (value - 1) / (len(names) - 1), 1)

    shapes = [Shape("target", [(x(1), _TOP), (x(len(names)), _TOP)])]
    labels = [Label((WIDTH / 2, 16), "mean rank, 1 is the best", "middle")]
    for value in range(1, len(names) + 1):
        shapes.append(Shape("grid", [(x(value), _TOP - 6), (x(value), _TOP)]))
        labels.append(Label((x(value), _TOP - 12), str(value), "middle"))
    wide = x(1 + min(ranking.critical_difference, len(names) - 1))
    shapes.append(Shape("target", [(x(1), 38), (wide, 38)]))
    labels.append(Label((x(1) - 8, 42), f"CD {ranking.critical_difference:.2f}", "end"))
    for place, group in enumerate(ranking.groups):
        y = _TOP + 12 + _GAP * place
        ends = [ranking.mean_ranks[group[0]], ranking.mean_ranks[group[-1]]]
        shapes.append(Shape("group", [(x(ends[0]) - 3, y), (x(ends[1]) + 3, y)]))
    for place, name in enumerate(names):
        left = place < n_left
        row = place if left else len(names) - 1 - place
        y, at = below + _STEP * row, x(ranking.mean_ranks[name])
        color = color_of(arms, name)
        side = _SIDE - 20 if left else WIDTH - _SIDE + 20
        shapes.append(Shape("line", [(at, _TOP), (at, y), (side, y)], color))
        text = f"{name} {ranking.mean_ranks[name]:.2f}"
        away = side - 6 if left else side + 6
        labels.append(Label((away, y + 4), text, "end" if left else "start", color))
    return Drawing(shapes, labels, height)
