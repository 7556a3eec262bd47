"""Does a filter help the model that is trained on what it keeps?

    python -m tests.benchmarks.filters_help               # 20,000 CIFAR-10 images, all filters
    python -m tests.benchmarks.filters_help --n 2000      # a subset, for a look

Filters keep 90, 80 and 50% of the 20,000 CIFAR-10 training images (64 numbers of ResNet32), plain,
`per_class` by the known classes, and `per_class` by predicted ones: those that the 5 nearest of 500
random labeled images vote for. A small head (64 - 128 - 10, Adam, 20 epochs) and the linear probe
of the lab are trained on what is kept, and asked about the 10,000 test images. Filters are
deterministic: the head is trained with 5 seeds; `random` keeps 5 random sets, one for each seed.
`difference` is to random, in points, `*` where its mean over the seeds is more than two standard
errors from zero. The net has seen the training images, not the test images.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from al_server.lab.data import LabeledData
from al_server.lab.probe import probe
from al_server.lab.splits import Split
from strategies.filters import registry
from strategies.filters.nearest import points_from
from strategies.filters.points import Points
from strategies.tie_keys import tie_keys

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("AL_TEST_DATA", ROOT.parent / "shared" / "data")) / "embeddings"
TRAIN, TEST = "cifar10_train20k_resnet32_64.npz", "cifar10_test_resnet32_64.npz"
FILTERS = ("adjacency", "coreset", "outliers", "similars", "uniqueness")
PLAIN = ("divide_and_conquer", "semantic_dedup", "vaal")  # not class by class: they part or learn
KEPT = (0.9, 0.8, 0.5)
SEEDS = range(5)
N_LABELED, N_VOTES = 500, 5
HIDDEN, EPOCHS, BATCH, RATE = 128, 20, 512, 4e-3


class Labeled(NamedTuple):
    """Unit rows and the class of each."""

    vectors: NDArray[np.float32]
    classes: NDArray[np.int64]


class Outcome(NamedTuple):
    """Accuracy of the heads, one a seed, and of the linear probes, on the test images."""

    head: list[float]
    linear: list[float]


def load(name: str, n: int | None) -> Labeled:
    """Read a set, the first n of a random order."""
    with np.load(DATA / name) as arrays:
        vectors, classes = arrays["X"].astype(np.float32), arrays["y"].astype(np.int64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = np.sort(np.random.default_rng(0).permutation(len(vectors))[:n])
    return Labeled(vectors[rows], classes[rows])


def predicted(train: Labeled) -> NDArray[np.int64]:
    """Guess the classes from a few labels."""
    from sklearn.neighbors import KNeighborsClassifier

    rows = np.random.default_rng(1).choice(len(train.vectors), N_LABELED, replace=False)
    model = KNeighborsClassifier(N_VOTES, metric="cosine", algorithm="brute")
    model.fit(train.vectors[rows], train.classes[rows])
    return np.asarray(model.predict(train.vectors), np.int64)


def keeps(points: Points, text: str) -> Iterator[tuple[float, NDArray[np.int64]]]:
    """Yield what a filter keeps, as rows that were given."""
    n = len(points.order)
    tree = registry.make(text).build(points)
    for share in KEPT:
        removed = tree.remove(np.ones(n, bool), n - round(share * n))
        yield share, np.delete(points.order, removed.rows)


def heads(train: Labeled, test: Labeled, sets: list[NDArray[np.int64]]) -> list[float]:
    """Train a small head on each set, all at once, and return their accuracies."""
    import torch

    n, d = len(sets), train.vectors.shape[1]
    rows = torch.from_numpy(np.stack(sets))
    scale = float(np.sqrt(d))  # numbers of size 1
    x, y = torch.from_numpy(train.vectors * scale), torch.from_numpy(train.classes)
    generators = [torch.Generator().manual_seed(seed) for seed in SEEDS]

    def drawn(*shape: int) -> Any:
        bound = shape[0] ** -0.5
        some = [torch.rand(shape, generator=one) * 2 * bound - bound for one in generators]
        return torch.stack(some).requires_grad_()

    first, second = drawn(d, HIDDEN), drawn(HIDDEN, 10)
    shifts = [torch.zeros(n, 1, width, requires_grad=True) for width in (HIDDEN, 10)]
    optimizer = torch.optim.Adam([first, second, *shifts], lr=RATE)

    def logits(shown: Any) -> Any:
        return (shown @ first + shifts[0]).relu() @ second + shifts[1]

    for _ in range(EPOCHS):
        order = torch.stack([torch.randperm(rows.shape[1], generator=one) for one in generators])
        shuffled = rows.gather(1, order)
        for start in range(0, rows.shape[1], BATCH):
            batch = shuffled[:, start : start + BATCH]
            optimizer.zero_grad()
            losses = torch.nn.functional.cross_entropy(
                logits(x[batch]).flatten(0, 1), y[batch].flatten(), reduction="sum"
            )
            (losses / batch.shape[1]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    with torch.no_grad():
        guessed = logits(torch.from_numpy(test.vectors * scale)).argmax(2).numpy()
    return [float(share) for share in (guessed == test.classes).mean(axis=1)]


def judge(train: Labeled, test: Labeled, sets: list[NDArray[np.int64]]) -> Outcome:
    """Train on each set, or on the only one with every seed."""
    found = heads(train, test, sets * (len(SEEDS) // len(sets)))
    return Outcome(found, [linear(train, test, rows) for rows in sets])


def linear(train: Labeled, test: Labeled, rows: NDArray[np.int64]) -> float:
    """Fit the lab's linear model."""
    n = len(train.vectors)
    data = LabeledData(
        embeddings=np.concatenate([train.vectors, test.vectors]),
        labels=np.concatenate([train.classes, test.classes]),
        classes=tuple("0123456789"),
        name="cifar10",
    )
    split = Split(pool=np.arange(n), holdout=np.arange(n, n + len(test.vectors)))
    return probe(data, split, rows, [len(rows)]).qualities[0].accuracy


