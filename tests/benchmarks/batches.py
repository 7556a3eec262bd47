"""Large batches of the products: seconds and memory, how they differ from single picks.

    python -m tests.benchmarks.batches --n 1000000 --dim 64 --picks 100000

Pools of both shapes (`gauss`, `emb`), 10 classes, 1,000 labels. Medians; memory is what a batch
takes beside the pool at its peak. Single picks, one after another, are timed for the first 256,
which are the same, and scaled. The last line is JSON: the worse of the two shapes for each number.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
from numba import get_num_threads

from strategies.compose import Product
from strategies.in_class import InClass
from strategies.pool import PoolView, Rows, Strategy
from strategies.product import N_EXACT
from strategies.toy_pool import toy_pool
from tests.benchmarks.data import MAKERS
from tests.benchmarks.memory import with_peak
from tests.benchmarks.selection import make_pool

RNG = np.random.default_rng(0)
STRATEGIES: dict[str, Strategy] = {"in_class": InClass(), "product": Product()}


def seconds(run: Callable[[], Rows]) -> tuple[float, Rows]:
    """Time one call."""
    start = time.perf_counter()
    rows = run()
    return time.perf_counter() - start, rows


def measure(pool: PoolView, n_picks: int, n_repeats: int) -> dict[str, float]:
    """Time both strategies, and a row of single picks."""
    found: dict[str, float] = {}
    for name, strategy in STRATEGIES.items():
        times = []
        for _ in range(n_repeats):
            (taken, rows), peak = with_peak(
                lambda one=strategy: seconds(lambda: one.select(pool, n_picks, RNG))
            )
            assert len(np.unique(rows)) == n_picks, "rows repeat"
            times.append(taken)
        found |= {f"{name}_s": statistics.median(times), f"{name}_mib": peak}
    first, rows = seconds(lambda: InClass().select(pool, N_EXACT, RNG))
    found["single_picks_scaled_s"] = first * n_picks / N_EXACT
    found["ratio_single"] = found["single_picks_scaled_s"] / found["in_class_s"]
    return found


def main() -> None:
    """Measure both shapes and print the worse of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1_000_000, help="samples in the pool")
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--labels", type=int, default=1000)
    parser.add_argument("--picks", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    small = toy_pool(n_samples=1000)
    compiling = sum(
        seconds(lambda one=one: one.select(small, 400, RNG))[0] for one in STRATEGIES.values()
    )
    print(f"compiled, or loaded what was compiled, in {compiling:.1f} s", flush=True)
    worst: dict[str, float] = {}
    for kind, make in MAKERS.items():
        pool = make_pool(make(arguments.n, arguments.dim), arguments.labels)
        result = measure(pool, arguments.picks, arguments.repeats)
        print(kind, "  ".join(f"{name} {value:.2f}" for name, value in result.items()), flush=True)
        for name, value in result.items():
            worse = min if name.startswith("ratio") else max
            worst[name] = worse(worst.get(name, value), value)
    sizes = {"n": arguments.n, "dim": arguments.dim, "picks": arguments.picks}
    sizes["threads"] = get_num_threads()
    print(json.dumps(sizes | {name: round(value, 2) for name, value in worst.items()}))


if __name__ == "__main__":
    main()
