"""k-center greedy: ours against what people use, and against what the machine could do.

    python -m tests.benchmarks.k_center --n 1000000 --dim 64 --picks 10000
    python -m tests.benchmarks.k_center --n 100000 --dim 64 --picks 1000    # the libraries, too

A cold pool of both shapes (`gauss`, `emb`), 1 - cosine similarity. Ours is the whole of
`KCenter().select`, timed in full, median of 5 runs. Between two of them, all others get a sample:

sklearn    the loop that most copy: pairwise_distances to the last pick, minimum, argmax
matvec     the same by a numpy product
plain      the same in one fused pass by numba
bandwidth  a pass that does nothing but read the embeddings, for each pick
matmul     all distances of all candidates to all picks as one blocked numpy product, the fastest of
           some block sizes
skactiveml, fpsample  CoreSet and fps_sampling, in an environment of their own (`make bench-peers`),
           up to 200 million distances

sklearn, matvec, plain and skactiveml: 5 samples of 20 picks, the first from the start, the last
from 4/5 of the run on, median, scaled to all picks. bandwidth: 5 passes, scaled. matmul: 5 samples
of a sixteenth of the rows, scaled. fpsample: in full. Whatever is timed has run once just before,
ours and theirs: a core that slept takes a while to wake.

Before anything is timed, picks are compared with plain greedy (same arithmetic, one pick after the
other) over the whole run at a reduced size, with and without duplicates; `--check` does it at full
size. The last line is JSON: of each number, the worse of the two shapes; `ratio_x` is the time of x
over ours.
"""

import argparse
import json
import statistics
import time

import numpy as np
from numba import get_num_threads, njit, prange
from numpy.typing import NDArray

from strategies import farthest_first
from strategies.k_center import KCenter
from strategies.pool import PoolView
from tests.benchmarks import peers
from tests.benchmarks.data import MAKERS
from tests.benchmarks.memory import with_peak
from tests.benchmarks.plain_passes import PASSES, Distances, Pass, Vectors, plain_greedy

N_SAMPLES, N_PICKS = 5, 20  # of a slow peer
MOST_DISTANCES = 2 * 10**8  # that the other libraries are asked for
BLOCKS = ((2048, 2048), (4096, 1024), (16_384, 256), (16_384, 1024), (65_536, 512))
REDUCED = (20_000, 500)


def cold_pool(embeddings: Vectors, seed: int = 1) -> PoolView:
    """Make a pool in which nothing has been labeled."""
    n = len(embeddings)
    return PoolView(
        embeddings=embeddings,
        status=np.zeros(n, np.int8),
        labels=np.full(n, -1, np.int64),
        tie_key=np.random.default_rng(seed).integers(2**64, size=n, dtype=np.uint64),
        n_classes=2,
        cover_distance=np.full(n, np.inf, np.float32),
    )


def ours(pool: PoolView, n_picks: int) -> NDArray[np.int64]:
    """Pick by the strategy."""
    return KCenter().select(pool, n_picks, np.random.default_rng(0))


def check(embeddings: Vectors, n_picks: int) -> None:
    """Compare every pick with plain greedy's."""
    pool = cold_pool(embeddings)
    assert np.array_equal(ours(pool, n_picks), plain_greedy(pool, n_picks)), "not the same picks"


# -- how long the others take ------------------------------------------------------------------


def sampled(one_pass: Pass, vectors: Vectors, first: int, distances: Distances) -> float:
    """Seconds a pick, from some place of the run on."""
    distances = distances.copy()
    pick = one_pass(vectors, first, distances)
    start = time.perf_counter()
    for _ in range(N_PICKS):
        pick = one_pass(vectors, pick, distances)
    return (time.perf_counter() - start) / N_PICKS


# -- what the machine could do ----------------------------------------------------------------


@njit(fastmath=True)
def _sum(values):  # type: ignore[no-untyped-def]
    total = np.float32(0)
    for place in range(len(values)):  # numba vectorizes no loop over the values themselves
        total += values[place]
    return total


