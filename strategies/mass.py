"""The uncertainty that a label would resolve, far from what is labeled."""

from dataclasses import dataclass, fields, is_dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategies import inputs, product
from strategies.inputs import Column
from strategies.labeled import SHORTEST_WIDTH
from strategies.pool import Explanation, Neighbors, PoolView, Rows, Status

N_LINKS = 10


@dataclass(frozen=True)
class Mass:
    """Score = R(uncertainty mass) R(cover distance) / sqrt(1 + labels of class c).

    The mass of a sample is its own uncertainty and, weighted by nearness, that of its neighbours in
    both directions of the graph (`pool.uncertainty_mass`, or made from `pool.neighbors` where that
    is None): what a label here would resolve. c is the predicted class; R is the tie-averaged rank
    among the candidates divided by their number. Before the first label all are equally uncertain,
    and the mass is a density. Uncertainty and density are one thing here, so that an outlier is not
    asked about however uncertain it is.

    Batches, time and memory are as in `CdfProduct`; the mass stays as it was at the start of the
    batch, since nothing is known of the answers.

    Source: this project.
    """

    reads_uncertainty_mass: ClassVar[bool] = True  # whoever owns the pool then keeps it

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        """Return up to `budget` candidate rows, best first, equal ones by lowest tie_key."""
        return product.select(pool, _factors(pool), budget)

    def score(self, pool: PoolView, rows: Rows, rng: np.random.Generator) -> Column:
        """Return the score of candidate rows, higher = label sooner."""
        _, scores = product.shares_and_scores(pool, _factors(pool), rows)
        return scores.astype(np.float32)

    def explain(self, pool: PoolView, rows: Rows) -> list[Explanation]:
        """Return the score and the percentiles of candidate rows."""
        return [
            Explanation(score, {"mass": parts["uncertainty"], "diversity": parts["diversity"]})
            for score, parts in product.explain(pool, _factors(pool), rows)
        ]


def reads_uncertainty_mass(strategy: object) -> bool:
    """Tell whether a strategy, or one inside of it, wants `pool.uncertainty_mass` to be kept."""
    if getattr(strategy, "reads_uncertainty_mass", False):
        return True
    if isinstance(strategy, list | tuple):
        return any(map(reads_uncertainty_mass, strategy))
    if is_dataclass(strategy):
        return any(reads_uncertainty_mass(getattr(strategy, one.name)) for one in fields(strategy))
    return False


def _mass(pool: PoolView) -> Column:
    if pool.uncertainty_mass is not None or pool.neighbors is None:
        return inputs.uncertainty_mass(pool, "mass")
    uncertainty = inputs.uncertainty(pool) if pool.probabilities is not None else None
    if uncertainty is None:
        inputs.predicted(pool)  # refuses a pool with labels
        uncertainty = np.ones(len(pool.status), np.float32)
    return mass_of_neighbors(
        np.where(pool.status == Status.LABELED, np.float32(0), uncertainty),
        pool.neighbors,
        pool.tie_key,
    )


def mass_of_neighbors(
    uncertainty: Column, neighbors: Neighbors, tie_key: NDArray[np.uint64]
) -> Column:
    """Return the uncertainty of each row and, weighted, of its neighbors in both directions.

    The ten nearest count. Weights are exp(-d / h), h the median distance of the last of them,
    scaled to the mean 1 / 20.

    Parameters
    ----------
    uncertainty : float32 array of shape (n_samples,), 0 where there is a label
    neighbors : of shape (n_samples, k), 10 or more; -1 where there is none
    tie_key : uint64 array of shape (n_samples,); sums go in its order, whatever that of the rows

    Returns
    -------
    float32 array of shape (n_samples,)
    """
    order = np.argsort(tie_key, kind="stable")
    rows = neighbors.rows[order, :N_LINKS]
    is_there = rows >= 0  # small pools have fewer
    if not is_there.any():
        return uncertainty
    distances = neighbors.distances[order, :N_LINKS].astype(np.float64)
    last = distances[np.arange(len(rows)), is_there.sum(axis=1) - 1]
    width = max(float(np.median(last[is_there.any(axis=1)])), SHORTEST_WIDTH)
    weights = np.where(is_there, np.exp(-np.where(is_there, distances, 0) / width), 0)
    # sorted, so that the mean does not depend on the order of the rows
    weights /= 2 * N_LINKS * np.sort(weights[is_there]).mean()
    mass = uncertainty.astype(np.float64)
    mass[order] += (weights * uncertainty[rows]).sum(axis=1)
    towards = (weights * uncertainty[order][:, None])[is_there]
    mass += np.bincount(rows[is_there], towards, minlength=len(mass))
    return mass.astype(np.float32)


def _factors(pool: PoolView) -> product.Factors:
    return product.Factors(
        uncertainty=_mass(pool),
        density=None,
        cover_distance=inputs.cover_distance(pool, "mass"),
        groups=inputs.predicted(pool),
        divisors=np.sqrt(1.0 + inputs.labels_per_class(pool)),
        uncertainty_from="uncertainty_mass",
    )
