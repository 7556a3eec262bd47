"""SemDeDup: of samples that mean nearly the same, those nearest to the middle of a cluster go."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategies.filters.points import Points, Progress, Removed, Tree
from strategies.filters.receipts import receipts
from strategies.k_means import k_means, members
from strategies.kernels.products import blocks, pack
from strategies.pool import Rows

CLUSTER_SIZE = 1000  # samples of a cluster, about: pairs then cost what the clusters cost

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class SemanticDedup:
    """Samples with a cosine above 1 - eps to one of their cluster that is farther out go.

    k-means makes clusters. Inside of each, samples stand in line by their distance to the mean, the
    farthest first, of equal ones the lower row. The score of a sample is its highest cosine to one
    before it: above 1 - eps it is a duplicate. Without a number all duplicates go; with one, so
    many go, highest score first, whatever `eps` says (of equal scores the higher row). The first of
    a cluster has score -1. Each goes because of the nearest that stays, which may lie in another
    cluster, or farther away than `eps` at the end of a chain of duplicates.

    Cosines are looked at whatever the metric of the points is. Duplicates on the two sides of a
    border between clusters are not found.

    Source: Abbas et al. 2023, arXiv:2303.09540. Time O(n d (clusters passes + n / clusters)),
    memory O(n d).

    Attributes
    ----------
    eps : in (0, 2], cosine distance below which samples are duplicates
    n_clusters : None: one for each thousand samples
    seed : of the first means
    """

    reason: ClassVar[str] = "duplicate"
    eps: float = 0.05
    n_clusters: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.eps <= 2:
            raise ValueError(f"eps={self.eps} is no cosine distance; give one in (0, 2]")
        if self.n_clusters is not None and self.n_clusters < 1:
            raise ValueError(f"n_clusters={self.n_clusters} holds nothing; give 1 or more, or none")
        if self.seed < 0:
            raise ValueError(f"seed={self.seed} is negative; give 0 or more")

    def build(self, points: Points, *, progress: Progress | None = None) -> Tree:
        """Make clusters, and compare inside of them."""
        tree = SemanticDedupTree(points, self)
        for done, line in enumerate(tree.lines, start=1):
            tree.compare(line)
            if progress is not None:
                progress(done / len(tree.lines))
        return tree


class SemanticDedupTree:
    """Clusters as lines of rows, and the most similar before each row.

    Attributes
    ----------
    lines : rows of each cluster, the farthest from its mean first
    cosines : float32 array of shape (n,), highest cosine to one before it in its line
    before : int64 array of shape (n,), the row it is to; -1 at the head of a line
    """

    def __init__(self, points: Points, settings: SemanticDedup) -> None:
        n = len(points.vectors)
        self.points, self.eps = points, settings.eps
        self.vectors = unit_rows(points.vectors)
        n_clusters = settings.n_clusters or -(-n // CLUSTER_SIZE)
        rng = np.random.default_rng(settings.seed)
        clusters = members(k_means(self.vectors, n_clusters, rng), n_clusters)
        self.lines = [self._line(rows) for rows in clusters if len(rows)]
        self.cosines, self.before = np.full(n, -1, np.float32), np.full(n, -1)

    def compare(self, line: Rows) -> None:
        """Find the most similar before each row of a line."""
        self.cosines[line], self.before[line] = _most_similar_before(self.vectors, line)

    def remove(self, alive: Mask, n_remove: int | None) -> Removed:
        """Remove the living duplicates of the living, or so many of the most similar.

        Raises
        ------
        ValueError
            If more are to go than live.
        """
        cosines = self._cosines_among(alive)
        living = np.flatnonzero(alive)[::-1]
        if n_remove is None:
            n_remove = int(np.count_nonzero(cosines[living] > np.float32(1 - self.eps)))
        if not 0 <= n_remove <= len(living):
            raise ValueError(
                f"semantic_dedup cannot remove {n_remove} of {len(living)} samples; ask for 0 to "
                "all of them"
            )
        rows = living[np.argsort(-cosines[living], kind="stable")][:n_remove]
        kept = alive.copy()
        kept[rows] = False
        return receipts(self.points, rows, kept, cosines[rows])

    def _cosines_among(self, alive: Mask) -> Floats:
        """Return the highest cosine of each living row to a living one before it."""
        stale = alive & (self.before >= 0) & ~alive[self.before]
        if not stale.any():
            return self.cosines
        cosines = self.cosines.copy()
        for line in self.lines:
            if stale[line].any():
                living = line[alive[line]]
                cosines[living] = _most_similar_before(self.vectors, living)[0]
        return cosines

    def _line(self, rows: Rows) -> Rows:
        center = self.vectors[rows].sum(axis=0, dtype=np.float64)
        # summed up feature by feature, for equal samples are to be equally far
        nearness = np.zeros(len(rows))
        for feature, value in enumerate(center):
            nearness += self.vectors[rows, feature] * value
        return rows[np.argsort(nearness, kind="stable")]


def unit_rows(vectors: Floats) -> Floats:
    """Return rows of length 1, as they are where they are; rows of zeros stay what they are."""
    lengths = np.sqrt(np.square(vectors, dtype=np.float64).sum(axis=1, keepdims=True))
    if np.allclose(lengths, 1, rtol=0, atol=1e-5):
        return vectors
    scaled: Floats = (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return scaled


def _most_similar_before(vectors: Floats, line: Rows) -> tuple[Floats, Rows]:
    """Return the highest cosine to one before each place of a line, and which; -1 for the first."""
    best, which = np.full(len(line), -1, np.float32), np.full(len(line), -1)
    chosen = np.ascontiguousarray(vectors[line])
    places = np.arange(len(line))
    for block in blocks(chosen, pack(chosen), above_diagonal=True):
        columns = places[block.first_column : block.first_column + block.n_columns]
        rows = places[block.first_row : block.first_row + len(block.values)]
        values = block.values[:, : block.n_columns]
        values = np.where(rows[:, None] < columns, np.minimum(values, 1), np.float32(-2))
        nearest = values.argmax(axis=0)
        highest = values[nearest, np.arange(len(columns))]
        better = highest > best[columns]
        # a cosine of exactly -1 beats nothing, but some sample stands before all but the first
        better |= (which[columns] < 0) & (highest > -2)
        best[columns[better]] = np.maximum(highest[better], -1)
        which[columns[better]] = line[rows[nearest[better]]]
    return best, which