@njit(parallel=True)
def _read(values, sums):  # type: ignore[no-untyped-def]
    n, n_chunks = len(values), len(sums)
    for chunk in prange(n_chunks):
        sums[chunk] = _sum(values[n * chunk // n_chunks : n * (chunk + 1) // n_chunks])


def reading(vectors: Vectors) -> float:
    """Seconds to read the embeddings once."""
    sums = np.empty(get_num_threads(), np.float32)
    start = time.perf_counter()
    _read(vectors.reshape(-1), sums)
    return time.perf_counter() - start


def multiplying(rows: Vectors, centers: Vectors, block: tuple[int, int]) -> float:
    """Seconds to multiply some rows with all centers, block by block."""
    out = np.empty(block[0] * block[1], np.float32)
    start = time.perf_counter()
    for left in range(0, len(rows), block[0]):
        some = rows[left : left + block[0]]
        for right in range(0, len(centers), block[1]):
            others = centers[right : right + block[1]]
            size = len(some) * len(others)
            np.matmul(some, others.T, out=out[:size].reshape(len(some), len(others)))
    return time.perf_counter() - start


def fastest_block(rows: Vectors, centers: Vectors) -> tuple[int, int]:
    """Return the block size that multiplies fastest, after a warm-up."""
    multiplying(rows, centers, BLOCKS[0])
    return min(BLOCKS, key=lambda block: multiplying(rows, centers, block))


# -- libraries in an environment of their own -------------------------------------------------


def core_set(vectors: Vectors, picks: NDArray[np.int64]) -> float:
    """Seconds a pick of scikit-activeml, some rows labeled: a batch without its preparation."""
    arrays = {"embeddings": vectors, "labeled": picks}
    long, short = (
        peers.call("peer_k_center:core_set", arrays, n_picks=n_picks, repeats=2).seconds[1]
        for n_picks in (N_PICKS + 1, 1)
    )
    return (long - short) / N_PICKS


def fpsample(vectors: Vectors, first: int, n_picks: int) -> float:
    """Seconds of a whole run of fpsample."""
    arrays = {"embeddings": vectors}
    answer = peers.call("peer_k_center:fps", arrays, first=first, n_picks=n_picks, repeats=2)
    return answer.seconds[1]


# -- a shape ----------------------------------------------------------------------------------


def measure(vectors: Vectors, n_picks: int, n_repeats: int) -> dict[str, float]:
    """Time ours and the others by turns; seconds of a whole run each."""
    pool, times = cold_pool(vectors), dict[str, list[float]]()
    picks, peak = with_peak(lambda: ours(pool, n_picks))
    with_libraries = len(vectors) * n_picks <= MOST_DISTANCES
    if with_libraries and not peers.is_installed():
        print("skactiveml and fpsample are left out: run `make bench-peers` first", flush=True)
        with_libraries = False
    rows = max(1, len(vectors) // 16)
    block = fastest_block(vectors[:rows], vectors[picks])
    distances = np.full(len(vectors), np.inf, np.float32)
    done = 0

    def note(name: str, seconds: float) -> None:
        times.setdefault(name, []).append(seconds)

    for repeat in range(n_repeats):
        ours(pool, n_picks)
        start = time.perf_counter()
        assert np.array_equal(ours(pool, n_picks), picks)
        note("ours", time.perf_counter() - start)
        place = n_picks * repeat // n_repeats
        some = farthest_first.distances_to_nearest(
            vectors, np.arange(len(vectors)), vectors[picks[done:place]]
        )
        distances, done = np.minimum(distances, some), place
        for name, one_pass in PASSES.items():
            note(name, n_picks * sampled(one_pass, vectors, int(picks[place]), distances))
        reading(vectors)
        note("bandwidth", n_picks * reading(vectors))
        first = len(vectors) * repeat // n_repeats
        part = vectors[first : first + rows]
        multiplying(part, vectors[picks], block)
        note("matmul", multiplying(part, vectors[picks], block) * len(vectors) / len(part))
        if with_libraries:
            note("skactiveml", n_picks * core_set(vectors, picks[: place + 1]))
            note("fpsample", fpsample(vectors, int(picks[0]), n_picks))
    return {name: statistics.median(values) for name, values in times.items()} | {"peak_mib": peak}


def compile_seconds(n_features: int) -> float:
    """Return the time of the first call: kernels are compiled, or read from numba's cache."""
    start = time.perf_counter()
    ours(cold_pool(MAKERS["gauss"](REDUCED[0], n_features).embeddings), 100)
    return time.perf_counter() - start


def as_json(result: dict[str, float]) -> dict[str, float]:
    """Turn seconds into ratios."""
    seconds = result["ours"]
    ratios = {
        f"ratio_{name}": value / seconds
        for name, value in result.items()
        if name not in ("ours", "peak_mib")
    }
    return {"seconds": seconds, "peak_mib": result["peak_mib"]} | ratios


def main() -> None:
    """Measure both shapes and print the worse of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1_000_000, help="samples in the pool")
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--picks", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=N_SAMPLES)
    parser.add_argument("--check", action="store_true", help="compare all picks at full size")
    arguments = parser.parse_args()
    first_call = compile_seconds(arguments.dim)
    print(f"first call, kernels compiled or read from the cache: {first_call:.2f} s", flush=True)
    worst: dict[str, float] = {}
    for kind, make in MAKERS.items():
        vectors = make(arguments.n, arguments.dim).embeddings
        reduced, n_few = min(REDUCED[0], arguments.n), min(REDUCED[1], arguments.picks)
        check(vectors[:reduced], n_few)
        check(vectors[np.arange(reduced) % max(1, reduced // 50)], n_few)
        if arguments.check:
            check(vectors, arguments.picks)
        result = measure(vectors, arguments.picks, arguments.repeats)
        print(kind, "  ".join(f"{name} {value:.3f}" for name, value in result.items()), flush=True)
        for name, value in as_json(result).items():
            worse = min if name.startswith("ratio") else max
            worst[name] = worse(worst.get(name, value), value)
    sizes = {"n": arguments.n, "dim": arguments.dim, "picks": arguments.picks}
    told = sizes | {"threads": get_num_threads(), "compile_seconds": first_call} | worst
    print(json.dumps({name: round(value, 3) for name, value in told.items()}))


if __name__ == "__main__":
    main()
