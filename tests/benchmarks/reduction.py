"""What fewer dimensions cost, and what a metric learned from labels gains, on the shared sets.

    python -m tests.benchmarks.reduction knn [--only fruits,mnist] [--methods svd,pca]
    python -m tests.benchmarks.reduction lab [--repeats 5]
    python -m tests.benchmarks.reduction metric

Prints Markdown tables. `knn`: accuracy of 5 nearest neighbours, mean of 10 splits (fruits by
group, the others 80/20), and the purity of the 10 nearest neighbours. `lab`: labels to 90% of what
random sampling gains at full width, of the strategy `mass` and of random sampling. `metric`: what
`learn_metric` gains with 50, 100 and 200 random labels, over the whole rest.

Maps are fitted to all samples without their labels, as a campaign fits them to its pool.
"""

import argparse
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from al_server.lab.comparison import compare, files_in
from al_server.lab.data import LabeledData, read_data
from al_server.lab.plan import BASELINE, Plan
from al_server.lab.results import gather
from al_server.lab.statistics import labels_to, share_of_gain
from embeddings.metric_learning import KINDS, fit_metric, learn_metric
from embeddings.neighbor_votes import right_votes
from embeddings.reduction import METHODS
from embeddings.reduction_fit import fit_reduction

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("AL_TEST_DATA", ROOT.parent / "shared" / "data")) / "embeddings"
SETS = {
    "fruits": "fruits_mobilenetv2_1280",
    "sentiment": "sentiment140_minilm_384",
    "cifar10": "cifar10_test_resnet32_64",
    "mnist": "mnist_t10k_pca64",
}
WIDTHS = (16, 32, 64, 128, 256)
FULL = "full"
N_SPLITS, K, PURITY_K, N_LISTED, TEST = 10, 5, 10, 80, 0.2
METRIC_LABELS, METRIC_DRAWS = (50, 100, 200), 5
_BLOCK = 1024


class Quality(NamedTuple):
    """How well neighbours agree, in [0, 1]; `seconds` is what the map took to fit and apply."""

    accuracy: float
    purity: float
    seconds: float


def neighbors_of(vectors: NDArray[np.float32], n_listed: int) -> NDArray[np.int64]:
    """List the nearest rows of each row by cosine, nearest first, itself left out."""
    n_listed = min(n_listed, len(vectors) - 1)
    lists = np.empty((len(vectors), n_listed), np.int64)
    for start in range(0, len(vectors), _BLOCK):
        similar = vectors[start : start + _BLOCK] @ vectors.T
        own = np.arange(len(similar))
        similar[own, start + own] = -np.inf
        near = np.argpartition(-similar, n_listed - 1, axis=1)[:, :n_listed]
        order = np.argsort(-np.take_along_axis(similar, near, axis=1), axis=1, kind="stable")
        lists[start : start + _BLOCK] = np.take_along_axis(near, order, axis=1)
    return lists


def splits(data: LabeledData) -> Iterator[NDArray[np.bool_]]:
    """Yield who is tested on; samples of one group stay together."""
    groups = np.arange(len(data.labels)) if data.groups is None else data.groups
    names = np.unique(groups)
    for seed in range(N_SPLITS):
        rng = np.random.default_rng(seed)
        tested = rng.choice(names, max(1, round(TEST * len(names))), replace=False)
        yield np.isin(groups, tested)


def vote(lists: NDArray[np.int64], labels: NDArray[np.int64], tested: NDArray[np.bool_]) -> float:
    """Measure the vote of the K nearest that are not tested; ties go to the nearer ones."""
    rows = np.flatnonzero(tested)
    may_vote = ~tested[lists[rows]]
    rank = np.cumsum(may_vote, axis=1)
    votes = np.zeros((len(rows), labels.max() + 1))
    for place in range(K):
        at = (may_vote & (rank == place + 1)).argmax(axis=1)
        near = lists[rows, at]
        votes[np.arange(len(rows)), labels[near]] += 1 + 1e-3 * (K - place)
    return float(np.mean(votes.argmax(axis=1) == labels[rows]))


def quality(data: LabeledData, vectors: NDArray[np.float32], seconds: float) -> Quality:
    """Measure the neighbours of all samples."""
    # of one source there may be dozens of pictures, none of which counts for another
    n_listed = N_LISTED if data.groups is None else len(vectors)
    lists = neighbors_of(vectors, n_listed)
    accuracy = float(np.mean([vote(lists, data.labels, tested) for tested in splits(data)]))
    agree = data.labels[lists] == data.labels[:, None]
    counts = (
        np.ones_like(agree) if data.groups is None else (data.groups[lists] != data.groups[:, None])
    )
    first = counts & (np.cumsum(counts, axis=1) <= PURITY_K)
    return Quality(accuracy, float(agree[first].mean()), seconds)


def reduced(data: LabeledData, name: str) -> tuple[NDArray[np.float32], float]:
    """Return the vectors in fewer dimensions, and the seconds that took."""
    if name == FULL:
        return data.embeddings, 0.0
    start = time.perf_counter()
    vectors = fit_reduction(name, data.embeddings, seed=0).apply(data.embeddings)
    return vectors, time.perf_counter() - start


