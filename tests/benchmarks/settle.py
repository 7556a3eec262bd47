"""What the settings of the classifiers, and centring and whitening, are worth: in labels.

    python -m tests.benchmarks.settle --out /tmp/settle.csv [--repeats 8] [--only mnist]

One setting is changed at a time, on the real sets of `AL_TEST_DATA`/embeddings, each balanced and
with a 1:16 geometric imbalance, pools of up to 2,500, 200 labels one at a time, chosen by `mass`
(propagated classifier) or `in_class` (nearest neighbours), and at random. Every variant sees the
same splits and streams. Printed are the differences to the settings as they are, in points of area
under the curve, and the labels that the variant needs where the settings as they are need 100: to
the accuracy that random sampling with these ends at, less a tenth of its gain.

Runs that are in the file are not run again.
"""

import argparse
import csv
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from al_server.campaign.neighbors import vote_width
from al_server.campaign.strategy import make_strategy
from al_server.lab.data import LabeledData, read_data
from al_server.lab.plan import Classifier, Plan
from al_server.lab.replay import make_track, replay
from al_server.lab.splits import Split, splits_of
from al_server.lab.statistics import area, difference, labels_to, share_of_gain
from tests.benchmarks.evidence import DATA, HOLDOUT, IMBALANCE, POOL, SETS, SHARE

Floats = NDArray[np.float64]
N_LABELS = 200
STANDARD = "as it is"
COLUMNS = ("classifier", "variant", "set", "strategy", "repeat", "curve")


@dataclass(frozen=True)
class Variant:
    """A classifier with something changed.

    Attributes
    ----------
    k : neighbours that vote
    smoothing : weight of the prior in the vote; None: as it is
    width : of the vote and of the links of the graph, in those as they are
    balance, prior : of the propagated classifier; None: as they are
    prepare : what is done to the embeddings
    """

    classifier: Classifier
    k: int = 10
    smoothing: float | None = None
    width: float = 1.0
    balance: float | None = None
    prior: float | None = None
    prepare: str = ""

    @property
    def strategies(self) -> tuple[str, str]:
        """What labels are chosen by."""
        return ("mass" if self.classifier == "propagated" else "in_class"), "uniform"


PREPARED = {"centred": "centre", "whitened": "whiten", "half whitened": "half"}
VARIANTS: dict[tuple[str, str], Variant] = {
    (one, name): Variant(one, **changed)
    for one, variants in {
        "knn": {
            STANDARD: {},
            "k = 5": {"k": 5},
            "k = 20": {"k": 20},
            "k = 40": {"k": 40},
            "width / 2": {"width": 0.5},
            "width x 2": {"width": 2.0},
            "smoothing / 4": {"smoothing": 0.025},
            "smoothing x 4": {"smoothing": 0.4},
        },
        "propagated": {
            STANDARD: {},
            "width / 2": {"width": 0.5},
            "width x 2": {"width": 2.0},
            "balance 0.5": {"balance": 0.5},
            "balance 1": {"balance": 1.0},
            "prior 0.1": {"prior": 0.1},
            "prior 1": {"prior": 1.0},
        },
    }.items()
    for name, changed in (
        variants | {told: {"prepare": how} for told, how in PREPARED.items()}
    ).items()
}  # type: ignore[misc]


def prepared(vectors: NDArray[np.float32], how: str) -> NDArray[np.float32]:
    """Centre or whiten, without labels; unit rows again."""
    if not how:
        return vectors
    centred = vectors - vectors.mean(axis=0, dtype=np.float64)
    if how != "centre":
        values, axes = np.linalg.eigh(np.cov(centred.T))
        spread = np.sqrt(np.maximum(values, 1e-3 * values.max()))
        centred = centred @ axes / spread ** (1.0 if how == "whiten" else 0.5)
    centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    return np.ascontiguousarray(centred, dtype=np.float32)


@lru_cache(maxsize=1)
def _data(name: str, how: str) -> LabeledData:
    data = read_data(DATA / f"{SETS[name]}.npz")
    return replace(data, embeddings=prepared(data.embeddings, how))


def _plan(name: str, *, is_imbalanced: bool, repeats: int) -> Plan:
    return Plan(
        repeats=repeats,
        budget=N_LABELS,
        holdout=HOLDOUT,
        by_group=name == "fruits",
        imbalance=IMBALANCE if is_imbalanced else None,
        most_in_pool=POOL,
        probe=False,
    )


@lru_cache(maxsize=1)
def _splits(name: str, is_imbalanced: bool, repeats: int) -> list[Split]:
    return splits_of(_plan(name, is_imbalanced=is_imbalanced, repeats=repeats), _data(name, ""))


@contextmanager
def _changed(variant: Variant) -> Iterator[None]:
    def width(lists: Any) -> float:
        return variant.width * vote_width(lists)

    changes: dict[str, Any] = {
        "al_server.lab.replay.vote_width": width,
        "al_server.lab.replay.SMOOTHING": variant.smoothing,
        "al_server.campaign.propagated.BALANCE": variant.balance,
        "al_server.campaign.propagated.PRIOR": variant.prior,
    }
    with ExitStack() as stack:
        for where, value in changes.items():
            if value is not None:
                stack.enter_context(patch(where, value))
        yield


