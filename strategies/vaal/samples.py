"""What the networks see: the samples of a pool in tie order, a batch at a time."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from strategies import inputs
from strategies.pool import PoolView, Rows, Status

if TYPE_CHECKING:
    import torch

    from strategies.vaal.strategy import On

BLOCK = 256  # samples read, or judged, at a time: what a step of training takes by itself
CONSTANT = 1e-10  # share of the mean square below which a variance is rounding noise


@dataclass(frozen=True)
class Samples:
    """The samples of a pool by their position in tie order, so that draws do not depend on rows.

    Attributes
    ----------
    values : array of shape (n_samples, ...), embeddings or images, by row
    rows : int64 array of shape (n_samples,), the row at each position
    unlabeled, labeled : int64 arrays of positions: the candidates, and all others
    center : float32 array of shape (n_features,), mean embedding; of shape (0,) for images
    scale : float, divides a centered embedding, so that a feature's variance is 1 on average
    """

    values: NDArray[Any]
    rows: Rows
    unlabeled: NDArray[np.int64]
    labeled: NDArray[np.int64]
    center: NDArray[np.float32]
    scale: float

    def embeddings(self, positions: NDArray[np.int64]) -> "torch.Tensor":
        """Return embeddings of mean 0 and mean variance 1, (n, n_features)."""
        import torch

        vectors = np.asarray(self.values[self.rows[positions]], np.float32)
        return torch.tensor((vectors - self.center) / np.float32(self.scale), device="cpu")

    def images(
        self, positions: NDArray[np.int64], size: int, device: "torch.device"
    ) -> "torch.Tensor":
        """Return images of one size in [-1, 1], (n, 3, size, size)."""
        import torch

        pixels = torch.tensor(self.values[self.rows[positions]], device=device)
        planes = pixels.permute(0, 3, 1, 2).to(torch.float32) / 127.5 - 1
        if planes.shape[2:] == (size, size):
            return planes.contiguous()
        return torch.nn.functional.interpolate(planes, (size, size), mode="area")

    def digest(self) -> str:
        """Return a hash of all that a training depends on, the same in whatever order of rows."""
        digest = hashlib.sha256(repr((self.values.dtype.str, self.values.shape)).encode())
        for positions in (self.unlabeled, self.labeled):
            digest.update(np.ascontiguousarray(positions, "<i8").tobytes())
        for rows in _blocks(self.rows):
            digest.update(np.ascontiguousarray(self.values[rows]).tobytes())
        return digest.hexdigest()


def samples_of(pool: PoolView, on: "On") -> Samples:
    """Take from a pool what the networks shall see, checked."""
    rows = inputs.in_tie_order(pool, np.arange(len(pool.status)))
    candidates = pool.status[rows] == Status.UNLABELED
    center: NDArray[np.float32] = np.empty(0, np.float32)
    scale = 1.0
    if on == "embeddings":
        center, scale = _center_and_scale(pool, rows)
    return Samples(
        values=pool.embeddings if on == "embeddings" else _images(pool),
        rows=rows,
        unlabeled=np.flatnonzero(candidates),
        labeled=np.flatnonzero(~candidates),
        center=center,
        scale=scale,
    )


def _center_and_scale(pool: PoolView, rows: Rows) -> tuple[NDArray[np.float32], float]:
    total = np.zeros(pool.embeddings.shape[1])
    squares = 0.0
    for block in _blocks(rows):
        vectors = inputs.embeddings(pool, block).astype(np.float64)
        total += vectors.sum(axis=0)
        squares += float(np.square(vectors).sum())
    center = total / len(rows)
    mean_square = squares / len(rows)
    variance = mean_square - float(np.square(center).sum())
    if variance <= CONSTANT * mean_square:
        return center.astype(np.float32), 1.0
    return center.astype(np.float32), float(np.sqrt(variance / len(center)))


def _images(pool: PoolView) -> NDArray[np.uint8]:
    images = pool.images
    if images is None:
        raise inputs.DoesNotFitPool(
            'vaal(on="images") needs pool.images, uint8 of shape (n_samples, height, width, 3); '
            'give them, or take on="embeddings"'
        )
    expected = (len(pool.status), *images.shape[1:3], 3)
    if images.shape != expected or images.dtype != np.uint8:
        raise ValueError(
            f"pool.images is {images.dtype} of shape {images.shape}; "
            f"give uint8 of shape ({len(pool.status)}, height, width, 3)"
        )
    return images


def _blocks(rows: Rows) -> Iterator[Rows]:
    for start in range(0, len(rows), BLOCK):
        yield rows[start : start + BLOCK]
