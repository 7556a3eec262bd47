"""VAAL as a filter: what a discriminator takes for part of the kept set can go."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strategies.filters.points import Points, Progress, Removed, Tree
from strategies.filters.receipts import checked_count, receipts
from strategies.filters.semantic_dedup import unit_rows
from strategies.pool import PoolView, Rows, Status


@dataclass(frozen=True)
class Vaal:
    """A learned filter: keeps what a discriminator still tells apart from what is kept.

    The lowest rows are kept at the start: a random draw, for rows are in the order of hashes. Then
    a VAE and a discriminator are trained to tell kept from other samples in the code of the VAE
    (`strategies.vaal`), and those that are surest to be other are kept next; after a few rounds,
    each with new networks, the rest follows in the order of the last. All this is over all points,
    whatever lives, so that any number is a prefix of the same order: samples go last kept first.
    The score is the place in the order, in [0, 1]. Each goes because of the nearest that stays.

    Source: Sinha, Ebrahimi and Darrell 2019, arXiv:1904.00370. Time: trains `rounds` times two
    networks, seconds to minutes each, whatever number is removed; memory O(n d). Needs torch. Equal
    bits are promised on one kind of machine and version of torch.

    Attributes
    ----------
    start : share of the samples, in (0, 1], kept before anything is learned
    rounds : trainings, at least 1
    epochs, max_steps : length of a training, as in the strategy
    seed : of networks and batches
    """

    reason: ClassVar[str] = "learned"
    has_threshold: ClassVar[bool] = False
    start: float = 0.1
    rounds: int = 4
    epochs: int = 50
    max_steps: int = 10_000
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.start <= 1:
            raise ValueError(f"start={self.start} is no share of the samples; give one in (0, 1]")
        for name, lowest in (("rounds", 1), ("epochs", 1), ("max_steps", 1), ("seed", 0)):
            if getattr(self, name) < lowest:
                raise ValueError(f"{name}={getattr(self, name)} is too few; give {lowest} or more")

    def build(self, points: Points, *, progress: Progress | None = None) -> Tree:
        """Train, and put all samples in order."""
        from strategies.vaal import Vaal as Strategy

        n = len(points.vectors)
        strategy = Strategy(epochs=self.epochs, max_steps=self.max_steps)
        vectors, status = unit_rows(points.vectors), np.full(n, Status.UNLABELED, np.int8)
        order = np.arange(min(n, max(1, round(self.start * n))))
        for number in range(self.rounds):
            if len(order) == n:
                break
            status[order] = Status.LABELED
            ranked = strategy.fit(_pool(vectors, status), _rng(self.seed, number)).rows
            n_rounds = self.rounds - number
            order = np.concatenate([order, ranked[: -(-len(ranked) // n_rounds)]])
            if progress is not None:
                progress((number + 1) / self.rounds)
        return VaalTree(points, order)


class VaalTree(NamedTuple):
    """All rows, in the order in which they are kept."""

    points: Points
    order: Rows

    def remove(self, alive: NDArray[np.bool_], n_remove: int | None) -> Removed:
        """Remove the last of the living."""
        n_remove = checked_count("vaal", alive, n_remove)
        places = np.flatnonzero(alive[self.order])[::-1][:n_remove]
        kept = alive.copy()
        kept[self.order[places]] = False
        scores = (places / max(1, len(self.order) - 1)).astype(np.float32)
        return receipts(self.points, self.order[places], kept, scores)


def _pool(vectors: NDArray[np.float32], status: NDArray[np.int8]) -> PoolView:
    n = len(vectors)
    return PoolView(
        embeddings=vectors,
        status=status,
        labels=np.where(status == Status.LABELED, 0, -1).astype(np.int64),
        tie_key=np.arange(n, dtype=np.uint64),
        n_classes=1,
    )


def _rng(seed: int, number: int) -> np.random.Generator:
    return np.random.default_rng([seed, number])
