"""Outliers and similars: ours against what people use, in one run.

    python -m tests.benchmarks.curation_peers
    python -m tests.benchmarks.curation_peers --outliers 10000 --similars 50000 --dim 64

Ours is timed from the vectors on: neighbors found, all samples scored or merged, the given share
removed. Median of 5 runs, after one that is not timed; of peers that take minutes fewer, as
`runs` says. Peers are in an environment of their own (`make bench-peers`), given as many threads as
they like; what they compile is compiled before.

outliers   5% of both shapes of data (`gauss`, `emb`). fast_hdbscan and sklearn_hdbscan: a whole
           fit; above 30 features fast_hdbscan only approximates, by pynndescent. Minimum spanning
           trees alone, which is what ours replaces: fast_hdbscan_tree, the one of its fit, and
           fast_hdbscan_exact, its exact one. Their vertices are scored by their lightest edge:
           Jaccard index of the removed sets. fast_hdbscan's min_samples does not count the sample
           itself, as ours does not; scikit-learn's does, and is given one more. mundig:
           lightly-mundig's typicality, another definition, for its time.
similars   10% of both shapes. sklearn: AgglomerativeClustering(linkage="average", metric="cosine")
           with the graph of as many neighbors. It averages only over pairs that are linked, ours
           over all, so that clusters differ; the mean distance of pairs within clusters is printed.
all pairs  at the size up to which ours compares all; scipy's linkage, whose clusters must be ours.

The last line is JSON; of each ratio, the worse of the two shapes.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import get_num_threads
from numpy.typing import NDArray

from strategies.filters.dendrogram import Dendrogram
from strategies.filters.nearest import points_from
from strategies.filters.outliers import Outliers
from strategies.filters.points import Points, Removed
from strategies.filters.similars import MOST_FOR_ALL_PAIRS, Similars
from tests.benchmarks import peers
from tests.benchmarks.data import MAKERS
from tests.benchmarks.memory import with_peak

Vectors = NDArray[np.float32]
Result = dict[str, float]

N_RUNS, MIN_SAMPLES, K = 5, 5, 15
K_OUTLIERS = 8  # scores look at min_samples neighbors, and further where these do not settle them
SHARE_OUTLIERS, SHARE_SIMILARS = 0.05, 0.1
TIMEOUT_S = 560.0


def timed(work: Callable[[], Any], n_runs: int = N_RUNS) -> float:
    """Median seconds, after a run that does not count."""
    work()
    seconds = []
    for _ in range(n_runs):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def of_peer(name: str, vectors: Vectors, repeats: int, **settings: Any) -> peers.Answer | None:
    """Call a peer; None, and a line why, where it fails or is not installed."""
    try:
        return peers.call(
            f"peer_curation:{name}",
            {"vectors": vectors},
            repeats=repeats,
            timeout_s=TIMEOUT_S,
            **settings,
        )
    except peers.PeerFailed as error:
        print(f"{name} is left out: {str(error).splitlines()[-1]}", flush=True)
        return None


def found(vectors: Vectors, k: int = K) -> Points:
    """Find the neighbors."""
    return points_from(vectors, np.arange(len(vectors), dtype=np.uint64), k=k)


# -- outliers ---------------------------------------------------------------------------------


def our_outliers(points: Points) -> Removed:
    """Score all, and remove the share."""
    n = len(points.vectors)
    return (
        Outliers(MIN_SAMPLES)
        .build(points)
        .remove(np.ones(n, np.bool_), int(np.ceil(SHARE_OUTLIERS * n)))
    )


def jaccard(ours: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    """Compare ours with as many of the highest scores; of equal ones, the higher row goes."""
    theirs = np.lexsort((np.arange(len(scores)), scores))[len(scores) - len(ours) :]
    both = len(np.intersect1d(ours, theirs))
    return both / (2 * len(ours) - both)


def measure_outliers(vectors: Vectors, n_runs: int) -> Result:
    """Time ours and the peers, and compare what is removed."""
    points = found(vectors, K_OUTLIERS)
    told: Result = {
        "ours": timed(lambda: our_outliers(found(vectors, K_OUTLIERS))),
        "graph": timed(lambda: found(vectors, K_OUTLIERS)),
        "after_graph": timed(lambda: our_outliers(points)),
    }
    settings = {"min_samples": MIN_SAMPLES}
    for name, repeats in (
        ("fast_hdbscan", n_runs),
        ("fast_hdbscan_tree", n_runs),
        ("fast_hdbscan_exact", n_runs),
        ("sklearn_hdbscan", 1),
    ):
        answer = of_peer(name, vectors, repeats, **settings)
        if answer is not None:
            told[name] = statistics.median(answer.seconds)
            if "scores" in answer.arrays:
                gone = our_outliers(points).rows
                told[f"jaccard_{name}"] = jaccard(gone, answer.arrays["scores"])
    answer = of_peer("typicality", vectors, 1, k=20)
    return told if answer is None else told | {"mundig": answer.seconds[0]}


# -- similars ---------------------------------------------------------------------------------


def cut(tree: Dendrogram) -> Removed:
    """Remove the share."""
    n = len(tree.points.vectors)
    return tree.remove(np.ones(n, np.bool_), int(SHARE_SIMILARS * n))


def within(vectors: Vectors, labels: NDArray[np.integer]) -> float:
    """Mean cosine distance of all pairs that share a cluster."""
    _, places, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    sums = np.zeros((len(sizes), vectors.shape[1]))
    np.add.at(sums, places, vectors.astype(np.float64))
    n_pairs = (sizes * (sizes - 1)).sum()
    return float(1 - ((sums**2).sum() - len(vectors)) / max(n_pairs, 1))


def our_labels(removed: Removed, n: int) -> NDArray[np.int64]:
    """Return what stays for each sample: the names of the clusters."""
    labels = np.arange(n)
    labels[removed.rows] = removed.because_of
    return labels


def measure_similars(vectors: Vectors, peer: str, n_runs: int) -> Result:
    """Time ours and a peer, and compare the clusters."""
    points, n = found(vectors), len(vectors)
    tree = Similars().build(points)
    removed = cut(tree)
    _, peak = with_peak(lambda: cut(Similars().build(found(vectors))))
    told: Result = {
        "ours": timed(lambda: cut(Similars().build(found(vectors)))),
        "graph": timed(lambda: found(vectors)),
        "linkage": timed(lambda: Similars().build(points)),
        "cut": timed(lambda: cut(tree)),
        "peak_mib": peak,
        "within": within(vectors, our_labels(removed, n)),
    }
    answer = of_peer(peer, vectors, n_runs, k=K, n_clusters=n - len(removed.rows))
    if answer is None:
        return told
    theirs = answer.arrays["labels"]
    return told | {
        peer: statistics.median(answer.seconds),
        f"{peer}_peak_mib": answer.peak_mib,
        f"{peer}_within": within(vectors, theirs),
        f"{peer}_clusters": float(len(np.unique(theirs))),
    }


# -- all of it --------------------------------------------------------------------------------


def ratios(result: Result, names: tuple[str, ...]) -> Result:
    """Return the time of peers over ours, and how far sets agree."""
    told = {f"ratio_{name}": result[name] / result["ours"] for name in names if name in result}
    return told | {name: x for name, x in result.items() if name.startswith("jaccard")}


def main() -> None:
    """Measure both shapes and print the worse of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--outliers", type=int, default=10_000, help="samples; 0: left out")
    parser.add_argument("--similars", type=int, default=50_000, help="samples; 0: left out")
    parser.add_argument("--all-pairs", type=int, default=MOST_FOR_ALL_PAIRS, help="samples")
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--runs", type=int, default=N_RUNS, help="of fast_hdbscan")
    parser.add_argument("--slow-runs", type=int, default=1, help="of scikit-learn and scipy")
    parser.add_argument("--kinds", nargs="+", default=list(MAKERS), choices=list(MAKERS))
    arguments = parser.parse_args()
    hdbscans = ("fast_hdbscan", "fast_hdbscan_tree", "fast_hdbscan_exact", "sklearn_hdbscan")
    parts: dict[str, tuple[int, Callable[[Vectors], Result], tuple[str, ...]]] = {
        "outliers": (
            arguments.outliers,
            lambda vectors: measure_outliers(vectors, arguments.runs),
            hdbscans,
        ),
        "similars": (
            arguments.similars,
            lambda vectors: measure_similars(vectors, "agglomerative", arguments.slow_runs),
            ("agglomerative",),
        ),
        "all_pairs": (
            arguments.all_pairs,
            lambda vectors: measure_similars(vectors, "scipy_average", arguments.slow_runs),
            ("scipy_average",),
        ),
    }
    told: dict[str, Any] = {"dim": arguments.dim, "k": K, "threads": get_num_threads()}
    for part, (n, measure, names) in parts.items():
        worst: Result = {}
        for kind in arguments.kinds if n else ():
            result = measure(MAKERS[kind](n, arguments.dim).embeddings)
            line = "  ".join(f"{name} {value:.4f}" for name, value in result.items())
            print(f"{part} {n} {kind}  {line}", flush=True)
            for name, value in ratios(result, names).items():
                worst[name] = min(worst.get(name, value), value)
        if n:
            told[part] = {"n": n} | {name: round(value, 3) for name, value in worst.items()}
    told["runs"] = {"ours": N_RUNS, "fast_hdbscan": arguments.runs, "slow": arguments.slow_runs}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
