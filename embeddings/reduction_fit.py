"""Fits a `Reduction` to the vectors of a pool, without labels."""

import warnings

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import EmbedderUnavailable
from embeddings.fitted_state import State
from embeddings.reduction import Reduction, ReductionName, check_installed, parse_reduction

FIT_LIMIT = 20_000
"""Samples that a map is fitted to; more do not change 64 directions that one could see."""
UMAP_FIT_LIMIT = 10_000
"""Samples that `umap` is fitted to: its time grows faster, and it keeps all of them."""
FIT_BYTES = 2**29
_UMAP_NEIGHBORS = 15
_FLOOR = 1e-3  # of the mean variance: directions below are noise, not to be made loud


def fit_reduction(
    name: str | ReductionName, vectors: NDArray[np.float32], *, seed: int
) -> Reduction:
    """Fit a reduction to a pool: `n_dim = min(n_reduce, n_samples, n_features)` dimensions.

    - ``pca``: principal components, around the mean.
    - ``pca_whiten``: the same, each component divided by its standard deviation.
    - ``svd``: truncated singular value decomposition: components without taking the mean away, so
      that cosines are kept as well as so many dimensions can keep them.
    - ``random``: a Gaussian random projection, the same for every pool of this width and seed.
    - ``umap``: neighbours stay neighbours, distances do not. Laid out in `n_dim - 1` dimensions
      and lifted to the unit sphere by inverse stereographic projection, which keeps the shape of
      what is near. A new sample goes between its nearest fitted ones. Needs umap-learn.

    Parameters
    ----------
    name : as `parse_reduction` reads it, and not ``none``
    vectors : float32 array of shape (n_samples, n_given), unit-length rows, n_samples >= 1; it may
        be mapped from a file: of a large pool only a random sample is read, the same by each seed
    seed : of what is drawn; equal vectors and seed give an equal map on one machine

    Raises
    ------
    EmbedderUnavailable
        If there is no such reduction, or umap-learn is not installed.
    ValueError
        If the vectors are no table with a row.

    Notes
    -----
    Sources: Halko, Martinsson and Tropp 2011, arXiv:0909.4061 (components by random sampling,
    where the vectors are wide); Johnson and Lindenstrauss 1984; McInnes, Healy and Melville 2018,
    arXiv:1802.03426. Time O(n_fitted n_given n_dim), memory that of the sample, below 1 GiB.
    """
    asked = parse_reduction(name) if isinstance(name, str) else name
    if asked is None:
        raise EmbedderUnavailable("none asks for no reduction", "name one, such as pca:64")
    if vectors.ndim != 2 or 0 in vectors.shape:
        raise ValueError(f"vectors have shape {vectors.shape}, wanted (n_samples, n_features)")
    check_installed(asked)
    rng = np.random.default_rng(seed)
    fit_seed = int(rng.integers(2**31))  # libraries take no more
    n_dim = min(asked.n_reduce, *vectors.shape)
    sample = _sample(vectors, asked, rng)
    if asked.method == "umap":
        return Reduction(_fit_umap(sample, n_dim, seed=fit_seed))
    if asked.method == "random":
        return Reduction(_fit_random(sample.shape[1], n_dim, seed=fit_seed))
    # around their mean nothing would be left of vectors that are all alike
    if asked.method == "svd" or np.ptp(sample, axis=0).max() < 1e-6:
        return Reduction(_fit_svd(sample, n_dim, seed=fit_seed))
    return Reduction(_fit_pca(sample, n_dim, whiten=asked.method == "pca_whiten", seed=fit_seed))


def _sample(
    vectors: NDArray[np.float32], asked: ReductionName, rng: np.random.Generator
) -> NDArray[np.float32]:
    limit = UMAP_FIT_LIMIT if asked.method == "umap" else FIT_LIMIT
    n_affordable = FIT_BYTES // (4 * vectors.shape[1])
    n_fitted = min(len(vectors), max(asked.n_reduce, min(limit, n_affordable)))
    if n_fitted == len(vectors):
        return np.asarray(vectors, np.float32)
    # in the order of the file: it is read once, from front to back
    rows = np.sort(rng.choice(len(vectors), n_fitted, replace=False))
    return np.asarray(vectors[rows], np.float32)


def _fit_pca(sample: NDArray[np.float32], n_dim: int, *, whiten: bool, seed: int) -> State:
    from sklearn.decomposition import PCA

    fitted = PCA(n_dim, random_state=seed).fit(sample)
    projection = fitted.components_.T
    if whiten:
        variances = fitted.explained_variance_
        projection = projection / np.sqrt(np.maximum(variances, _FLOOR * variances.mean()))
    return _linear(fitted.mean_, projection)


def _fit_svd(sample: NDArray[np.float32], n_dim: int, *, seed: int) -> State:
    from sklearn.utils.extmath import randomized_svd

    _, _, components = randomized_svd(sample, n_dim, n_iter=4, random_state=seed)
    return _linear(np.zeros(sample.shape[1]), components.T)


def _fit_random(n_given: int, n_dim: int, *, seed: int) -> State:
    projection = np.random.default_rng(seed).standard_normal((n_given, n_dim)) / np.sqrt(n_dim)
    return _linear(np.zeros(n_given), projection)


def _linear(mean: NDArray[np.floating], projection: NDArray[np.floating]) -> State:
    return {
        "mean": np.asarray(mean, np.float32),
        "projection": np.ascontiguousarray(projection, np.float32),
    }


def _fit_umap(sample: NDArray[np.float32], n_dim: int, *, seed: int) -> State:
    fitted = np.array(sample, np.float32)
    fitted /= np.linalg.norm(fitted, axis=1, keepdims=True)
    if n_dim < 3 or len(fitted) < 4:  # nothing to lay out
        return _fit_svd(sample, n_dim, seed=seed)
    return {"fitted": fitted, "placed": _lifted(_laid_out(fitted, n_dim - 1, seed=seed))}


def _laid_out(fitted: NDArray[np.float32], n_dim: int, *, seed: int) -> NDArray[np.float64]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of packages that it could use and does not find
        import umap

        placed = umap.UMAP(
            n_components=n_dim,
            n_neighbors=min(_UMAP_NEIGHBORS, len(fitted) - 1),
            metric="cosine",
            init="pca",  # the usual start needs an eigenvector for each dimension, and may fail
            random_state=seed,
            n_jobs=1,  # the layout must not depend on a race
        ).fit_transform(fitted)
    return np.asarray(placed, np.float64)


def _lifted(placed: NDArray[np.float64]) -> NDArray[np.float32]:
    """Lift a plane onto the unit sphere in one dimension more; half of it onto either half."""
    centered = placed - np.median(placed, axis=0)
    radii = np.linalg.norm(centered, axis=1, keepdims=True)
    scale = float(np.median(radii)) or 1.0
    radii, centered = radii / scale, centered / scale
    lifted = np.hstack([2 * centered, radii**2 - 1]) / (radii**2 + 1)
    return np.asarray(lifted, np.float32)
