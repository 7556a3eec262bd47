"""VAAL: what a training costs, and whether its picks are better than draws at random.

    python -m tests.benchmarks.vaal --n 50000 --dim 64
    python -m tests.benchmarks.vaal --compare --repeats 20
    python -m tests.benchmarks.vaal --compare --repeats 20 --start 200 --batch 100

The first trains on made embeddings, until both losses fall no more and again in full length, and
takes some turns on made images. The others label real embeddings in rounds, by VAAL and by uniform
draws, from the same start on the same split, and say how far apart the accuracies of a vote of the
5 nearest neighbours are, in points: mean over the rounds, and a 95% interval over the repeats
(bootstrap). They want the data that the tests want (AL_TEST_DATA). The last line is JSON.
"""

import argparse
import json
import os
import resource
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from strategies.pool import PoolView, Status, Strategy
from strategies.uniform import Uniform
from strategies.vaal import Progress, Vaal
from tests.benchmarks.data import emb

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("AL_TEST_DATA", ROOT.parent / "shared" / "data"))
SETS = ("cifar10_test_resnet32_64", "mnist_t10k_pca64")
N_LABELED = 500  # of the pools that are timed
N_TEST, N_NEIGHBORS, SHARPNESS = 2000, 5, 10.0
IMAGE_WIDTHS, N_IMAGES, N_TURNS = (16, 128), 512, 5
N_RESAMPLES = 10_000


class RealSet(NamedTuple):
    """Embeddings of shape (n, d), unit rows, and classes of shape (n,)."""

    embeddings: NDArray[np.float32]
    classes: NDArray[np.int64]


class Rounds(NamedTuple):
    """How a comparison labels: size of the pool, labels at the start and in each round."""

    pool: int
    start: int
    batch: int
    rounds: int


def make_pool(
    embeddings: NDArray[np.float32],
    status: NDArray[np.int8],
    tie_key: NDArray[np.uint64],
    images: NDArray[np.uint8] | None = None,
) -> PoolView:
    """Make a pool without labels: VAAL looks only at which samples have one."""
    return PoolView(
        embeddings=embeddings,
        status=status,
        labels=np.full(len(status), -1),
        tie_key=tie_key,
        n_classes=1,
        images=images,
    )


def some_labeled(n_samples: int, n_labeled: int, rng: np.random.Generator) -> NDArray[np.int8]:
    """Draw which samples have a label."""
    status = np.full(n_samples, Status.UNLABELED, np.int8)
    status[rng.choice(n_samples, n_labeled, replace=False)] = Status.LABELED
    return status


