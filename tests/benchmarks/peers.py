"""Run another library's function in an environment of its own; arrays travel as .npy files.

    answer = peers.call("peer_k_center:core_set", {"embeddings": vectors}, n_picks=20, repeats=5)
    answer.seconds, answer.peak_mib, answer.arrays["rows"]

`"peer_k_center:core_set"` is the function `core_set(arrays, settings)` of `peer_k_center.py` beside
this file. Such a file runs inside the peers' environment (``make bench-peers``): it imports numpy
and its library, nothing of ours. The function takes a dict of arrays and a dict of settings and
returns ``work``, a function without arguments; only the calls of ``work`` are timed, once for each
repeat, so that preparing belongs before it. ``work`` returns a dict of arrays.
"""

import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
ENVIRONMENT = HERE.parents[1] / ".venv-bench"
CALL, ANSWER, TOLD = "call.json", "answer.json", 2000  # TOLD: last characters of a peer's trouble

Arrays = dict[str, NDArray[Any]]
Peer = Callable[[Arrays, dict[str, Any]], Callable[[], Mapping[str, NDArray[Any]]]]


class Answer(NamedTuple):
    """What a peer did.

    Attributes
    ----------
    seconds : of each repeat, in order; without start, imports, reading files and preparing
    peak_mib : float, the most memory the peer's process held, the arrays and its imports included
    arrays : what the last repeat returned
    """

    seconds: list[float]
    peak_mib: float
    arrays: Arrays


class PeerFailed(RuntimeError):
    """The peer ended with an error, ran out of memory or out of time."""


def is_installed(environment: Path = ENVIRONMENT) -> bool:
    """Whether `make bench-peers` has made the environment."""
    return (environment / "bin" / "python").exists()


def call(
    peer: str,
    arrays: Mapping[str, NDArray[Any]],
    *,
    repeats: int = 1,
    timeout_s: float | None = None,
    n_threads: int | None = None,
    environment: Path = ENVIRONMENT,
    **settings: Any,
) -> Answer:
    """Run a peer and return what it answered.

    Parameters
    ----------
    peer : "file:function", the file beside this one, without .py
    arrays : given to the function
    repeats : how many times the work is done and timed
    timeout_s : after which the peer is ended; None: never
    n_threads : for OpenMP and the matrix products of the peer; None: as many as it likes
    environment : the folder of a virtual environment
    settings : given to the function; what JSON can hold

    Raises
    ------
    PeerFailed
        With the end of what the peer printed.
    """
    if not is_installed(environment):
        raise PeerFailed(f"{environment.name} is missing; run `make bench-peers` first")
    with tempfile.TemporaryDirectory(prefix="peer-") as name:
        folder = Path(name)
        for key, values in arrays.items():
            np.save(folder / f"in-{key}.npy", values)
        request = {"peer": peer, "repeats": repeats, "settings": settings}
        (folder / CALL).write_text(json.dumps(request), "utf-8")
        # -P: this folder holds names, data.py among them, that a library might mean otherwise
        command = [str(environment / "bin" / "python"), "-P", __file__, name]
        _run(command, timeout_s, _with_threads(n_threads))
        told = json.loads((folder / ANSWER).read_text("utf-8"))
        return Answer(told["seconds"], told["peak_mib"], _load(folder, "out-"))


def _run(command: list[str], timeout_s: float | None, variables: dict[str, str]) -> None:
    try:
        done = subprocess.run(
            command, timeout=timeout_s, env=variables, capture_output=True, text=True
        )
    except subprocess.TimeoutExpired as error:
        raise PeerFailed(f"not done after {timeout_s:.0f} s") from error
    if done.returncode:
        # a negative code is a signal; out of memory is signal 9, which leaves no message
        raise PeerFailed(f"exit code {done.returncode}: {done.stderr[-TOLD:].strip()}")


def _with_threads(n_threads: int | None) -> dict[str, str]:
    variables = dict(os.environ)
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")
    for name in names:
        if n_threads is None:
            variables.pop(name, None)
        else:
            variables[name] = str(n_threads)
    return variables


def _load(folder: Path, prefix: str) -> Arrays:
    return {
        path.stem.removeprefix(prefix): np.load(path)
        for path in sorted(folder.glob(f"{prefix}*.npy"))
    }


# -- inside the peers' environment ------------------------------------------------------------


def _find(peer: str) -> Peer:
    name, _, function = peer.partition(":")
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Peer = getattr(module, function)
    return found


def _answer(folder: Path) -> None:
    request = json.loads((folder / CALL).read_text("utf-8"))
    work = _find(request["peer"])(_load(folder, "in-"), request["settings"])
    seconds: list[float] = []
    result: Mapping[str, NDArray[Any]] = {}
    for _ in range(request["repeats"]):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    for key, values in result.items():
        np.save(folder / f"out-{key}.npy", values)
    # ru_maxrss counts KiB on Linux and bytes on macOS
    unit = 2**20 if sys.platform == "darwin" else 2**10
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    told = {"seconds": seconds, "peak_mib": peak_mib}
    (folder / ANSWER).write_text(json.dumps(told), "utf-8")


if __name__ == "__main__":
    _answer(Path(sys.argv[1]))
