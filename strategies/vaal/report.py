"""What a training says: how far it is, when it has nothing more to learn, and what came of it."""

from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strategies.pool import Rows

Ending = Literal["cold", "plateau", "length", "stopped"]
"""Why a training ended: it never began, for want of one of the two sides; its losses fell no more;
it took all its steps; it was asked to."""

LEAST_GAIN: Final = 0.01
"""What counts as falling: by this share of the VAE's loss, by so many nats of the other."""


class Losses(NamedTuple):
    """Losses on a fixed slice of both sides, each side with the same weight.

    Attributes
    ----------
    vae : float, reconstruction + beta KL, in nats a sample; without the adversarial loss, which is
        a game and need not fall
    discriminator : float, in nats a sample, log 2 = 0.69 where it knows no better than a coin
    accuracy : float, in [0, 1], share of the samples that the discriminator puts on their side
    """

    vae: float
    discriminator: float
    accuracy: float


class Progress(NamedTuple):
    """How far a training is.

    Attributes
    ----------
    step, total : int; a training may end before `total`
    losses : Losses after `step`
    seconds_left : float, until `total` at the pace so far
    """

    step: int
    total: int
    losses: Losses
    seconds_left: float

    def show_on(self, bar: Any) -> None:
        """Show it on a bar of tqdm, or on whatever has its `total`, `n` and `set_postfix`."""
        bar.total, bar.n = self.total, self.step
        bar.set_postfix(self.losses._asdict(), refresh=True)


class Plateau(NamedTuple):
    """The lowest losses so far, and how many checks ago the last of them fell.

    Attributes
    ----------
    vae, discriminator : float
    n_checks : int
    """

    vae: float = float("inf")
    discriminator: float = float("inf")
    n_checks: int = 0

    def after(self, losses: Losses) -> "Plateau":
        """Return the plateau one check later."""
        vae_fell = losses.vae < self.vae * (1 - LEAST_GAIN)
        discriminator_fell = losses.discriminator < self.discriminator - LEAST_GAIN
        return Plateau(
            vae=losses.vae if vae_fell else self.vae,
            discriminator=losses.discriminator if discriminator_fell else self.discriminator,
            n_checks=0 if vae_fell or discriminator_fell else self.n_checks + 1,
        )


@dataclass(frozen=True)
class Fitted:
    """What a training found.

    Attributes
    ----------
    rows : int64 array of shape (n_candidates,), all candidates, most valuable first
    scores : float32 array of shape (n_candidates,), in [0, 1], of each of `rows`: 1 - D, the
        probability of being unlabeled; `rows` tells apart what it rounds to 1
    ending : why the training ended
    n_steps : int, how many steps it took, with those before it was resumed
    losses : Losses at the last check, or None before the first
    """

    rows: Rows
    scores: NDArray[np.float32]
    ending: Ending
    n_steps: int
    losses: Losses | None

    def score(self, rows: Rows) -> NDArray[np.float32]:
        """Return the scores of some candidate rows, in the order of `rows`."""
        ascending = np.argsort(self.rows)
        places = np.searchsorted(self.rows, rows, sorter=ascending)
        places = ascending[np.minimum(places, len(ascending) - 1)]
        strangers = np.flatnonzero(self.rows[places] != rows)
        if strangers.size:
            raise ValueError(f"row {rows[strangers[0]]} was no candidate of this training")
        scores: NDArray[np.float32] = self.scores[places]
        return scores