def print_knn(data: LabeledData, methods: list[str]) -> None:
    """Print one row a method, one column a width."""
    n_full = data.embeddings.shape[1]
    widths = [width for width in WIDTHS if width <= n_full]
    full = quality(data, data.embeddings, 0.0)
    print(f"\n{data.name}, {len(data.labels):,} samples: all {n_full} dimensions "
          f"{full.accuracy:.1%}, purity {full.purity:.1%}\n")  # fmt: skip
    print("| reduction |", " | ".join(map(str, widths)), "| seconds, 64 |")
    print("|---|" + "---|" * (len(widths) + 1))
    for method in methods:
        cells, seconds = [], 0.0
        for width in widths:
            vectors, took = reduced(data, f"{method}:{width}")
            found = quality(data, vectors, took)
            kept = found.accuracy / full.accuracy
            cells.append(f"{found.accuracy:.1%} ({kept:.1%}), {found.purity:.1%}")
            seconds = took if width == 64 else seconds
        print(f"| `{method}` |", " | ".join(cells), f"| {seconds:.1f} |", flush=True)


def print_lab(data: LabeledData, names: list[str], repeats: int, out: Path | None) -> None:
    """Print labels to the target, which random sampling sets at full width."""
    budget = 400 if data.groups is not None else 200
    plan = Plan(strategies=("mass",), repeats=repeats, budget=budget, holdout=0.25,
                by_group=data.groups is not None, most_in_pool=2500, probe=False)  # fmt: skip
    target, theirs = 0.0, np.empty((0, 0))
    print(f"\n{data.name}, {repeats} repeats\n")
    print("| vectors | mass | random | mass, end | random, end |\n|---|---|---|---|---|")
    for name in names:
        vectors, _ = reduced(data, name)
        folder = None if out is None else out / f"{data.name}-{name.replace(':', '-')}"
        curves = _curves(replace(data, embeddings=vectors), plan, folder)
        if name == FULL:
            theirs = curves[BASELINE]
            target = share_of_gain(theirs, 0.9)
            print(f"| target {target:.1%} | | | | |")
        n_labeled = np.arange(1, theirs.shape[1] + 1)
        cells = []
        for arm in ("mass", BASELINE):
            found = labels_to(target, curves[arm], theirs, n_labeled, seed=0).labels
            cells.append("more" if found is None else f"{found:.0f}")
        ends = [f"{curves[arm][:, -1].mean():.1%}" for arm in ("mass", BASELINE)]
        print(f"| `{name}` |", " | ".join(cells + ends), "|", flush=True)


def _curves(data: LabeledData, plan: Plan, out: Path | None) -> dict[str, NDArray[np.float64]]:
    import tempfile

    with tempfile.TemporaryDirectory() as aside:
        folder = out or Path(aside)
        compare(data, plan, out=folder, n_workers=1)
        runs = files_in(folder)[0].read()
    found = gather(runs, arms=plan.arms, repeats=list(range(plan.repeats)))
    return {arm: found.curves[arm][plan.shown] for arm in plan.arms}


def print_metric(data: LabeledData) -> None:
    """Print accuracy without a metric, with the better kind always, and where it is adopted."""
    vectors = data.embeddings
    if vectors.shape[1] > 64:
        vectors = reduced(data, "svd:64")[0]
    print(f"\n{data.name}, {vectors.shape[1]} dimensions, mean of {METRIC_DRAWS} draws\n")
    print("| labels | without | whitened | discriminant | as adopted | adopted |")
    print("|---|---|---|---|---|---|")
    groups = np.arange(len(data.labels)) if data.groups is None else data.groups
    for n_labels in METRIC_LABELS:
        found = []
        for seed in range(METRIC_DRAWS):
            rng = np.random.default_rng([seed, n_labels])
            rows = rng.choice(len(vectors), n_labels, replace=False)
            others = np.flatnonzero(~np.isin(groups, groups[rows]))
            tested = rng.choice(others, min(2500, len(others)), replace=False)
            metric = learn_metric(vectors[rows], data.labels[rows], seed=seed, groups=groups[rows])
            both = np.concatenate([rows, tested])
            folds = (np.arange(len(both)) >= n_labels).astype(np.int64)
            maps = [fit_metric(vectors[rows], data.labels[rows], kind=kind) for kind in KINDS]
            ways = [None, *maps, metric.reduction]
            right = [
                right_votes(
                    vectors[both] if way is None else way.apply(vectors[both]),
                    data.labels[both],
                    folds,
                    k=K,
                )[n_labels:].mean()
                for way in ways
            ]
            found.append([*right, metric.reduction is not None])
        *shares, adopted = np.mean(found, axis=0)
        cells = [f"{share:.1%}" for share in shares]
        print(f"| {n_labels} |", " | ".join(cells), f"| {adopted:.0%} |", flush=True)


def main() -> None:
    """Read the command line, and print what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("part", choices=["knn", "lab", "metric"])
    parser.add_argument("--only", default=",".join(SETS))
    parser.add_argument("--methods", default=",".join(one for one in METHODS if one != "umap"))
    parser.add_argument("--names", default="full,svd:16,svd:32,svd:64,svd:128,pca:64")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    for name in asked.only.split(","):
        data = replace(read_data(DATA / f"{SETS[name]}.npz"), name=name)
        if asked.part == "knn":
            print_knn(data, asked.methods.split(","))
        elif asked.part == "lab":
            n_full = data.embeddings.shape[1]
            names = [one for one in asked.names.split(",")
                     if one == FULL or int(one.partition(":")[2]) <= n_full]  # fmt: skip
            print_lab(data, names, asked.repeats, asked.out)
        else:
            print_metric(data)


if __name__ == "__main__":
    main()
