"""Vectors brought down to two or three dimensions, for people to look at."""

from importlib.util import find_spec
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from al_server.errors import BadInput
from embeddings.installing import how_to_install
from strategies.pool import Rows

Method = Literal["pca", "umap", "tsne"]
MOST_ROWS: dict[Method, int] = {"pca": 20_000, "umap": 8_000, "tsne": 3_000}
"""How many samples are drawn at most: what a browser draws at once, or takes seconds to compute."""
_BLOCK = 65_536


def check_method(method: str) -> None:
    """Refuse what `project` would refuse, before the long work.

    Raises
    ------
    BadInput
        If there is no such projection, or the package that it needs is not installed.
    """
    if method not in MOST_ROWS:
        raise BadInput(f"no projection is called {method!r}", f"take {', '.join(MOST_ROWS)}")
    if method == "umap" and find_spec("umap") is None:  # to import it takes seconds
        raise _without_umap()


def project(
    vectors: NDArray[np.float32],
    rows: Rows,
    *,
    n_dimensions: Literal[2, 3],
    method: Method = "pca",
    seed: int = 0,
) -> NDArray[np.float32]:
    """Place some samples on a map.

    PCA is fitted to all vectors, so that the map does not hang on which samples are drawn; the
    others to those drawn.

    Parameters
    ----------
    vectors : float32 array of shape (n, n_features)
    rows : int64 array of shape (n_drawn,), samples to place
    seed : of UMAP and t-SNE; PCA draws nothing

    Returns
    -------
    float32 array of shape (n_drawn, n_dimensions), largest absolute coordinate 1

    Raises
    ------
    BadInput
        If `method` is umap and umap-learn is not installed.
    """
    places = np.zeros((len(rows), n_dimensions), np.float32)
    # fewer points than dimensions have no neighborhood to keep
    if method == "pca" or len(rows) < 10:
        found = _pca(vectors, rows, n_dimensions)
    elif method == "tsne":
        found = _tsne(vectors[rows], n_dimensions, seed)
    else:
        found = _umap(vectors[rows], n_dimensions, seed)
    found = found - (found.mean(axis=0) if len(found) else 0)
    places[:, : found.shape[1]] = found
    return places / (np.abs(places).max(initial=0.0) or 1.0)


def _pca(vectors: NDArray[np.float32], rows: Rows, n_dimensions: int) -> NDArray[np.float32]:
    """Principal components. Source: Pearson 1901. Time O(n d^2 + d^3), memory O(d^2)."""
    n, n_features = vectors.shape
    mean = vectors.mean(axis=0, dtype=np.float64) if n else np.zeros(n_features)
    scatter = np.zeros((n_features, n_features))
    for start in range(0, n, _BLOCK):
        centered = vectors[start : start + _BLOCK] - mean
        scatter += centered.T @ centered
    axes = np.linalg.eigh(scatter)[1][:, ::-1][:, :n_dimensions]
    # an axis has no sign of its own: the same data give the same picture
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    projected: NDArray[np.float32] = ((vectors[rows] - mean) @ (axes * signs)).astype(np.float32)
    return projected


def _tsne(drawn: NDArray[np.float32], n_dimensions: int, seed: int) -> NDArray[np.float32]:
    """Source: van der Maaten and Hinton 2008."""
    from sklearn.manifold import TSNE

    map_ = TSNE(
        n_dimensions,
        perplexity=min(30.0, (len(drawn) - 1) / 3),
        init="pca" if min(drawn.shape) >= n_dimensions else "random",
        random_state=seed,
    )
    found: NDArray[np.float32] = map_.fit_transform(drawn)
    return found


def _umap(drawn: NDArray[np.float32], n_dimensions: int, seed: int) -> NDArray[np.float32]:
    """Source: McInnes et al. 2018, arXiv:1802.03426."""
    try:
        from umap import UMAP
    except ImportError:
        raise _without_umap() from None
    # a fixed seed makes it run on one thread; said outright, or it warns
    map_ = UMAP(
        n_components=n_dimensions,
        n_neighbors=min(15, len(drawn) - 1),
        random_state=seed,
        n_jobs=1,
        init="random" if len(drawn) < 100 else "spectral",
    )
    found: NDArray[np.float32] = map_.fit_transform(drawn)
    return found


def _without_umap() -> BadInput:
    return BadInput(
        "the projection umap needs the package umap-learn",
        f"{how_to_install('umap')}; or take pca or tsne",
    )
