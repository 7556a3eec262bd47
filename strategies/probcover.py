"""Cover as many samples as possible with balls around the labeled ones."""

from dataclasses import dataclass, replace

import numpy as np

from strategies import inputs
from strategies.balls import Balls, make_balls
from strategies.k_center import KCenter
from strategies.k_means import Labels, k_means
from strategies.kernels.cover import EVERYTHING, NOBODY, keep_largest_other, n_segments
from strategies.kernels.distances import cosine_distances
from strategies.kernels.products import Vectors, blocks, pack
from strategies.kernels.threads import threads_for
from strategies.pool import PoolView, Rows, Status

MAX_MEASURED = 10_000  # samples that purity is measured on
PICKS_AT_ONCE = 64  # whose distances to the whole pool are held


@dataclass(frozen=True)
class ProbCover:
    """Take the candidate whose ball holds the most uncovered samples, again and again.

    A sample is covered where it lies in the ball of a labeled, pending, skipped or picked one. All
    balls have one radius: the largest for which the balls of a share of the samples, `purity`, hold
    samples of one k-means cluster only, with a cluster a class. Equal balls go to the lowest
    tie_key.

    Departures: the radius is exact, not the best of a grid, and a ball is open. In pools of more
    than 10,000 samples purity is measured on as many that are drawn. When everything is covered,
    the paper has no answer and the published code repeats its first row; here the batch is filled
    up farthest first, by `KCenter`, which is what a smaller radius would come to. Pending and
    skipped samples cover like labeled ones.

    Time O(n^2 d) for degrees, and as much again to cover everything where there are too many
    neighbours to keep; memory O(n d) and up to 0.8 GB for neighbours. Finding the radius takes
    O(n d) times 10,000, and k-means; give it where a batch should come quickly. Source: Yehuda,
    Dekel, Hacohen and Weinshall 2022, arXiv:2205.11320, Algorithm 1.

    Attributes
    ----------
    radius : cosine distance, in (0, 2], half the square of the Euclidean one; None: by purity
    purity : share of the balls that must be pure, in (0, 1]
    n_clusters : of k-means; None: as many as classes, at least 2
    """

    radius: float | None = None
    purity: float = 0.95
    n_clusters: int | None = None

    def __post_init__(self) -> None:
        if self.radius is not None and not 0 < self.radius <= 2:
            raise ValueError(f"radius={self.radius} is no cosine distance; give one in (0, 2]")
        if not 0 < self.purity <= 1:
            raise ValueError(f"purity={self.purity} is no share; give one in (0, 1]")
        if self.n_clusters is not None and self.n_clusters < 2:
            raise ValueError(f"n_clusters={self.n_clusters} is too few; give 2 or more")

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        """Return up to `budget` candidate rows, those that cover most first."""
        n_picks = inputs.n_picks(pool, budget)
        if n_picks == 0:
            return np.empty(0, np.int64)
        rows = inputs.in_tie_order(pool, pool.candidate_rows())
        distances = inputs.refuse_nan(
            "cover_distance", inputs.cover_distance(pool, "probcover"), rows
        )
        radius = self.find_radius(pool, rng) if self.radius is None else np.float32(self.radius)
        is_covered = distances < radius
        # the uncovered ones first, both kinds by tie_key
        ranks = np.argsort(is_covered, kind="stable")
        picks: Rows = np.empty(0, np.int64)
        if not is_covered.all():
            n_uncovered = int((~is_covered).sum())
            balls = make_balls(inputs.embeddings(pool, rows[ranks]), n_uncovered, radius)
            picks = rows[ranks[_greedy(balls, n_uncovered, ranks, n_picks)]]
        return np.concatenate([picks, _farthest(pool, picks, n_picks - len(picks), rng)])

    def find_radius(self, pool: PoolView, rng: np.random.Generator) -> np.float32:
        """Return the radius that `purity` asks for; inf where all clusters but one are empty."""
        rows = inputs.in_tie_order(pool, np.arange(len(pool.status)))
        vectors = inputs.embeddings(pool, rows)
        n_clusters = max(2, pool.n_classes) if self.n_clusters is None else self.n_clusters
        labels = k_means(vectors, n_clusters, rng)
        measured = np.arange(len(vectors))
        if len(vectors) > MAX_MEASURED:
            measured = np.sort(rng.choice(measured, MAX_MEASURED, replace=False))
        return purity_radius(vectors, labels, measured, self.purity)


def purity_radius(vectors: Vectors, labels: Labels, measured: Rows, purity: float) -> np.float32:
    """Return the largest radius for which a share of some balls hold one label only.

    The open ball of a vector is pure up to its distance to the nearest vector of another label, so
    that the radius is a quantile of those.

    Parameters
    ----------
    vectors : float32 array of shape (n, n_features), unit-length rows
    labels : int32 array of shape (n,)
    measured : int64 array, ascending positions of the vectors whose balls count, at least one
    purity : the share, in (0, 1]
    """
    everybody = len(measured) == len(vectors)  # then each pair is met once, and counts for both
    by_row, by_column = (np.full(len(some), NOBODY) for some in (measured, vectors))
    for block in blocks(vectors[measured], pack(vectors), above_diagonal=everybody):
        rows = slice(block.first_row, block.first_row + len(block.values))
        columns = slice(block.first_column, block.first_column + block.n_columns)
        diagonal = block.first_row - block.first_column if everybody else EVERYTHING
        largest = np.empty((n_segments(block.n_columns), len(block.values)), np.float32)
        own = labels[measured[rows]], labels[columns]
        with threads_for(block.values.size):
            keep_largest_other(block.values, diagonal, own, largest, by_column[columns])
        np.maximum(by_row[rows], largest.max(axis=0), out=by_row[rows])
    if everybody:
        np.maximum(by_row, by_column, out=by_row)
    distances = np.where(by_row > NOBODY, np.maximum(0, 1 - by_row), np.float32(np.inf))
    # a share such as 0.95 is no float: 19 of 20 balls must do
    n_pure = max(1, int(np.ceil(purity * len(distances) - 1e-6)))
    radius: np.float32 = np.sort(distances)[len(distances) - n_pure]
    return radius


def _greedy(balls: Balls, n_first: int, ranks: Rows, n_picks: int) -> Rows:
    """Return positions of picks until all is covered; the first `n_first` are uncovered ones."""
    picks: list[int] = []
    n_left = n_first
    degrees = balls.degrees
    while n_left and len(picks) < n_picks:
        pick = int(degrees[:n_first].argmax())
        if n_first < len(degrees):
            # the lowest tie_key of each part stands first in it
            other = n_first + int(degrees[n_first:].argmax())
            pick = min(pick, other, key=lambda one: (-degrees[one], ranks[one]))
        picks.append(pick)
        if len(picks) < n_picks:
            n_left -= balls.cover(pick)
    return np.array(picks, np.int64)


def _farthest(pool: PoolView, picks: Rows, n_wanted: int, rng: np.random.Generator) -> Rows:
    """Return more picks, far from all that is covered, after those that are there."""
    if n_wanted == 0:
        return np.empty(0, np.int64)
    status, distances = pool.status.copy(), inputs.cover_distance(pool, "probcover").copy()
    status[picks] = Status.PENDING
    for start in range(0, len(picks), PICKS_AT_ONCE):
        some = pool.embeddings[picks[start : start + PICKS_AT_ONCE]]
        nearest = cosine_distances(pool.embeddings, some).min(axis=0)
        np.minimum(distances, nearest, out=distances)
    return KCenter().select(replace(pool, status=status, cover_distance=distances), n_wanted, rng)
