"""One pick by a product of ranks: ours against three rankdata and three argsorts.

    python -m tests.benchmarks.selection --n 1000000

Pools of both shapes (`gauss`, `emb`), 64 dimensions, 10 classes, 1,000 labels, a soft vote of the
10 nearest ones. Every peer picks from the same arrays in the same run; medians. Memory is what a
pick takes beside the pool at its peak. The last line is JSON: the worse of the two shapes for each
number.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
from numba import get_num_threads
from numpy.typing import NDArray
from scipy.stats import rankdata

from strategies import scores
from strategies.cdf_product import CdfProduct
from strategies.in_class import InClass
from strategies.pool import PoolView, Status
from strategies.toy_pool import toy_pool
from tests import oracles
from tests.benchmarks.data import BLOCK, MAKERS, Made
from tests.benchmarks.memory import with_peak

N_CLASSES, N_NEIGHBORS, N_DENSITY_NEIGHBORS = 10, 10, 20
N_SAMPLED = 1000  # rows that stand for the pool where density is estimated
PRIOR = 0.1  # weight of the uniform prior in a posterior
Ranks = NDArray[np.floating]
Ranker = Callable[[NDArray[np.float32]], Ranks]


def make_pool(made: Made, n_labeled: int, seed: int = 1) -> PoolView:
    """Label some rows and work out what a campaign would know of the others."""
    embeddings, classes = made
    n_samples = len(embeddings)
    rng = np.random.default_rng(seed)
    labeled = rng.choice(n_samples, n_labeled, replace=False)
    sampled = rng.choice(n_samples, min(N_SAMPLED, n_samples), replace=False)
    probabilities = np.empty((n_samples, N_CLASSES), np.float32)
    cover_distance = np.empty(n_samples, np.float32)
    density = np.empty(n_samples, np.float32)
    for start in range(0, n_samples, BLOCK):
        rows = slice(start, start + BLOCK)
        distances, columns = nearest(embeddings[rows], embeddings[labeled], N_NEIGHBORS)
        probabilities[rows] = posterior(distances, classes[labeled][columns])
        cover_distance[rows] = distances.min(axis=1)
        distances, _ = nearest(embeddings[rows], embeddings[sampled], N_DENSITY_NEIGHBORS)
        density[rows] = scores.density(distances)
    status = np.full(n_samples, Status.UNLABELED, np.int8)
    labels = np.full(n_samples, -1, np.int64)
    status[labeled], labels[labeled] = Status.LABELED, classes[labeled]
    return PoolView(
        embeddings=embeddings,
        status=status,
        labels=labels,
        tie_key=rng.integers(2**64, size=n_samples, dtype=np.uint64),
        n_classes=N_CLASSES,
        probabilities=probabilities,
        uncertainty=scores.margin(probabilities),
        predicted=probabilities.argmax(axis=1).astype(np.int32),
        density=density,
        cover_distance=cover_distance,
    )


def nearest(
    vectors: NDArray[np.float32], others: NDArray[np.float32], k: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Distances and columns of the k nearest others of each vector, in any order."""
    distances = np.maximum(0, 1 - vectors @ others.T)
    k = min(k, len(others))
    columns = np.argpartition(distances, k - 1, axis=1)[:, :k]
    return np.take_along_axis(distances, columns, axis=1), columns


def posterior(distances: NDArray[np.float32], votes: NDArray[np.int32]) -> NDArray[np.float32]:
    """Vote by soft weights, with a uniform prior."""
    weights = np.exp(-((distances / max(float(np.median(distances)), 1e-6)) ** 2))
    sums = np.full((len(votes), N_CLASSES), PRIOR / N_CLASSES, np.float32)
    for vote, weight in zip(votes.T, weights.T, strict=True):
        sums[np.arange(len(votes)), vote] += weight
    sums /= sums.sum(axis=1, keepdims=True)
    return sums


def by_argsort(values: NDArray[np.float32]) -> Ranks:
    """Ranks without averaging ties: cheaper, and not what the score asks for."""
    ranks = np.empty(len(values))
    ranks[np.argsort(values)] = np.arange(1, len(values) + 1)
    return ranks


def naive_pick(pool: PoolView, rank: Ranker) -> int:
    """Pick by the plain product, sorting three times."""
    rows = pool.candidate_rows()
    assert pool.uncertainty is not None
    assert pool.density is not None and pool.cover_distance is not None
    product = rank(pool.uncertainty[rows]) / len(rows)
    product *= rank(pool.density[rows]) / len(rows)
    product *= rank(pool.cover_distance[rows]) / len(rows)
    return oracles.first_of_best(rows, product, pool.tie_key)


def median_ms(pick: Callable[[], int], n_repeats: int) -> float:
    """Median time of a pick, after one that is not counted."""
    pick()
    times = []
    for _ in range(n_repeats):
        start = time.perf_counter()
        pick()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def measure(pool: PoolView, n_repeats: int) -> dict[str, float]:
    """Time every way of picking, after a check that ours is right."""
    rng = np.random.default_rng(0)
    assert pool.uncertainty is not None
    for strategy, in_class in ((CdfProduct(), False), (InClass(), True)):
        rows, expected = oracles.pool_scores(pool, pool.uncertainty, in_class=in_class)
        (row,) = strategy.select(pool, 1, rng)
        assert row == oracles.first_of_best(rows, expected, pool.tie_key), "not the best row"
        (explained,) = strategy.explain(pool, np.array([row]))
        assert explained.score == expected.max(), "not its score"
    picks = {
        "cdf_product": lambda: int(CdfProduct().select(pool, 1, rng)[0]),
        "argsort": lambda: naive_pick(pool, by_argsort),
    }
    peaks = {f"{name}_mib": with_peak(pick)[1] for name, pick in picks.items()}
    return peaks | {
        "cdf_product_ms": median_ms(lambda: int(CdfProduct().select(pool, 1, rng)[0]), n_repeats),
        "in_class_ms": median_ms(lambda: int(InClass().select(pool, 1, rng)[0]), n_repeats),
        "rankdata_ms": median_ms(lambda: naive_pick(pool, rankdata), max(3, n_repeats // 5)),
        "argsort_ms": median_ms(lambda: naive_pick(pool, by_argsort), max(3, n_repeats // 5)),
    }


def main() -> None:
    """Measure both shapes and print the worse of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1_000_000, help="samples in the pool")
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--labels", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=25)
    arguments = parser.parse_args()
    started = time.perf_counter()
    for strategy in (CdfProduct(), InClass()):
        strategy.select(toy_pool(), 1, np.random.default_rng(0))
    compile_s = time.perf_counter() - started
    print(f"first calls, kernels compiled or read from the cache: {compile_s:.2f} s", flush=True)
    worst: dict[str, float] = {}
    for kind, make in MAKERS.items():
        pool = make_pool(make(arguments.n, arguments.dim), arguments.labels)
        result = measure(pool, arguments.repeats)
        slower = max(result["cdf_product_ms"], result["in_class_ms"])
        result["ratio_rankdata"] = result["rankdata_ms"] / slower
        result["ratio_argsort"] = result["argsort_ms"] / slower
        print(kind, "  ".join(f"{name} {value:.2f}" for name, value in result.items()), flush=True)
        for name, value in result.items():
            worse = min if name.startswith("ratio") else max
            worst[name] = worse(worst.get(name, value), value)
    sizes = {"n": arguments.n, "labels": arguments.labels, "threads": get_num_threads()}
    worst["compile_seconds"] = compile_s
    print(json.dumps(sizes | {name: round(value, 2) for name, value in worst.items()}))


if __name__ == "__main__":
    main()
