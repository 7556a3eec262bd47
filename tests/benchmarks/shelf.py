"""TypiClust, ProbCover and BADGE: against scikit-activeml's, and where those cannot follow.

    make bench-peers
    python -m tests.benchmarks.shelf

First `--n` samples, where every peer runs: medians of `--repeats` batches each, the same
embeddings and probabilities, one run. Then `--large` samples, each strategy in a process of its
own: seconds of one batch and the most memory the process held, data included; what numba compiles
is printed apart. `probcover_dense` is ProbCover with a given radius that holds a sixth of all pairs
on `gauss`, which are too many to keep. Pools of both shapes; the last line is JSON, the worse of
the two shapes for each number.
"""

import argparse
import importlib
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numba import get_num_threads
from numpy.typing import NDArray

from strategies.pool import PoolView, Rows, Strategy
from tests.benchmarks import peers
from tests.benchmarks.data import MAKERS, Kind

N_CLASSES, SEED = 10, 0
DENSE = {"gauss": 0.95, "emb": 0.7}
ROOT = Path(__file__).resolve().parents[2]


class Measured(NamedTuple):
    """What one of our strategies did in a process of its own."""

    seconds: list[float]
    compile_s: float  # the first batch of a tiny pool: compiling, or loading what is compiled
    peak_mib: float
    data_mib: float  # held before the first batch


def make_pool(kind: Kind, n: int, dim: int) -> PoolView:
    """Make a pool without labels, with probabilities as of some classifier."""
    embeddings, classes = MAKERS[kind](n, dim)
    rng = np.random.default_rng(1)
    logits = rng.standard_normal((n, N_CLASSES), dtype=np.float32)
    logits[np.arange(n), classes] += 2
    odds = np.exp(logits)
    return PoolView(
        embeddings=embeddings,
        status=np.zeros(n, np.int8),
        labels=np.full(n, -1, np.int64),
        # by row, so that a peer that takes the first of equals takes the same
        tie_key=np.arange(n, dtype=np.uint64),
        n_classes=N_CLASSES,
        probabilities=odds / odds.sum(axis=1, keepdims=True),
        cover_distance=np.full(n, np.inf, np.float32),
    )


def make_strategy(name: str, kind: Kind) -> Strategy:
    """Make one by name; imported here, so that one that is missing stops no other."""
    module, factory, settings = {
        "typiclust": ("typiclust", "TypiClust", {}),
        "probcover": ("probcover", "ProbCover", {}),
        "probcover_dense": ("probcover", "ProbCover", {"radius": DENSE[kind]}),
        "badge": ("badge", "Badge", {}),
    }[name]
    made: Strategy = getattr(importlib.import_module(f"strategies.{module}"), factory)(**settings)
    return made


# -- ours -------------------------------------------------------------------------------------


def measure_here(name: str, kind: Kind, n: int, dim: int, n_picks: int, repeats: int) -> Measured:
    """Select in this process, which should be a new one."""
    strategy, tiny = make_strategy(name, kind), make_pool(kind, 600, dim)
    start = time.perf_counter()
    strategy.select(tiny, n_picks, np.random.default_rng(SEED))
    compile_s = time.perf_counter() - start
    pool = make_pool(kind, n, dim)
    data_mib, seconds = peak_mib(), []
    for _ in range(repeats):
        start = time.perf_counter()
        strategy.select(pool, n_picks, np.random.default_rng(SEED))
        seconds.append(time.perf_counter() - start)
    return Measured(seconds, compile_s, peak_mib(), data_mib)