def run(job: tuple[Variant, str, bool, int], repeat: int) -> dict[str, list[float]]:
    """Return the curve of each strategy."""
    variant, name, is_imbalanced, repeats = job
    plan = _plan(name, is_imbalanced=is_imbalanced, repeats=repeats)
    # splits first: both are kept, and both read the data
    split = _splits(name, is_imbalanced, repeats)[repeat]
    data = _data(name, variant.prepare)
    curves = {}
    with _changed(variant):
        track = make_track(data, split, seed=plan.seed, repeat=repeat)
        for strategy in variant.strategies:
            trace = replay(
                track,
                make_strategy(strategy),
                budget=N_LABELS,
                classifier=variant.classifier,
                k=variant.k,
            )
            curves[strategy] = [float(getattr(one, plan.shown)) for one in trace.qualities]
    return curves


def settings_of(only: list[str]) -> list[tuple[str, bool]]:
    """List sets, plain and imbalanced."""
    return [(name, imbalanced) for name in only for imbalanced in (False, True)]


def told(name: str, is_imbalanced: bool) -> str:
    """Return what tables call a set."""
    return name + (" 1:16" if is_imbalanced else "")


def run_all(options: argparse.Namespace) -> None:
    """Run what the file does not hold yet."""
    known = {row[:5] for row in read(options.out)}
    with (
        ProcessPoolExecutor(
            options.workers, mp_context=get_context("spawn"), initializer=_one_thread
        ) as executor,
        options.out.open("a", newline="") as stream,
    ):
        writer = csv.writer(stream, lineterminator="\n")
        futures = {}
        for name, is_imbalanced in settings_of(options.only):
            for (classifier, label), variant in VARIANTS.items():
                job = variant, name, is_imbalanced, options.repeats
                for repeat in range(options.repeats):
                    key = classifier, label, told(name, is_imbalanced)
                    if (*key, variant.strategies[0], str(repeat)) not in known:
                        futures[executor.submit(run, job, repeat)] = key, repeat
        for future in tqdm(as_completed(futures), total=len(futures), dynamic_ncols=True):
            key, repeat = futures[future]
            for strategy, curve in future.result().items():
                points = " ".join(f"{one:.5f}" for one in curve)
                writer.writerow([*key, strategy, repeat, points])
            stream.flush()


def _one_thread() -> None:
    import numba

    numba.set_num_threads(1)


def read(file: Path) -> list[tuple[str, ...]]:
    """Read the rows that are there."""
    if not file.exists():
        return []
    with file.open(newline="") as stream:
        return [tuple(row) for row in csv.reader(stream) if len(row) == len(COLUMNS)]


def print_table(file: Path) -> None:
    """Print the differences to the settings as they are."""
    curves: dict[tuple[str, ...], dict[int, Floats]] = {}
    for *key, repeat, points in read(file):
        found = curves.setdefault(tuple(key), {})
        found[int(repeat)] = np.array([float(one) for one in points.split()])
    sets = list(dict.fromkeys(key[2] for key in curves))
    print("| classifier | variant | chosen by |", " | ".join(sets), "| mean | labels |")
    print("|---|" + "---|" * (len(sets) + 4))
    for (classifier, label), variant in VARIANTS.items():
        if label != STANDARD:
            for strategy in variant.strategies:
                _print_row(curves, (classifier, label, strategy), sets)


def _print_row(
    curves: dict[tuple[str, ...], dict[int, Floats]], which: tuple[str, str, str], sets: list[str]
) -> None:
    classifier, label, strategy = which
    row, gains, ratios = [], [], []
    for one in sets:
        theirs = curves.get((classifier, label, one, strategy), {})
        standard = curves.get((classifier, STANDARD, one, strategy), {})
        random = curves.get((classifier, STANDARD, one, "uniform"), {})
        repeats = sorted(theirs.keys() & standard.keys() & random.keys())
        if len(repeats) < 2:
            row.append("")
            continue
        mine, before, drawn = (
            np.stack([each[repeat] for repeat in repeats]) for each in (theirs, standard, random)
        )
        n = np.arange(1, mine.shape[1] + 1)
        gain = difference(area(mine, n), area(before, n), seed=0)
        row.append(f"{100 * gain.mean:+.1f}" + ("*" if gain.low * gain.high > 0 else ""))
        gains.append(gain.mean)
        ratios.append(labels_to(share_of_gain(drawn, SHARE), mine, before, n, seed=0).ratio.mean)
    finite = [one for one in ratios if np.isfinite(one)]
    labels = f"{100 * np.exp(np.mean(np.log(finite))):.0f}" if finite else ""
    missed = f" ({len(ratios) - len(finite)} never)" if len(finite) < len(ratios) else ""
    mean = f"{100 * np.mean(gains):+.2f}" if gains else ""
    print(
        f"| {classifier} | {label} | `{strategy}` |",
        " | ".join(row),
        f"| {mean} | {labels}{missed} |",
    )


def main() -> None:
    """Run, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="file to keep the runs in")
    parser.add_argument("--repeats", type=int, default=8)
    parser.add_argument("--only", default=",".join(SETS), type=lambda text: text.split(","))
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--table", action="store_true", help="only print what is there")
    options = parser.parse_args()
    if not DATA.is_dir():
        raise SystemExit(f"{DATA} is missing; set AL_TEST_DATA to the folder of the real data")
    if not options.table:
        run_all(options)
    print_table(options.out)


if __name__ == "__main__":
    main()
