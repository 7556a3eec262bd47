"""One strategy for the first labels, another from then on."""

import re
from dataclasses import dataclass

import numpy as np

from strategies import inputs
from strategies.compose.parts import made
from strategies.pool import PoolView, Rows, Status, Strategy


@dataclass(frozen=True)
class Then:
    """`first` until there are `until` labels, `then` from there on.

    The labels that are there when a batch is asked for decide about the whole batch, since its
    middle knows no more labels than its beginning. Time and memory are those of the strategy whose
    turn it is.

    Source: this project; a start by typical samples, then uncertainty, was best among few labels.

    Attributes
    ----------
    first, then : strategies, or their names
    until : number of labeled samples; ``"3C"`` is three times the number of classes
    """

    first: Strategy | str = "typiclust"
    until: int | str = "3C"
    then: Strategy | str = "margin"

    def __post_init__(self) -> None:
        """Make the strategies, and refuse a limit that is none."""
        object.__setattr__(self, "first", made(self.first))
        object.__setattr__(self, "then", made(self.then))
        if not re.fullmatch(r"\d+C?", str(self.until)):
            raise ValueError(
                f"until={self.until!r} is no number of labels; give one, such as 30, or a multiple "
                "of the classes, such as 3C"
            )

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        """Return up to `budget` candidate rows of the strategy whose turn it is."""
        inputs.n_picks(pool, budget)
        n_labeled = int(np.count_nonzero(pool.status == Status.LABELED))
        turn = self.first if n_labeled < self.limit(pool) else self.then
        return made(turn).select(pool, budget, rng)

    def limit(self, pool: PoolView) -> int:
        """Return the number of labels from which on it is the turn of `then`."""
        number, classes, _ = str(self.until).partition("C")
        return int(number) * (pool.n_classes if classes else 1)
