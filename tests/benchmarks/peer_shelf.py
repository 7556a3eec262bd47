"""scikit-activeml's strategies, given what ours are given; runs in the peers' environment."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
Work = Callable[[], dict[str, NDArray[Any]]]


def typiclust(arrays: Arrays, settings: dict[str, Any]) -> Work:
    """TypiClust with the paper's 20 neighbours; on its own k-means, or on given clusters."""
    from skactiveml.pool import TypiClust

    embeddings = arrays["embeddings"]
    options: dict[str, Any] = {"k": 20, "random_state": 0}
    if "clusters" in arrays:
        options |= {"cluster_algo": Given, "cluster_algo_dict": {"clusters": arrays["clusters"]}}

    def work() -> dict[str, NDArray[Any]]:
        return _query(TypiClust(**options), embeddings, settings["n_picks"])

    return work


def probcover(arrays: Arrays, settings: dict[str, Any]) -> Work:
    """ProbCover with as many clusters as classes; on its grid of radii, or with a given one."""
    from skactiveml.pool import ProbCover

    embeddings = arrays["embeddings"]
    options: dict[str, Any] = {"n_classes": settings["n_classes"], "random_state": 0}
    if "radius" in settings:
        options["deltas"] = [settings["radius"]]

    def work() -> dict[str, NDArray[Any]]:
        # a new one each time: it keeps the distances of its first call
        return _query(ProbCover(**options), embeddings, settings["n_picks"])

    return work


def badge(arrays: Arrays, settings: dict[str, Any]) -> Work:
    """Badge on given probabilities, so that no classifier is timed."""
    from skactiveml.base import SkactivemlClassifier
    from skactiveml.pool import Badge

    class Known(SkactivemlClassifier):  # type: ignore[misc]
        def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "Known":
            return self

        def predict_proba(self, X: Any, **kwargs: Any) -> NDArray[Any]:
            return arrays["probabilities"]

    classifier = Known(classes=list(range(arrays["probabilities"].shape[1])))

    def work() -> dict[str, NDArray[Any]]:
        strategy = Badge(random_state=0)
        embeddings = arrays["embeddings"]
        return _query(strategy, embeddings, settings["n_picks"], clf=classifier, fit_clf=False)

    return work


class Given:
    """A clusterer that knows the answer."""

    def __init__(self, n_clusters: int, clusters: NDArray[Any]) -> None:
        self.clusters = clusters

    def fit_predict(self, X: Any) -> NDArray[Any]:
        """Return it."""
        return self.clusters


def _query(
    strategy: Any, embeddings: NDArray[Any], n_picks: int, **options: Any
) -> dict[str, NDArray[Any]]:
    nothing = np.full(len(embeddings), np.nan)
    rows = strategy.query(X=embeddings, y=nothing, batch_size=n_picks, **options)
    return {"rows": np.asarray(rows)}
