"""The learning curves as shapes: computed once, drawn as SVG and as PNG."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from al_server.lab.plan import BASELINE
from al_server.lab.statistics import CONFIDENCE, Curves

WIDTH, HEIGHT = 760, 430
LEFT, RIGHT, TOP, BOTTOM = 52, 744, 16, 378
N_COLORS = 8
BASELINE_COLOR = N_COLORS
"""Random has a color of its own, in all reports the same."""

Point = tuple[float, float]
Role = Literal["line", "band", "grid", "target", "group"]


@dataclass(frozen=True)
class Shape:
    """A line, or with the role `band` an area; `color` counts into the palette."""

    role: Role
    points: list[Point]
    color: int = -1
    dashed: bool = False
    title: str = ""


@dataclass(frozen=True)
class Label:
    """A text; `color` of -1 is that of plain text."""

    at: Point
    text: str
    anchor: Literal["start", "middle", "end"] = "start"
    color: int = -1


@dataclass(frozen=True)
class Drawing:
    """Everything that is drawn, in a space of WIDTH x `height`."""

    shapes: list[Shape]
    labels: list[Label]
    height: int = HEIGHT


def color_of(arms: Sequence[str], arm: str) -> int:
    """Return the color of an arm: that of its place among the strategies."""
    return BASELINE_COLOR if arm == BASELINE else list(arms).index(arm) % N_COLORS


def is_dashed(arms: Sequence[str], arm: str) -> bool:
    """Tell whether an arm shares its color with an earlier one; random is dashed, too."""
    return arm == BASELINE or list(arms).index(arm) >= N_COLORS


def draw_curves(
    curves: dict[str, Curves],
    n_labeled: NDArray[np.int64],
    *,
    targets: Iterable[float],
    metric: str,
    legend: bool,
) -> Drawing:
    """Draw the mean of every arm with the interval of the mean.

    Parameters
    ----------
    curves : by arm, each of shape (n_repeats, n_points)
    legend : write the names into the drawing
    """
    arms = list(curves)
    bands = {arm: _band(each) for arm, each in curves.items()}
    axes = _Axes.around(
        n_labeled,
        min(float(low.min()) for low, _, _ in bands.values()),
        max(float(high.max()) for _, _, high in bands.values()),
    )
    shapes, labels = axes.drawn(metric)
    for target in targets:
        if axes.lowest <= target <= axes.highest:
            y = axes.y(target)
            shapes.append(Shape("target", [(LEFT, y), (RIGHT, y)]))
    xs = [axes.x(n) for n in n_labeled.tolist()]
    for arm in arms:
        low, _, high = bands[arm]
        there = list(zip(xs, map(axes.y, high.tolist()), strict=True))
        back = list(zip(xs, map(axes.y, low.tolist()), strict=True))[::-1]
        shapes.append(Shape("band", there + back, color_of(arms, arm)))
    for arm in arms:
        middle = list(zip(xs, map(axes.y, bands[arm][1].tolist()), strict=True))
        shapes.append(Shape("line", middle, color_of(arms, arm), is_dashed(arms, arm), title=arm))
    if legend:
        by_end = sorted(arms, key=lambda arm: bands[arm][1][-1])
        labels += [
            Label((RIGHT - 12, BOTTOM - 12 - 18 * place), arm, "end", color_of(arms, arm))
            for place, arm in enumerate(by_end)
        ]
    return Drawing(shapes, labels)


def _band(curves: Curves) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return lower end, mean and upper end of the t interval at each point."""
    from scipy.stats import t

    n_repeats = len(curves)
    mean = curves.mean(axis=0)
    wide = t.ppf((1 + CONFIDENCE) / 2, n_repeats - 1) * curves.std(axis=0, ddof=1)
    wide /= np.sqrt(n_repeats)
    return np.clip(mean - wide, 0, 1), mean, np.clip(mean + wide, 0, 1)


@dataclass(frozen=True)
class _Axes:
    most: float
    lowest: float
    highest: float
    step: float

    @classmethod
    def around(cls, n_labeled: NDArray[np.int64], low: float, high: float) -> "_Axes":
        step = next(one for one in (0.01, 0.02, 0.05, 0.1, 0.2) if (high - low) / one <= 7)
        lowest, highest = np.floor(low / step) * step, np.ceil(high / step) * step
        return cls(float(n_labeled[-1]), float(lowest), float(max(highest, lowest + step)), step)

    def x(self, n: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * n / self.most, 1)

    def y(self, value: float) -> float:
        share = (value - self.lowest) / (self.highest - self.lowest)
        return round(BOTTOM - (BOTTOM - TOP) * share, 1)

    def drawn(self, metric: str) -> tuple[list[Shape], list[Label]]:
        shapes, labels = [], []
        for value in np.arange(self.lowest, self.highest + self.step / 2, self.step).tolist():
            y = self.y(value)
            shapes.append(Shape("grid", [(LEFT, y), (RIGHT, y)]))
            labels.append(Label((LEFT - 8, y + 4), f"{100 * value:.0f}%", "end"))
        for n in _ticks(self.most):
            labels.append(Label((self.x(n), BOTTOM + 20), f"{n:g}", "middle"))
        middle = (LEFT + RIGHT) / 2
        labels.append(Label((middle, HEIGHT - 8), f"labels ({metric} on the holdout)", "middle"))
        return shapes, labels


def _ticks(most: float) -> list[float]:
    """Round numbers from 0 on, some six of them."""
    rough = most / 6
    power = 10 ** np.floor(np.log10(max(rough, 1)))
    step = next(one * power for one in (1, 2, 2.5, 5, 10) if one * power >= rough)
    step = max(1.0, float(np.ceil(step)))
    return [float(n) for n in np.arange(0, most + 1e-9, step)]
