"""Whether one way is better than another on the same samples, more than by chance."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
N_RESAMPLES = 2000
_BATCH = 50


@dataclass(frozen=True)
class PairedGain:
    """What the second way gains over the first.

    Attributes
    ----------
    n : samples that both were asked about
    before, after : means of the two, in [0, 1]
    gain, low, high : mean of the differences, and the interval that holds it with 95% certainty
    p_value : of the sign test over the samples where the two differ; for answers that are right or
        wrong that is McNemar's exact test
    """

    n: int
    before: float
    after: float
    gain: float
    low: float
    high: float
    p_value: float

    @property
    def is_better(self) -> bool:
        """Whether interval and test both say that the second way is better."""
        return self.low > 0 and self.p_value < 1 - CONFIDENCE

    @property
    def is_worse(self) -> bool:
        """Whether interval and test both say that the second way is worse."""
        return self.high < 0 and self.p_value < 1 - CONFIDENCE


def paired_gain(
    before: NDArray[np.float64], after: NDArray[np.float64], *, seed: int, n_tried: int = 1
) -> PairedGain:
    """Compare two ways sample by sample.

    Parameters
    ----------
    before, after : float64 arrays of shape (n,), in [0, 1]: how right each is on each sample
    seed : of the resampling
    n_tried : ways of which the best was taken; the p-value is multiplied by it (Bonferroni)

    Notes
    -----
    Sources: percentile bootstrap, Efron and Tibshirani 1993; McNemar 1947.
    """
    from scipy.stats import binomtest

    differences = after - before
    n_better, n_worse = int((differences > 0).sum()), int((differences < 0).sum())
    if n_better + n_worse == 0:
        low = high = 0.0
        p_value = 1.0
    else:
        low, high = _interval(differences, np.random.default_rng(seed))
        p_value = min(1.0, n_tried * float(binomtest(n_better, n_better + n_worse).pvalue))
    mean = float(differences.mean()) if len(differences) else 0.0
    old, new = (float(one.mean()) if len(one) else 0.0 for one in (before, after))
    return PairedGain(len(differences), old, new, mean, low, high, p_value)


def _interval(differences: NDArray[np.float64], rng: np.random.Generator) -> tuple[float, float]:
    n = len(differences)
    means = np.concatenate(
        [
            differences[rng.integers(n, size=(_BATCH, n))].mean(axis=1)
            for _ in range(N_RESAMPLES // _BATCH)
        ]
    )
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
