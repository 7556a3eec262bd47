"""What two views of the same images should have in common: the losses of self-supervision."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_EPSILON = 1e-5


def barlow_twins(first: "Tensor", second: "Tensor", *, redundancy: float) -> "Tensor":
    """Return how far the correlations of two views' features are from the identity matrix.

    Each feature should be the same in both views (diagonal 1) and tell something of its own (0
    elsewhere), so that a constant, the trivial solution, is not one.

    Parameters
    ----------
    first, second : float32 tensors of shape (n_images, n_features), row r of both is of one image
    redundancy : float, >= 0
        Weight of the entries outside the diagonal, the paper's lambda.

    Returns
    -------
    scalar tensor, >= 0; the sum over all entries

    Notes
    -----
    Source: Zbontar et al. 2021, arXiv:2103.03230, equations 1 and 2. Time
    O(n_images n_features^2).
    """
    correlations = _standardized(first).T @ _standardized(second) / len(first)
    diagonal = correlations.diagonal()
    elsewhere = correlations.square().sum() - diagonal.square().sum()
    return (diagonal - 1).square().sum() + redundancy * elsewhere


def contrast(first: "Tensor", second: "Tensor", *, temperature: float) -> "Tensor":
    """Return how hard it is to find each image's other view among all images of the batch.

    Parameters
    ----------
    first, second : float32 tensors of shape (n_images, n_features), row r of both is of one image
    temperature : float, > 0
        Cosines are divided by it; smaller is stricter with the nearest wrong ones.

    Returns
    -------
    scalar tensor, >= 0: cross entropy, the mean of both directions; log(n_images) where the
    features say nothing

    Notes
    -----
    Source: Tian, Krishnan and Isola 2019, arXiv:1906.05849, equations 2 and 5, where the negatives
    are the other images of the batch instead of a memory bank. Time O(n_images^2 n_features).
    """
    import torch
    from torch.nn.functional import cross_entropy, normalize

    cosines = normalize(first, dim=1) @ normalize(second, dim=1).T / temperature
    own = torch.arange(len(first), device=first.device)
    return (cross_entropy(cosines, own) + cross_entropy(cosines.T, own)) / 2


def _standardized(features: "Tensor") -> "Tensor":
    centered = features - features.mean(dim=0)
    return centered / (centered.square().mean(dim=0) + _EPSILON).sqrt()
