"""Near-duplicates by other libraries; runs inside the peers' environment, see `peers.py`.

Each returns pairs of file names with a score; higher = more alike.
"""

import itertools
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
Work = Callable[[], dict[str, NDArray[Any]]]


def fastdup(arrays: Arrays, settings: dict[str, Any]) -> Work:
    """fastdup's similarity; `run` holds arguments of its run(), none of them by default."""
    import fastdup as library

    def work() -> dict[str, NDArray[Any]]:
        folder = tempfile.mkdtemp(prefix="fastdup-")
        try:
            dataset = library.create(work_dir=folder, input_dir=settings["folder"])
            dataset.run(**settings["run"])
            found = dataset.similarity()
            return {
                "left": found["filename_from"].to_numpy(str),
                "right": found["filename_to"].to_numpy(str),
                "score": found["distance"].to_numpy(np.float64),  # cosine, despite its name
                "version": np.array(library.__version__),
            }
        finally:
            shutil.rmtree(folder)

    return work


def cleanvision(arrays: Arrays, settings: dict[str, Any]) -> Work:
    """Exact and near-duplicates of cleanvision, by its defaults: sets, which have no score."""
    from importlib.metadata import version

    from cleanvision import Imagelab

    lab = Imagelab(data_path=str(Path(settings["folder"])))

    def work() -> dict[str, NDArray[Any]]:
        lab.find_issues({"near_duplicates": {}, "exact_duplicates": {}}, verbose=False)
        kinds = ("near_duplicates", "exact_duplicates")
        sets = [one for kind in kinds for one in lab.info[kind]["sets"]]
        pairs = [pair for one in sets for pair in itertools.combinations(one, 2)]
        return {
            "left": np.array([left for left, _ in pairs], str),
            "right": np.array([right for _, right in pairs], str),
            "score": np.ones(len(pairs)),
            "version": np.array(version("cleanvision")),
        }

    return work
