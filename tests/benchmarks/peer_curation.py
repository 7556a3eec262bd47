"""Outliers and clusters by other libraries; runs inside the peers' environment, see `peers.py`."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
Work = Callable[[], dict[str, NDArray[Any]]]


def fast_hdbscan(arrays: Arrays, settings: dict[str, Any]) -> Work:
    """fast_hdbscan's whole fit; above 30 features by approximate neighbors of pynndescent.

    Its min_samples does not count the sample itself, as ours.
    """
    from fast_hdbscan import HDBSCAN

    vectors = arrays["vectors"]
    HDBSCAN(min_samples=settings["min_samples"]).fit(vectors[:2000])  # compiles

    def work() -> dict[str, NDArray[Any]]:
        return {"labels": HDBSCAN(min_samples=settings["min_samples"]).fit(vectors).labels_}

    return work


def fast_hdbscan_tree(arrays: Arrays, settings: dict[str, Any]) -> Work:
    """fast_hdbscan's minimum spanning tree as its fit builds it, each vertex's lightest edge."""
    from fast_hdbscan.hdbscan import compute_minimum_spanning_tree

    vectors, min_samples = arrays["vectors"], settings["min_samples"]
    compute_minimum_spanning_tree(vectors[:2000], min_samples=min_samples)  # compiles

    def work() -> dict[str, NDArray[Any]]:
        edges = compute_minimum_spanning_tree(vectors, min_samples=min_samples)[0]
        return {"scores": _lightest(np.asarray(edges), len(vectors))}

    return work


def fast_hdbscan_exact(arrays: Arrays, settings: dict[str, Any]) -> Work:
    """fast_hdbscan's exact tree, by Boruvka over a k-d tree, each vertex's lightest edge."""
    import numba
    from fast_hdbscan.boruvka import parallel_boruvka
    from fast_hdbscan.numba_kdtree import build_kdtree

    vectors, min_samples = arrays["vectors"], settings["min_samples"]

    def tree(some: NDArray[Any]) -> NDArray[Any]:
        no_weights = np.empty(1, np.float32)  # as its own fit calls it
        return np.asarray(
            parallel_boruvka(
                build_kdtree(some.astype(np.float64)),
                numba.get_num_threads(),
                min_samples=min_samples,
                sample_weights=no_weights,
                reproducible=False,
            )[0]
        )

    tree(vectors[:2000])  # compiles

    def work() -> dict[str, NDArray[Any]]:
        return {"scores": _lightest(tree(vectors), len(vectors))}

    return work


def _lightest(edges: NDArray[Any], n: int) -> NDArray[np.float64]:
    scores = np.full(n, np.inf)
    for end in (0, 1):
        np.minimum.at(scores, edges[:, end].astype(np.int64), edges[:, 2])
    return scores


def sklearn_hdbscan(arrays: Arrays, settings: dict[str, Any]) -> Work:
    """scikit-learn's HDBSCAN; its min_samples counts the sample itself."""
    from sklearn.cluster import HDBSCAN

    vectors, min_samples = arrays["vectors"], settings["min_samples"] + 1

    def work() -> dict[str, NDArray[Any]]:
        fitted = HDBSCAN(min_samples=min_samples, n_jobs=-1, copy=True).fit(vectors)
        return {"labels": fitted.labels_}

    return work


def typicality(arrays: Arrays, settings: dict[str, Any]) -> Work:
    """lightly-mundig's typicality: another definition of what is far from others."""
    from lightly_mundig import Typicality

    vectors = arrays["vectors"].tolist()

    def work() -> dict[str, NDArray[Any]]:
        return {"typicality": np.array(Typicality(vectors).calculate_typicality(settings["k"]))}

    return work


def agglomerative(arrays: Arrays, settings: dict[str, Any]) -> Work:
    """scikit-learn's average linkage by cosine, along the edges of its graph of k neighbors."""
    import warnings

    from sklearn.cluster import AgglomerativeClustering
    from sklearn.neighbors import kneighbors_graph

    vectors = arrays["vectors"]

    def work() -> dict[str, NDArray[Any]]:
        graph = kneighbors_graph(vectors, settings["k"], metric="cosine", n_jobs=-1)
        clustering = AgglomerativeClustering(
            settings["n_clusters"], metric="cosine", linkage="average", connectivity=graph
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says that it connects components
            return {"labels": clustering.fit(vectors).labels_}

    return work


def scipy_average(arrays: Arrays, settings: dict[str, Any]) -> Work:
    """scipy's average linkage by cosine, over all pairs."""
    from scipy.cluster.hierarchy import fcluster, linkage

    vectors = arrays["vectors"].astype(np.float64)

    def work() -> dict[str, NDArray[Any]]:
        tree = linkage(vectors, "average", metric="cosine")
        return {"labels": fcluster(tree, settings["n_clusters"], "maxclust")}

    return work
