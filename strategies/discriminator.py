"""A classifier of what has been seen against what has not."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from strategies.kernels import discriminator as kernel
from strategies.kernels.products import Packed, blocks, pack
from strategies.kernels.threads import threads_for
from strategies.smooth import minimum

MOST_STEPS = 100  # of the optimizer; some tens are usual
ROWS = 4096  # of a block of products


class HiddenLayer(NamedTuple):
    """Units max(0, w x - t) with random w and t.

    Attributes
    ----------
    units : w of each
    thresholds : float32 array of shape (n_units,), t
    """

    units: Packed
    thresholds: NDArray[np.float32]

    @classmethod
    def drawn(cls, n_features: int, n_units: int, rng: np.random.Generator) -> "HiddenLayer":
        """Draw w and t from normal distributions; a unit vector then has about length 1 again."""
        scale = n_units**-0.5
        weights = scale * rng.normal(size=(n_units, n_features))
        thresholds = scale * rng.normal(size=n_units)
        return cls(pack(weights.astype(np.float32)), thresholds.astype(np.float32))

    def apply(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the units of each vector, float32 array of shape (n, n_units)."""
        hidden = np.empty((len(vectors), len(self.thresholds)), np.float32)
        for block in blocks(vectors, self.units, n_rows=ROWS):
            columns = slice(block.first_column, block.first_column + block.n_columns)
            part = hidden[block.first_row : block.first_row + len(block.values), columns]
            np.subtract(block.values[:, : block.n_columns], self.thresholds[columns], out=part)
            np.maximum(part, 0, out=part)
        return hidden


class Discriminator(NamedTuple):
    """Log odds u h + b of a vector with the units h to be on one of two sides.

    Attributes
    ----------
    layer : makes h of a vector
    weights : float32 array of shape (n_units,), u
    bias : float
    """

    layer: HiddenLayer
    weights: NDArray[np.float32]
    bias: float

    def log_odds(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the log odds of each vector, float32 array of shape (n,)."""
        odds = np.full(len(vectors), self.bias, np.float32)
        for block in blocks(vectors, self.layer.units, n_rows=ROWS):
            columns = slice(block.first_column, block.first_column + block.n_columns)
            part = np.empty(len(block.values), np.float32)
            with threads_for(block.values.size):
                kernel.log_odds(
                    block.values, self.layer.thresholds[columns], self.weights[columns], 0.0, part
                )
            odds[block.first_row : block.first_row + len(part)] += part
        return odds


def fit(
    layer: HiddenLayer,
    vectors: NDArray[np.float32],
    on_this_side: NDArray[np.bool_],
    *,
    penalty: float,
) -> Discriminator:
    """Return the u and b that minimize mean loss + penalty / 2 |u|^2, each side with weight 1/2.

    Parameters
    ----------
    layer : stays as it is
    vectors : float32 array of shape (n, n_features), some of each side
    on_this_side : bool array of shape (n,)

    Notes
    -----
    Time O(n n_units (d + 100)), memory O(n n_units). Sums are in the order of the vectors: the
    result does not depend on the number of threads.
    """
    hidden = layer.apply(vectors)
    n_here = np.count_nonzero(on_this_side)
    shares = 0.5 / np.array([n_here, len(vectors) - n_here])
    losses = np.empty((kernel.n_chunks(len(vectors)), 2))
    slopes = np.empty((len(losses), 2, hidden.shape[1] + 1), np.float32)

    def loss_and_slope(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = point[:-1].astype(np.float32)
        with threads_for(hidden.size):
            kernel.loss_parts(hidden, on_this_side, weights, float(point[-1]), losses, slopes)
        slope: NDArray[np.float64] = np.zeros_like(point)
        slope[:-1] = penalty * point[:-1]
        for side, share in enumerate(shares):
            slope += share * slopes[:, side].sum(axis=0, dtype=np.float64)
        loss = float((losses.sum(axis=0) * shares).sum() + 0.5 * penalty * (point[:-1] ** 2).sum())
        return loss, slope

    found = minimum(loss_and_slope, np.zeros(hidden.shape[1] + 1), n_steps=MOST_STEPS)
    return Discriminator(layer, found[:-1].astype(np.float32), float(found[-1]))
