"""Vectors too long to keep, made short on the way by a fixed random map."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

DEFAULT_N_SKETCH = 2048
SEED = 0

_BLOCK = 65_536  # features at a time: what is held beside the batch itself is that much of it


class CountSketch:
    """Adds each feature, with a sign, to one of `n_sketch` sums; sign and sum are hashed.

    Linear, the same everywhere for the same seed, and nothing has to be fitted. The inner product
    of two sketches is that of the vectors in expectation; for unit vectors its standard deviation
    is at most sqrt(2 / n_sketch): 0.03 at 2048, 0.016 at 8192.

    Parameters
    ----------
    n_features : int
        Length of a vector.
    n_sketch : int
        Length of its sketch. Vectors that are no longer than that are left as they are.
    seed : int

    Notes
    -----
    Source: Charikar, Chen and Farach-Colton 2002, Finding Frequent Items in Data Streams;
    Weinberger et al. 2009, arXiv:0902.2206, lemma 2. Time and memory O(n_features).
    """

    def __init__(self, n_features: int, n_sketch: int, *, seed: int = SEED) -> None:
        self.n_features = n_features
        self.is_needed = n_features > n_sketch
        self.n_sketch = n_sketch if self.is_needed else n_features
        hashes = _hashes(n_features if self.is_needed else 0, seed)
        # the lowest bit is the sign, the others choose the sum
        self._sums = ((hashes >> np.uint64(1)) % np.uint64(n_sketch)).astype(np.int64)
        self._signs = (1 - 2 * (hashes & np.uint64(1)).astype(np.int8)).astype(np.int8)

    def __call__(self, features: "Tensor") -> "Tensor":
        """Sketch vectors on the device they are on.

        Parameters
        ----------
        features : float32 tensor of shape (n, n_features)

        Returns
        -------
        float32 tensor of shape (n, n_sketch)
        """
        import torch

        if not self.is_needed:
            return features
        sketch = torch.zeros((self.n_sketch, len(features)), device=features.device)
        for start in range(0, self.n_features, _BLOCK):
            block = slice(start, start + _BLOCK)
            sums = torch.from_numpy(self._sums[block]).to(features.device)
            signs = torch.from_numpy(self._signs[block]).to(features.device)
            # a feature a row: index_add_ runs along rows
            sketch.index_add_(0, sums, features[:, block].t() * signs[:, None])
        return sketch.t().contiguous()


def _hashes(n: int, seed: int) -> NDArray[np.uint64]:
    """Hash the numbers below n (splitmix64): the same on every machine, with no generator."""
    with np.errstate(over="ignore"):
        mixed = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        mixed += np.uint64((seed * 0xD1342543DE82EF95) % 2**64)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)), dtype=np.uint64)
