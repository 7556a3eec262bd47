"""What curves say, with how much certainty: paired by repeat, intervals of 95%.

Sources: BCa bootstrap, Efron 1987; Wilcoxon signed-rank, Wilcoxon 1945; Holm 1979; isotonic
regression, Barlow et al. 1972. All by scipy.
"""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Curves = NDArray[np.float64]
"""One metric of one arm, shape (n_repeats, n_points)."""
CONFIDENCE = 0.95
N_RESAMPLES = 4000
N_PAIRS = 1000
"""Resamples of whole curves; each costs two isotonic regressions."""
THIRDS = ("low", "mid", "high")


class Estimate(NamedTuple):
    """A number and the interval that holds it with 95% certainty; NaN where it cannot be told."""

    mean: float
    low: float
    high: float


class ToTarget(NamedTuple):
    """How many labels reach a target.

    Attributes
    ----------
    labels : at which the mean curve reaches it, None where it never does
    ratio : of the baseline's labels, an estimate above or below 1; NaN where one never does
    """

    labels: float | None
    ratio: Estimate


def area(curves: Curves, n_labeled: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the area under each curve over its width: a mean over the labels, in [0, 1]."""
    if curves.shape[1] == 1:
        return curves[:, 0]
    width = n_labeled[-1] - n_labeled[0]
    areas: NDArray[np.float64] = np.trapezoid(curves, n_labeled, axis=1) / width
    return areas


def thirds(curves: Curves, n_labeled: NDArray[np.integer]) -> dict[str, NDArray[np.float64]]:
    """Return the area over each third of the budget: with few labels, some, and many."""
    first, last = float(n_labeled[0]), float(n_labeled[-1])
    edges = np.linspace(first, last, 4)
    found = {}
    for name, low, high in zip(THIRDS, edges[:-1], edges[1:], strict=True):
        inside = (n_labeled >= low) & (n_labeled <= high)
        if not inside.any():  # batches are larger than a third: the nearest point stands for it
            inside[np.abs(n_labeled - (low + high) / 2).argmin()] = True
        found[name] = area(curves[:, inside], n_labeled[inside])
    return found


def difference(ours: NDArray[np.float64], theirs: NDArray[np.float64], *, seed: int) -> Estimate:
    """Return the mean of the paired differences with its BCa interval."""
    from scipy.stats import bootstrap

    differences = ours - theirs
    mean = float(differences.mean())
    if np.ptp(differences) == 0:  # nothing to resample
        return Estimate(mean, mean, mean)
    for method in ("BCa", "percentile"):  # of two or three repeats BCa makes nothing
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = bootstrap(
                (differences,),
                np.mean,
                confidence_level=CONFIDENCE,
                n_resamples=N_RESAMPLES,
                method=method,
                rng=np.random.default_rng(seed),
            ).confidence_interval
        if np.isfinite(found).all():
            break
    return Estimate(mean, float(found.low), float(found.high))


def is_significant(gain: Estimate, p: float) -> bool:
    """Tell whether a difference is more than chance: test and interval must both say so."""
    return p < 1 - CONFIDENCE and (gain.low > 0 or gain.high < 0)


def fewest_repeats(n_strategies: int) -> int:
    """Return how many repeats the test needs to tell even the clearest difference from none.

    If one arm is ahead in all of n repeats, Wilcoxon's p is 2 / 2^n, times `n_strategies` by Holm.
    """
    return 2 + int(np.floor(np.log2(max(1, n_strategies) / (1 - CONFIDENCE))))


def win_share(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> float:
    """Return the share of repeats in which ours is larger; a tie is half of one."""
    return float(np.mean(ours > theirs) + np.mean(ours == theirs) / 2)


def p_values(differences: Sequence[NDArray[np.float64]]) -> list[float]:
    """Return Wilcoxon's p of each set of paired differences, made stricter by Holm's method."""
    from scipy.stats import wilcoxon

    raw = [
        1.0 if not one.any() else float(wilcoxon(one, zero_method="zsplit").pvalue)
        for one in differences
    ]
    order = np.argsort(raw, kind="stable")
    adjusted = np.empty(len(raw))
    strictest = 0.0
    for place, position in enumerate(order):
        strictest = max(strictest, min(1.0, (len(raw) - place) * raw[position]))
        adjusted[position] = strictest
    return [float(one) for one in adjusted]


def labels_to(
    target: float, ours: Curves, theirs: Curves, n_labeled: NDArray[np.integer], *, seed: int
) -> ToTarget:
    """Count the labels to a target, of an arm and against the baseline.

    Mean curves are made monotone first: the raw first crossing is biased by noise. The interval
    resamples repeats, in pairs. A resample in which the baseline never arrives counts at the end
    of its curve, which is the least it needs; one in which only ours does not is worse than any
    other. An end of the interval that rests on such ones is NaN: it is open.
    """
    reached = _crossing(ours.mean(axis=0), n_labeled, target)
    baseline = _crossing(theirs.mean(axis=0), n_labeled, target)
    if reached is None or baseline is None:
        return ToTarget(reached, Estimate(np.nan, np.nan, np.nan))
    if ours is theirs:
        return ToTarget(reached, Estimate(1.0, 1.0, 1.0))
    rng = np.random.default_rng(seed)
    ratios = []
    for _ in range(N_PAIRS):
        rows = rng.integers(len(ours), size=len(ours))
        found = _crossing(ours[rows].mean(axis=0), n_labeled, target)
        other = _crossing(theirs[rows].mean(axis=0), n_labeled, target)
        ratios.append(np.inf if found is None else found / (other or float(n_labeled[-1])))
    low = np.quantile(ratios, (1 - CONFIDENCE) / 2, method="lower")
    high = np.quantile(ratios, (1 + CONFIDENCE) / 2, method="higher")
    ends = (float(one) if np.isfinite(one) else np.nan for one in (low, high))
    return ToTarget(reached, Estimate(reached / baseline, *ends))


def share_of_gain(theirs: Curves, share: float) -> float:
    """Return the target at which the baseline's mean curve has made a share of its whole gain."""
    rising = _monotone(theirs.mean(axis=0))
    return float(rising[0] + share * (rising[-1] - rising[0]))


def repeats_for(differences: NDArray[np.float64], shown: float) -> int:
    """Return how many repeats would tell a mean difference of `shown` from none.

    By the normal approximation, at 95% confidence and 80% power.
    """
    from scipy.stats import norm

    if shown == 0:
        return 0
    z = norm.ppf((1 + CONFIDENCE) / 2) + norm.ppf(0.8)
    return int(np.ceil((z * differences.std(ddof=1) / shown) ** 2))


def _crossing(
    curve: NDArray[np.float64], n_labeled: NDArray[np.integer], target: float
) -> float | None:
    """Labels at which the monotone curve reaches the target, between its points on a line."""
    rising = _monotone(curve)
    place = int(np.searchsorted(rising, target))
    if place == len(rising):
        return None
    if place == 0:
        return float(n_labeled[0])
    before, after = rising[place - 1], rising[place]
    share = (target - before) / (after - before)
    return float(n_labeled[place - 1] + share * (n_labeled[place] - n_labeled[place - 1]))


def _monotone(curve: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.optimize import isotonic_regression

    rising: NDArray[np.float64] = isotonic_regression(curve).x
    return rising
