"""What curves say, with how much certainty: paired by repeat, intervals of 95%.

Sources: BCa bootstrap, Efron 1987; Wilcoxon signed-rank, Wilcoxon 1945; Holm 1979; isotonic
regression, Barlow et al. 1972. All by scipy and scikit-learn.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Curves = NDArray[np.float64]
"""One metric of one arm, shape (n_repeats, n_points)."""
CONFIDENCE = 0.95
N_RESAMPLES = 4000


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


def difference(ours: NDArray[np.float64], theirs: NDArray[np.float64], *, seed: int) -> Estimate:
    """Return the mean of the paired differences with its BCa interval."""
    from scipy.stats import bootstrap

    differences = ours - theirs
    mean = float(differences.mean())
    if np.ptp(differences) == 0:  # nothing to resample
        return Estimate(mean, mean, mean)
    found = bootstrap(
        (differences,),
        np.mean,
        confidence_level=CONFIDENCE,
        n_resamples=N_RESAMPLES,
        method="BCa",
        rng=np.random.default_rng(seed),
    )
    return Estimate(mean, *map(float, found.confidence_interval))


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
    resamples repeats, in pairs; a resample in which one of the two never arrives counts at the
    last point of the curve for both ends to stay honest, and an interval that rests on such ones
    in more than half of the cases is not given.
    """
    reached = _crossing(ours.mean(axis=0), n_labeled, target)
    baseline = _crossing(theirs.mean(axis=0), n_labeled, target)
    if reached is None or baseline is None:
        return ToTarget(reached, Estimate(np.nan, np.nan, np.nan))
    rng = np.random.default_rng(seed)
    ratios, n_censored = [], 0
    for _ in range(N_RESAMPLES // 4):
        rows = rng.integers(len(ours), size=len(ours))
        pair = [_crossing(one[rows].mean(axis=0), n_labeled, target) for one in (ours, theirs)]
        n_censored += None in pair
        last = float(n_labeled[-1])
        ratios.append((pair[0] or last) / (pair[1] or last))
    if n_censored > len(ratios) / 2:
        return ToTarget(reached, Estimate(reached / baseline, np.nan, np.nan))
    low, high = np.quantile(ratios, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return ToTarget(reached, Estimate(reached / baseline, float(low), float(high)))


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
    from sklearn.isotonic import isotonic_regression

    rising = isotonic_regression(curve)
    place = int(np.searchsorted(rising, target))
    if place == len(rising):
        return None
    if place == 0:
        return float(n_labeled[0])
    before, after = rising[place - 1], rising[place]
    share = (target - before) / (after - before)
    return float(n_labeled[place - 1] + share * (n_labeled[place] - n_labeled[place - 1]))
