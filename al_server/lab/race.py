"""Selection methods without labels, side by side: how well a few picks stand for the pool."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from al_server.campaign.strategy import make_strategy
from al_server.lab.splits import LEAK_DISTANCE
from strategies.kernels.distances import cosine_distances
from strategies.pool import PoolView

METHODS = ("uniform", "k_center", "typiclust", "probcover", "mass", "density")
N_DRAWS = 10  # of uniform, whose numbers are means
_PICKS_AT_ONCE = 64


class Runner(NamedTuple):
    """What a method's picks are worth.

    Attributes
    ----------
    method : name of the strategy
    radius : cosine distance of the sample that lies farthest from all picks
    mean_distance : of all samples to their nearest pick
    covered : share of the pool that lies near a pick, nearer than half of the samples have their
        tenth neighbor
    copies : picks that lie at a distance of 0.01 or less from another one
    n_classes : classes among the picks, where labels are known; NaN where they are not
    """

    method: str
    radius: float
    mean_distance: float
    covered: float
    copies: float
    n_classes: float


def race(
    pool: PoolView,
    truth: NDArray[np.int64] | None,
    *,
    budget: int,
    reach: float,
    seed: int,
    told: Callable[[str], None],
) -> list[Runner]:
    """Let each method pick from a cold pool.

    Parameters
    ----------
    truth : class index of each sample, -1 where unknown; looked at only to count classes
    reach : cosine distance up to which a pick covers a sample
    told : is called with the name of each method when its turn comes
    """
    found = []
    for method in METHODS:
        told(method)
        strategy = make_strategy(method)
        n_draws = N_DRAWS if method == "uniform" else 1
        drawn = [
            _judge(
                pool, strategy.select(pool, budget, np.random.default_rng([seed, n])), truth, reach
            )
            for n in range(n_draws)
        ]
        found.append(Runner(method, *np.mean(drawn, axis=0).tolist()))
    return found


def _judge(
    pool: PoolView, picks: NDArray[np.int64], truth: NDArray[np.int64] | None, reach: float
) -> tuple[float, float, float, float, float]:
    nearest = np.full(len(pool.embeddings), np.inf, np.float32)
    n_copies = 0
    for start in range(0, len(picks), _PICKS_AT_ONCE):
        some = picks[start : start + _PICKS_AT_ONCE]
        distances = cosine_distances(pool.embeddings, pool.embeddings[some])
        np.minimum(nearest, distances.min(axis=0), out=nearest)
        others = distances[:, picks]
        others[np.arange(len(some)), np.arange(start, start + len(some))] = np.inf
        n_copies += int((others.min(axis=1) <= LEAK_DISTANCE).sum()) if len(picks) > 1 else 0
    n_classes = float("nan")
    if truth is not None:
        labels = truth[picks]
        n_classes = len(np.unique(labels[labels >= 0]))
    covered = float((nearest <= reach).mean())
    return float(nearest.max()), float(nearest.mean()), covered, n_copies, n_classes
