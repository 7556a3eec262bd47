"""k-center: samples such that no other lies far from all of them."""

from dataclasses import dataclass

import numpy as np

from strategies import farthest_first, inputs
from strategies.inputs import Column
from strategies.pool import Explanation, PoolView, Rows, Status
from strategies.scores import ecdf


@dataclass(frozen=True)
class KCenter:
    """Always the candidate that lies farthest from everything labeled, pending, skipped or picked.

    Score = distance to the nearest of these, max(0, 1 - cosine similarity); distances below 2**-20
    are rounding noise between duplicates and count as 0. Equal scores go to the lowest tie_key; so
    does the first pick of a cold pool, where all are infinite. Between unit rows Euclidean distance
    rises with the cosine distance, so that the picks are the same; the largest one that remains is
    at most twice the least possible.

    Exact: the picks are those of the plain greedy loop, bit for bit. Single picks, each after a new
    `pool.cover_distance`, are the same but where two scores differ by less than rounding: the owner
    of the pool may sum up products in another order. n candidates, b picks, d dimensions: time
    O(n b d) at most, in practice a tenth of it, at the speed of a matrix product; memory
    O(n + b d).

    Source: Gonzalez 1985; as a strategy Sener and Savarese 2018, arXiv:1708.00489, Algorithm 1
    (which takes Euclidean distances of features that are not scaled to unit length).
    """

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        """Return up to `budget` candidate rows, the farthest first."""
        n_picks = inputs.n_picks(pool, budget)
        rows = pool.candidate_rows()
        return pick(
            pool, rows, cover_distances(pool, rows), np.ones(len(rows), np.float32), n_picks
        )

    def score(self, pool: PoolView, rows: Rows, rng: np.random.Generator) -> Column:
        """Return the cover distance of rows, inf where nothing covers."""
        return cover_distances(pool, rows)

    def explain(self, pool: PoolView, rows: Rows) -> list[Explanation]:
        """Return the cover distance of candidate rows as their score, and its percentile."""
        inputs.check_candidates(pool, rows)
        candidates = pool.candidate_rows()
        distances = cover_distances(pool, candidates)
        shares = ecdf(distances)
        return [
            Explanation(float(distances[position]), {"diversity": float(shares[position])})
            for position in np.searchsorted(candidates, rows)
        ]


@dataclass(frozen=True)
class KCenterRobust:
    """k-center that leaves a share of the pool uncovered: its most isolated samples.

    Farthest-first runs after outliers. Here the floor(outliers * n_samples) samples with the lowest
    `pool.density` - the largest mean distance to their nearest neighbors - need not be covered and
    are not picked, until no other candidate is left. On the others it is `KCenter`. They are
    counted over the whole pool, whatever has happened to a sample, so that they stay the same from
    batch to batch; equal densities go to the highest tie_key.

    The paper bounds how many samples may stay uncovered, too, but lets a mixed-integer program
    choose which, for the least radius. A choice by density needs no solver and cannot be fooled by
    the order of the picks; it misses outliers that come in crowds.

    Time as `KCenter`, memory O(n + b d).

    Source: Sener and Savarese 2018, arXiv:1708.00489, section 4 (robust k-center, Xi); the choice
    by density is ours.

    Attributes
    ----------
    outliers : share of the pool that may stay uncovered, in [0, 1)
    """

    outliers: float = 0.01

    def __post_init__(self) -> None:
        if not 0 <= self.outliers < 1:
            raise ValueError(f"outliers={self.outliers} is no share in [0, 1); try 0.01")

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        """Return up to `budget` candidate rows, the farthest first, outliers last."""
        n_picks = inputs.n_picks(pool, budget)
        rows = pool.candidate_rows()
        is_outlier = self._is_outlier(pool)[rows]
        distances = cover_distances(pool, rows)
        inliers, outliers = rows[~is_outlier], rows[is_outlier]
        n_inliers = min(n_picks, len(inliers))
        ones = np.ones(len(rows), np.float32)
        first = pick(pool, inliers, distances[~is_outlier], ones[: len(inliers)], n_inliers)
        if n_picks == n_inliers:
            return first
        covers = np.minimum(distances[is_outlier], _distances_to(pool, outliers, first))
        last = pick(pool, outliers, covers, ones[: len(outliers)], n_picks - n_inliers)
        return np.concatenate([first, last])

    def score(self, pool: PoolView, rows: Rows, rng: np.random.Generator) -> Column:
        """Return the cover distance of rows, inf where nothing covers; 0 for outliers."""
        return np.where(self._is_outlier(pool)[rows], np.float32(0), cover_distances(pool, rows))

    def explain(self, pool: PoolView, rows: Rows) -> list[Explanation]:
        """Return the score of candidate rows, and the percentile of their cover distance."""
        is_outlier = self._is_outlier(pool)
        return [
            Explanation(0.0 if is_outlier[row] else explained.score, explained.parts)
            for row, explained in zip(rows, KCenter().explain(pool, rows), strict=True)
        ]

    def _is_outlier(self, pool: PoolView) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        everyone = np.arange(len(pool.status))
        density = inputs.refuse_nan("density", inputs.density(pool, "k_center_robust"), everyone)
        # the rows that go first are the dense ones, and of equal ones the lowest keys
        order = np.lexsort((pool.tie_key, -density))
        is_outlier = np.zeros(len(everyone), np.bool_)
        # rounded first: 0.29 * 100 is a little less than 29
        n_outliers = int(round(self.outliers * len(order), 6))
        is_outlier[order[len(order) - n_outliers :]] = True
        return is_outlier


def pick(pool: PoolView, rows: Rows, covers: Column, weights: Column, n_picks: int) -> Rows:
    """Return the rows that farthest-first picks; what `KCenter` and `Coral` have in common.

    Parameters
    ----------
    rows : the candidates
    covers, weights : of each of them; score = weight * distance
    """
    inputs.check_embeddings(pool)
    keys = pool.tie_key[rows]
    return rows[farthest_first.pick(pool.embeddings, rows, keys, covers, weights, n_picks)]


def cover_distances(pool: PoolView, rows: Rows) -> Column:
    """Return the distance of rows to what is labeled, pending or skipped; inf where nothing is.

    Taken from `pool.cover_distance`, where the owner of the pool keeps it up to date.
    """
    if pool.cover_distance is not None:
        distances = inputs.cover_distance(pool, "k_center")
        return inputs.refuse_nan("cover_distance", distances, rows)
    return _distances_to(pool, rows, np.flatnonzero(pool.status != Status.UNLABELED))


def _distances_to(pool: PoolView, rows: Rows, others: Rows) -> Column:
    inputs.check_embeddings(pool)
    centers = inputs.embeddings(pool, others)
    return farthest_first.distances_to_nearest(pool.embeddings, rows, centers)
