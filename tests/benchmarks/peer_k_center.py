"""Farthest-first by other libraries; runs inside the peers' environment, see `peers.py`."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
Work = Callable[[], dict[str, NDArray[Any]]]


def core_set(arrays: Arrays, settings: dict[str, Any]) -> Work:
    """scikit-activeml's CoreSet: so many picks, the given rows labeled."""
    from skactiveml.pool import CoreSet

    embeddings = arrays["embeddings"]
    labels = np.full(len(embeddings), np.nan)
    labels[arrays["labeled"]] = 0
    strategy = CoreSet(random_state=0)

    def work() -> dict[str, NDArray[Any]]:
        return {"rows": strategy.query(embeddings, labels, batch_size=settings["n_picks"])}

    return work


def fps(arrays: Arrays, settings: dict[str, Any]) -> Work:
    """fpsample's plain sampling, from a given first row; its others refuse 64 dimensions."""
    import fpsample

    # it wants columns one after the other; bringing them into that order is not timed
    embeddings = np.asfortranarray(arrays["embeddings"], dtype=np.float32)

    def work() -> dict[str, NDArray[Any]]:
        rows = fpsample.fps_sampling(embeddings, settings["n_picks"], start_idx=settings["first"])
        return {"rows": rows.astype(np.int64)}

    return work
