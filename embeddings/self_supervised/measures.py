"""What can be said of features without labels: whether they collapse, whether they still move."""

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float32]


def effective_rank(features: Features) -> float:
    """Return how many directions the features make use of.

    The exponential of the entropy of the singular values' shares, around the mean: 1 where all
    features say the same, n_features where they say as many different things.

    Parameters
    ----------
    features : float32 array of shape (n_samples, n_features)

    Returns
    -------
    float, in [1, min(n_samples, n_features)]; 1 where all rows are equal

    Notes
    -----
    Source: Roy and Vetterli 2007; for self-supervised features Garrido et al. 2023,
    arXiv:2210.02885. Time O(n_samples n_features^2).
    """
    centered = features.astype(np.float64) - features.mean(axis=0)
    singular = np.sqrt(np.maximum(np.linalg.eigvalsh(centered.T @ centered), 0))
    if singular.sum() <= 1e-9 * max(1.0, float(np.abs(features).max())):
        return 1.0
    shares = singular / singular.sum()
    shares = shares[shares > 0]
    return float(np.exp(-(shares * np.log(shares)).sum()))


def nearest(features: Features, *, k: int) -> NDArray[np.int64]:
    """Return the k nearest other rows of each row by cosine, around the mean, in no order.

    Parameters
    ----------
    features : float32 array of shape (n_samples, n_features), k < n_samples

    Returns
    -------
    int64 array of shape (n_samples, k)
    """
    centered = features - features.mean(axis=0)
    unit = centered / np.maximum(np.linalg.norm(centered, axis=1, keepdims=True), 1e-12)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -np.inf)
    return np.argpartition(-cosines, k - 1, axis=1)[:, :k]


def kept_neighbors(before: NDArray[np.int64], after: NDArray[np.int64]) -> float:
    """Return which share of the nearest neighbours stayed the same.

    Parameters
    ----------
    before, after : int64 arrays of shape (n_samples, k), as `nearest` returns them

    Returns
    -------
    float, in [0, 1]
    """
    same = (before[:, :, None] == after[:, None, :]).any(axis=2)
    return float(same.mean())