def peak_mb() -> float:
    """Most memory that this process has ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def show(done: Progress) -> None:
    """Print a line every tenth of a training."""
    if done.step % max(1, done.total // 10) < done.total // 100 or done.step == done.total:
        losses = "  ".join(f"{name} {value:.3f}" for name, value in done.losses._asdict().items())
        print(f"  {done.step}/{done.total}  {losses}  {done.seconds_left:.0f} s left", flush=True)


def measure_embeddings(n_samples: int, n_features: int, settings: Vaal) -> dict[str, float]:
    """Train until the losses fall no more, and in full."""
    rng = np.random.default_rng(0)
    embeddings = emb(n_samples, n_features).embeddings
    status = some_labeled(n_samples, min(N_LABELED, n_samples // 10), rng)
    pool = make_pool(embeddings, status, rng.integers(2**64, size=n_samples, dtype=np.uint64))
    # torch takes memory whatever the pool is
    small = make_pool(embeddings[:100], np.arange(100, dtype=np.int8) % 2 * 2, pool.tie_key[:100])
    replace(settings, max_steps=2).fit(small, rng)
    before = peak_mb()
    result: dict[str, float] = {}
    for name, patience in (("early", settings.patience), ("full", 0)):
        print(f"embeddings, {n_samples} x {n_features}, {name}")
        start = time.perf_counter()
        fitted = replace(settings, patience=patience).fit(pool, rng, progress=show)
        result[f"{name}_seconds"] = time.perf_counter() - start
        result[f"{name}_turns"] = fitted.n_steps
    result["full_ms_a_turn"] = 1000 * result["full_seconds"] / result["full_turns"]
    return result | {"embeddings_peak_mb": peak_mb(), "embeddings_more_mb": peak_mb() - before}


def measure_images(settings: Vaal) -> dict[str, float]:
    """Take a few turns on images of the size that the networks see."""
    rng = np.random.default_rng(0)
    size = settings.image_size
    pool = make_pool(
        emb(N_IMAGES, 8).embeddings,
        some_labeled(N_IMAGES, N_IMAGES // 4, rng),
        rng.integers(2**64, size=N_IMAGES, dtype=np.uint64),
        rng.integers(256, size=(N_IMAGES, size, size, 3), dtype=np.uint8),
    )
    result = {}
    for width in IMAGE_WIDTHS:
        stamps: list[float] = []

        def note(stamps: list[float] = stamps) -> bool:
            stamps.append(time.perf_counter())
            return False

        replace(settings, on="images", width=width, max_steps=N_TURNS + 1).fit(
            pool, rng, should_stop=note
        )
        result[f"images_width_{width}_seconds_a_turn"] = statistics.median(np.diff(stamps))
    return result | {"images_peak_mb": peak_mb()}


def read(name: str) -> RealSet:
    """Read a real set, rows made unit length."""
    with np.load(DATA / "embeddings" / f"{name}.npz") as file:
        embeddings = file["X"].astype(np.float32)
        classes = file["y"]
    return RealSet(embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True), classes)


def accuracy(labeled: RealSet, test: RealSet) -> float:
    """Share of the test samples that a soft vote of the nearest labeled ones gets right."""
    similarities = test.embeddings @ labeled.embeddings.T
    columns = np.argsort(-similarities, axis=1, kind="stable")[:, :N_NEIGHBORS]
    weights = np.exp(SHARPNESS * (np.take_along_axis(similarities, columns, axis=1) - 1))
    votes = np.zeros((len(test.classes), int(test.classes.max()) + 1))
    for column, weight in zip(columns.T, weights.T, strict=True):
        votes[np.arange(len(votes)), labeled.classes[column]] += weight
    return float((votes.argmax(axis=1) == test.classes).mean())


def learn(strategy: Strategy, real: RealSet, rounds: Rounds, repeat: int) -> list[float]:
    """Label in rounds; return the accuracy after each. The start depends on the repeat alone."""
    rng = np.random.default_rng([repeat, 0])
    order = rng.permutation(len(real.classes))
    pooled = RealSet(*(array[order[: rounds.pool]] for array in real))
    test = RealSet(*(array[order[-N_TEST:]] for array in real))
    tie_key = rng.integers(2**64, size=rounds.pool, dtype=np.uint64)
    status = some_labeled(rounds.pool, rounds.start, rng)
    accuracies = []
    for number in range(1, rounds.rounds + 1):
        pool = make_pool(pooled.embeddings, status.copy(), tie_key)
        rows = strategy.select(pool, rounds.batch, np.random.default_rng([repeat, number]))
        status[rows] = Status.LABELED
        labeled = RealSet(*(array[status == Status.LABELED] for array in pooled))
        accuracies.append(accuracy(labeled, test))
    return accuracies


def compare(name: str, settings: Vaal, rounds: Rounds, n_repeats: int) -> dict[str, float]:
    """Say by how many points VAAL is better than uniform draws."""
    real = read(name)
    rounds = rounds._replace(pool=min(rounds.pool, len(real.classes) - N_TEST))
    print(name, rounds, flush=True)
    differences = []
    for repeat in range(n_repeats):
        by_vaal = learn(settings, real, rounds, repeat)
        by_chance = learn(Uniform(), real, rounds, repeat)
        differences.append(100 * (np.array(by_vaal) - np.array(by_chance)))
        print(
            f"  {repeat}  vaal {np.round(by_vaal, 3)}  uniform {np.round(by_chance, 3)}", flush=True
        )
    means = np.mean(differences, axis=1)
    drawn = np.random.default_rng(0).choice(means, size=(N_RESAMPLES, n_repeats)).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    print("  by round", np.mean(differences, axis=0).round(2))
    return {f"{name}_points": float(means.mean()), f"{name}_low": low, f"{name}_high": high}


def main() -> None:
    """Measure the cost, or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=5000, help="samples in the pool that is timed")
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--compare", action="store_true", help="with uniform draws, on real data")
    parser.add_argument("--sets", nargs="+", default=SETS, metavar="SET")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument(
        "--pool", type=int, default=2000, help="samples in the pool that is labeled"
    )
    parser.add_argument("--start", type=int, default=40, help="labels before the first round")
    parser.add_argument("--batch", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--beta", type=float, default=Vaal.beta)
    arguments = parser.parse_args()
    settings = Vaal(beta=arguments.beta)
    result: dict[str, float] = {}
    if arguments.compare:
        rounds = Rounds(arguments.pool, arguments.start, arguments.batch, arguments.rounds)
        for name in arguments.sets:
            result |= compare(name, settings, rounds, arguments.repeats)
    else:
        result |= measure_embeddings(arguments.n, arguments.dim, settings)
        result |= measure_images(settings)
    print(json.dumps({name: round(float(value), 2) for name, value in result.items()}))


if __name__ == "__main__":
    main()
