"""A small replay with the labels that are known: what active learning would have gained."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from al_server.campaign.strategy import make_strategy
from al_server.errors import BadInput
from al_server.lab.data import FEWEST_SAMPLES, LabeledData
from al_server.lab.replay import Trace, make_track, replay
from al_server.lab.splits import Split, repeated_holdout
from al_server.lab.statistics import Estimate, area, difference, labels_to, share_of_gain
from strategies.pool import Strategy

N_REPEATS = 8
MOST_SAMPLES = 2500
HOLDOUT = 0.2
TARGET = 0.9  # of what random sampling gains
WORTHWHILE, A_LITTLE = 0.005, 0.02  # of accuracy; below the first no strategy is worth it
_FEWEST = 100


class Trial(NamedTuple):
    """Default against random sampling, judged by the vote of the nearest labeled samples.

    Attributes
    ----------
    budget, n_repeats, n_samples : of the replay
    gain : mean difference of accuracy over all numbers of labels up to the budget
    final : accuracy at the end, of random sampling and of default
    ratio : labels that default needs to reach 90% of what random sampling gains, over those that
        random sampling needs
    """

    budget: int
    n_repeats: int
    n_samples: int
    gain: Estimate
    final: tuple[float, float]
    ratio: Estimate


def trial(
    name: str,
    vectors: NDArray[np.float32],
    labels: NDArray[np.int64],
    groups: NDArray[np.int64] | None,
    *,
    budget: int,
    seed: int,
) -> Trial | None:
    """Replay with the known labels; None where there are too few, or they cannot be split."""
    data = _labeled(name, vectors, labels, groups, np.random.default_rng(seed))
    if data is None or len(data.labels) * (1 - HOLDOUT) < 2 * budget:
        return None
    try:
        splits = repeated_holdout(
            data,
            share=HOLDOUT,
            n_repeats=N_REPEATS,
            seed=seed,
            by_group=data.groups is not None,
        )
    except BadInput:
        return None
    curves = {}
    for arm in ("uniform", "default"):
        strategy = make_strategy(arm)
        traces = [
            _replay(data, split, strategy, budget=budget, seed=seed, repeat=repeat)
            for repeat, split in enumerate(splits)
        ]
        curves[arm] = np.array([[one.accuracy for one in trace.qualities] for trace in traces])
        points = np.array(traces[0].n_labeled)
    theirs, ours = curves["uniform"], curves["default"]
    target = share_of_gain(theirs, TARGET)
    return Trial(
        budget=budget,
        n_repeats=len(splits),
        n_samples=len(data.labels),
        gain=difference(area(ours, points), area(theirs, points), seed=seed),
        final=(float(theirs[:, -1].mean()), float(ours[:, -1].mean())),
        ratio=labels_to(target, ours, theirs, points, seed=seed).ratio,
    )


def _replay(
    data: LabeledData, split: Split, strategy: Strategy, *, budget: int, seed: int, repeat: int
) -> Trace:
    track = make_track(data, split, seed=seed, repeat=repeat)
    # it learns from labels alone, as most models that are trained in the end
    return replay(track, strategy, budget=budget, classifier="knn")


def _labeled(
    name: str,
    vectors: NDArray[np.float32],
    labels: NDArray[np.int64],
    groups: NDArray[np.int64] | None,
    rng: np.random.Generator,
) -> LabeledData | None:
    """Take the labeled samples, without classes of one sample."""
    rows = np.flatnonzero(labels >= 0)
    if len(rows) > MOST_SAMPLES:
        rows = np.sort(rng.choice(rows, MOST_SAMPLES, replace=False))
    counts = np.bincount(labels[rows], minlength=1)
    rows = rows[counts[labels[rows]] > 1]
    classes, own = np.unique(labels[rows], return_inverse=True)
    if len(rows) < max(FEWEST_SAMPLES, _FEWEST) or len(classes) < 2:
        return None
    return LabeledData(
        name,
        vectors[rows],
        own.astype(np.int64),
        tuple(str(one) for one in classes),
        None if groups is None else groups[rows],
    )
