"""The strategy and its settings; what trains the networks is imported when they are trained."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from strategies import inputs
from strategies.pool import PoolView, Rows
from strategies.vaal.report import Fitted, Progress

On = Literal["embeddings", "images"]

LOWEST: Final = {
    "latent": 1,
    "width": 1,
    "n_vae_steps": 1,
    "n_adv_steps": 1,
    "batch_size": 1,
    "epochs": 1,
    "max_steps": 1,
    "patience": 0,
    "image_size": 16,
}
"""The whole numbers among the settings, and the lowest value of each."""

IMAGE_SIZES: Final = 16  # the encoder halves the side four times


@dataclass(frozen=True)
class Vaal:
    """Ask for the samples that a discriminator is surest are not labeled: VAAL.

    A variational autoencoder codes all samples, a discriminator D guesses from a code whether the
    sample is labeled, and the encoder learns to make it say "labeled" of every sample. What still
    looks unlabeled is unlike everything labeled: score = 1 - D(code). The losses are the paper's,

        VAE:            reconstruction + beta KL, of both sides, - adversary E[log D]  of both sides
        discriminator:  - E[log D] of the labeled - E[log(1 - D)] of the unlabeled

    by Adam: `n_vae_steps` of the first, then `n_adv_steps` of the other, and so on. The networks
    are trained anew for every batch, so ask for large ones. Labels and probabilities are not read:
    the task's own network, which the paper trains alongside, has no say in what is picked.

    The labeled side is all that is labeled, pending or skipped; while there is none, nothing can be
    told apart and the batch is drawn uniformly, which is how the paper's first one is made. In a
    pool of some hundred samples, training is so short (`epochs`) that it tells only the obvious.

    Departures from the paper: both terms of the bound are summed over a sample, where the authors'
    code averages the error over batch and pixels and sums the KL over the batch (which weighs the
    KL 200,000 times more on images of 32 x 32); D judges the mean of a code, not a draw, as their
    code does; perceptrons take the place of convolutions on embeddings; layers are normalized, not
    batches; batches are drawn with replacement; a training ends early where losses fall no more.

    How well it works is disputed: others could not repeat the paper's gains over random sampling
    (github.com/sinhasam/vaal, issues 7 and 27), nor can `tests/benchmarks/vaal.py` on embeddings.
    What it does well is to find what nothing labeled is like. Measure before you rely on it.

    The same rng gives the same picks, in whatever order the samples come, on the same kind of
    machine with the same torch; the last bits may differ elsewhere. Embeddings are trained on one
    thread, images on as many as torch is set to, or on the GPU where torch finds one. Time
    O((turns batch_size + n) weights), memory O(weights + batch_size width + n).

    Source: Sinha, Ebrahimi and Darrell 2019, arXiv:1904.00370, Algorithms 1 and 2.

    Attributes
    ----------
    on : what the networks see, `pool.embeddings` or `pool.images`
    latent : dimensions of a code
    width : hidden units of each layer on embeddings; on images, the channels of the first
        convolution, 128 in the paper, where a CPU wants 16 or so
    beta : weight of the KL, 1 is the bound itself
    adversary : weight of the adversarial loss in the VAE's
    n_vae_steps, n_adv_steps : steps of the VAE, and of the discriminator, in a turn
    batch_size : samples of each side in a step
    epochs : a training has epochs * candidates / batch_size turns
    max_steps : turns that it has at most, however large the pool
    learning_rate : of Adam, for both
    patience : how many checks (one each percent of the turns, or ten turns) both losses may go
        without falling, by 1% or by 0.01 nats, before a training ends early; 0: it never does
    image_size : side that images are averaged down to, or repeated up to; a multiple of 16
    """

    on: On = "embeddings"
    latent: int = 32
    width: int = 128
    beta: float = 1.0
    adversary: float = 1.0
    n_vae_steps: int = 2
    n_adv_steps: int = 1
    batch_size: int = 128
    epochs: int = 50
    max_steps: int = 10_000
    learning_rate: float = 5e-4
    patience: int = 10
    image_size: int = 32

    def __post_init__(self) -> None:
        if self.on not in get_args(On):
            raise ValueError(f"on={self.on!r} is none of {', '.join(get_args(On))}")
        for name, lowest in LOWEST.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < lowest:
                raise ValueError(f"{name}={value!r}; give a whole number of at least {lowest}")
        for name in ("beta", "adversary", "learning_rate"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not isfinite(value) or value < 0:
                raise ValueError(f"{name}={value!r}; give a number of at least 0")
        if self.learning_rate == 0:
            raise ValueError("learning_rate=0 learns nothing; 5e-4 is usual")
        if self.image_size % IMAGE_SIZES:
            raise ValueError(f"image_size={self.image_size} is no multiple of {IMAGE_SIZES}")

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        """Return up to `budget` candidate rows, the surest to be unlabeled first."""
        n_picks = inputs.n_picks(pool, budget)
        if n_picks == 0:
            return np.empty(0, np.int64)
        return self.fit(pool, rng).rows[:n_picks]

    def score(self, pool: PoolView, rows: Rows, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return 1 - D of candidate rows, in [0, 1]; 1/2 for all while nothing is labeled."""
        inputs.check_candidates(pool, rows)
        if len(rows) == 0:
            return np.empty(0, np.float32)
        return self.fit(pool, rng).score(rows)

    def fit(
        self,
        pool: PoolView,
        rng: np.random.Generator,
        *,
        progress: Callable[[Progress], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
        checkpoint: str | Path | None = None,
    ) -> Fitted:
        """Train, and rank all candidates; `select` is this without the options.

        With a bar, and a file to go on from after an interruption::

            with tqdm() as bar:
                fitted = Vaal().fit(
                    pool,
                    np.random.default_rng(0),
                    progress=lambda done: done.show_on(bar),
                    checkpoint="vaal.pt",
                )
            rows = fitted.rows[:100]

        Parameters
        ----------
        pool : the pool
        rng : seeds the training, by one draw
        progress : called at every check, a hundred times at most
        should_stop : asked before every turn; True ends the training there, and the candidates are
            ranked by what was learned so far
        checkpoint : file that the training is kept in, every 10 seconds and at its end, and is
            taken up from where it exists: the result is then the same as without the interruption,
            bit for bit

        Raises
        ------
        ValueError
            If the checkpoint is none of this training: other settings, samples or seed.
        """
        from strategies.vaal.fitting import Hooks, fit

        path = None if checkpoint is None else Path(checkpoint)
        return fit(self, pool, rng, Hooks(progress, should_stop, path))
