"""Adjacency to half of a data set: the graph of neighbors, the removal, memory, what is certain.

    python -m tests.benchmarks.adjacency --n 100000 --dim 64
    python -m tests.benchmarks.adjacency --n 1000000 --dim 64

Data of both shapes (`gauss`, `emb`). One run each; kernels are compiled before anything is timed.
`cpu_s` is the processor time of all threads, which others on the machine hardly change;
`peak_gib` is the largest memory of the process, the data included; `recall` compares 1,000 rows of
the graph with a scan of everything; `uncertified` is the share of surviving rows whose neighbors
had to be found again by an approximate search. The last line is JSON: of each number, the worse of
the shapes.
"""

import argparse
import json
import resource
import time

import numpy as np
from numba import get_num_threads

from strategies.filters.adjacency import Adjacency
from strategies.filters.nearest import measured_recall, points_from
from tests.benchmarks.data import MAKERS


def measure(kind: str, n: int, n_features: int, keep: float) -> dict[str, float]:
    """Time both steps on data of one shape."""
    vectors = MAKERS[kind](n, n_features).embeddings
    keys = np.random.default_rng(1).permutation(n)
    started, cpu_started = time.perf_counter(), time.process_time()
    points = points_from(vectors, keys)
    graph_s = time.perf_counter() - started
    started = time.perf_counter()
    tree = Adjacency().build(points)
    removed = tree.remove(np.ones(n, np.bool_), n - round(keep * n))
    removal_s = time.perf_counter() - started
    cpu_s = time.process_time() - cpu_started
    peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    assert (removed.because_of >= 0).all()
    return {
        "graph_s": graph_s,
        "removal_s": removal_s,
        "total_s": graph_s + removal_s,
        "cpu_s": cpu_s,
        "peak_gib": peak_gib,
        "recall": measured_recall(points),
        "uncertified": tree.n_uncertified / (n - len(removed.rows)),
    }


def main() -> None:
    """Measure the shapes and print the worse of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--keep", type=float, default=0.5, help="share that stays")
    parser.add_argument("--data", choices=list(MAKERS), nargs="*", default=list(MAKERS))
    arguments = parser.parse_args()
    measure("emb", 2000, arguments.dim, 0.1)
    worst: dict[str, float] = {}
    for kind in arguments.data:
        result = measure(kind, arguments.n, arguments.dim, arguments.keep)
        print(kind, "  ".join(f"{name} {value:.3f}" for name, value in result.items()), flush=True)
        for name, value in result.items():
            worse = min if name == "recall" else max
            worst[name] = worse(worst.get(name, value), value)
    sizes = {"n": arguments.n, "dim": arguments.dim, "threads": get_num_threads()}
    print(json.dumps(sizes | {name: round(value, 3) for name, value in worst.items()}))


if __name__ == "__main__":
    main()