def measure(name: str, kind: Kind, n: int, dim: int, n_picks: int, repeats: int) -> Measured:
    """Select in a new process, so that memory is counted from nothing."""
    given = [name, kind, *map(str, (n, dim, n_picks, repeats))]
    command = [sys.executable, "-m", "tests.benchmarks.shelf", "--one", *given]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{name} on {kind}: exit code {done.returncode}: {done.stderr[-2000:]}")
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def peak_mib() -> float:
    """Return the most memory this process has held."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


# -- theirs -----------------------------------------------------------------------------------


def ask_peer(name: str, pool: PoolView, n_picks: int, repeats: int, **given: Any) -> peers.Answer:
    """Let scikit-activeml select from the same arrays."""
    arrays: dict[str, NDArray[Any]] = {"embeddings": pool.embeddings}
    assert pool.probabilities is not None
    if name == "badge":
        arrays["probabilities"] = pool.probabilities
    if "clusters" in given:
        arrays["clusters"] = given.pop("clusters")
    if name == "probcover":
        given["n_classes"] = N_CLASSES
    return peers.call(f"peer_shelf:{name}", arrays, repeats=repeats, n_picks=n_picks, **given)


def compare_picks(pool: PoolView, n_picks: int) -> None:
    """Print how far picks agree where chance is taken out: given clusters, a given radius."""
    from strategies.k_means import k_means
    from strategies.probcover import ProbCover
    from strategies.typiclust import TypiClust

    rng = np.random.default_rng
    clusters = k_means(pool.embeddings, n_picks, rng(SEED))
    ours = TypiClust().select(pool, n_picks, rng(SEED))
    theirs = ask_peer("typiclust", pool, n_picks, 1, clusters=clusters).arrays["rows"]
    n_same = len(set(ours.tolist()) & set(theirs.tolist()))
    print(f"  typiclust, same clusters: {n_same} of {n_picks} picks are the same")
    radius = float(ProbCover().find_radius(pool, rng(SEED)))
    ours = ProbCover(radius=radius).select(pool, n_picks, rng(SEED))
    euclidean = float(np.sqrt(2 * radius))
    theirs = ask_peer("probcover", pool, n_picks, 1, radius=euclidean).arrays["rows"]
    found = [n_covered(pool, rows, radius) for rows in (ours, theirs)]
    print(f"  probcover, same radius {radius:.3f}: ours cover {found[0]}, theirs {found[1]}")


def n_covered(pool: PoolView, rows: Rows, radius: float) -> int:
    """Count what lies in the balls of some rows."""
    return int(((1 - pool.embeddings[rows] @ pool.embeddings.T) < radius).any(axis=0).sum())


# -- both -------------------------------------------------------------------------------------


def run_small(kind: Kind, options: argparse.Namespace) -> dict[str, float]:
    """Compare with the peers where they run; returns seconds and ratios."""
    pool, found = make_pool(kind, options.n, options.dim), {}
    for name in ("typiclust", "probcover", "badge"):
        ours = measure(name, kind, options.n, options.dim, options.picks, options.repeats)
        theirs = ask_peer(name, pool, options.picks, options.repeats)
        mine, other = statistics.median(ours.seconds), statistics.median(theirs.seconds)
        found |= {f"{name}_s": mine, f"{name}_ratio": other / mine}
        print(
            f"{kind} {name} {options.n} x {options.dim}: {mine:.3f} s, scikit-activeml "
            f"{other:.3f} s, x{other / mine:.1f}; {ours.peak_mib:.0f} MiB, {theirs.peak_mib:.0f} "
            f"MiB; first call {ours.compile_s:.1f} s",
            flush=True,
        )
    compare_picks(pool, options.picks)
    return found


def run_large(kind: Kind, options: argparse.Namespace) -> dict[str, float]:
    """Measure ours where the peers take minutes or run out of memory."""
    found = {}
    for name in ("typiclust", "probcover", "probcover_dense", "badge"):
        ours = measure(name, kind, options.large, options.dim, options.picks, 1)
        found |= {f"{name}_large_s": ours.seconds[0], f"{name}_large_mib": ours.peak_mib}
        print(
            f"{kind} {name} {options.large} x {options.dim}: {ours.seconds[0]:.1f} s, peak "
            f"{ours.peak_mib:.0f} MiB, of which data {ours.data_mib:.0f}; first call "
            f"{ours.compile_s:.1f} s",
            flush=True,
        )
    return found


def main() -> None:
    """Measure both shapes and print the worse of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=5000, help="samples where peers are asked")
    parser.add_argument("--large", type=int, default=100_000, help="samples where they are not")
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--picks", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--one", nargs=6, metavar="X", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        name, kind, *numbers = options.one
        print(json.dumps(measure_here(name, kind, *map(int, numbers))._asdict()))
        return
    worst: dict[str, float] = {}
    for kind in MAKERS:
        found = (run_small(kind, options) if options.n else {}) | run_large(kind, options)
        for key, value in found.items():
            worse = min if key.endswith("ratio") else max
            worst[key] = worse(worst.get(key, value), value)
    sizes = {"n": options.n, "large": options.large, "dim": options.dim, "picks": options.picks}
    print(
        json.dumps(
            sizes
            | {"threads": get_num_threads()}
            | {name: round(value, 3) for name, value in worst.items()}
        )
    )


if __name__ == "__main__":
    main()