def measure(
    train: Labeled, test: Labeled, filters: Sequence[str]
) -> dict[str, dict[float, Outcome]]:
    """Judge every filter at every share."""
    rng = np.random.default_rng(2)
    n = len(train.vectors)
    table = {"all": {1.0: judge(train, test, [np.arange(n)])}, "random": {}}
    for share in KEPT:
        sets = [np.sort(rng.permutation(n)[: round(share * n)]) for _ in SEEDS]
        table["random"][share] = judge(train, test, sets)
    ids = tie_keys(str(row) for row in range(n))
    kinds = {"": None, "per_class": train.classes, "predicted": predicted(train)}
    for kind, classes in kinds.items():
        points = points_from(train.vectors, ids, classes=classes)
        for name in filters:
            if kind and name in PLAIN:
                continue
            text = f"per_class?filter={name}" if kind else name
            began = time.perf_counter()
            shown = f"{name}, {kind}" if kind else name
            table[shown] = {
                share: judge(train, test, [rows]) for share, rows in keeps(points, text)
            }
            print(f"{shown}: {time.perf_counter() - began:.0f} s", flush=True)
    return table


def difference(outcome: Outcome, random: Outcome) -> str:
    """Write the points between two heads."""
    gaps = 100 * (np.array(outcome.head) - np.array(random.head))
    error = gaps.std(ddof=1) / np.sqrt(len(gaps))
    return f"{gaps.mean():+.2f}{'*' if abs(gaps.mean()) > 2 * error else ''}"


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=None, help="training images [all]")
    known = [*FILTERS, *PLAIN]
    parser.add_argument("--filters", nargs="+", default=known, choices=known)
    asked = parser.parse_args()
    if not DATA.is_dir():
        raise SystemExit(f"{DATA} is missing; set AL_TEST_DATA to the folder of the real data")
    table = measure(load(TRAIN, asked.n), load(TEST, None), asked.filters)
    everything = table.pop("all")[1.0]
    print(f"all: head {np.mean(everything.head):.2%}, linear {np.mean(everything.linear):.2%}\n")
    print("| kept by | " + " | ".join(f"{share:.0%}: head, linear" for share in KEPT) + " |")
    print("|---|" + "---|" * len(KEPT))
    for name, outcomes in table.items():
        cells = []
        for share, outcome in outcomes.items():
            gap = "" if name == "random" else f" ({difference(outcome, table['random'][share])})"
            cells.append(f"{np.mean(outcome.head):.2%}{gap}, {np.mean(outcome.linear):.2%}")
        print(f"| {name} | " + " | ".join(cells) + " |")
    losers = [
        f"{name} {gap}"
        for name, rows in table.items()
        if name.endswith("per_class")
        and (gap := difference(rows[0.5], table["random"][0.5])).startswith("-")
        and gap.endswith("*")
    ]
    print(f"\nper_class at 50% loses to random: {', '.join(losers) or 'nowhere'}")
    print(
        json.dumps({name: {str(s): one for s, one in rows.items()} for name, rows in table.items()})
    )


if __name__ == "__main__":
    main()
