"""The evidence for the default strategy and classifier: every strategy on every real set.

    python -m tests.benchmarks.evidence --out /tmp/evidence [--only fruits,mnist] [--table]

All sets of `AL_TEST_DATA`/embeddings, each balanced and with a 1:16 geometric imbalance, from the
first label on, 200 labels (fruits, split by group: 400), pools of up to 2,500. Strategies below 10
ms a pick choose one at a time in 30 paired repeats; slower ones 10 at a time in 10 repeats; `vaal`
50 at a time in 3. All with the propagated classifier; those of `KNN` with the nearest-neighbour one
as well, so that what the strategy gains and what the classifier gains can be told apart.

It takes some hours on 2 cores, keeps every repeat, and goes on where it was stopped. `--table`
only prints the tables of what is there, as Markdown, and writes `evidence.csv`.
"""

import argparse
import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from al_server.lab.comparison import compare, files_in
from al_server.lab.data import LabeledData, read_data
from al_server.lab.plan import BASELINE, Classifier, Plan
from al_server.lab.ranking import rank
from al_server.lab.results import Results, gather
from al_server.lab.splits import Rows
from al_server.lab.statistics import (
    Curves,
    Estimate,
    area,
    difference,
    is_significant,
    labels_to,
    p_values,
    share_of_gain,
)

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("AL_TEST_DATA", ROOT.parent / "shared" / "data")) / "embeddings"
SETS = {
    "fruits": "fruits_mobilenetv2_1280",
    "cifar10": "cifar10_test_resnet32_64",
    "cifar10_train": "cifar10_train20k_resnet32_64",
    "mnist": "mnist_t10k_pca64",
    "sentiment": "sentiment140_minilm_384",
}
FAST = (
    "mass",
    "in_class",
    "cdf_product",
    "margin",
    "least_confidence",
    "entropy",
    "ratio",
    "density",
    "k_center",
    "k_center_robust",
    "coral",
    "badge",
    "cluster_margin",
    "contrastive",
    "power",
    "stratified_predictions",
)
SLOW = (
    "typiclust",
    "probcover",
    "discriminative",
    "dropquery",
    "batch_bald",
    "stratified_clusters",
)
KNN = ("mass", "in_class", "cdf_product", "margin")
IMBALANCE, POOL, HOLDOUT = 16.0, 2500, 0.25
SHARE, LABELS = 0.9, 200  # of what random sampling gains with so many labels
DEFAULT, ACCURACY = "mass", 0.9


class Job(NamedTuple):
    """One comparison of the evidence."""

    data: str
    is_imbalanced: bool
    part: str  # fast, slow, vaal, knn

    @property
    def folder(self) -> str:
        """Where its runs are kept."""
        return f"{self.setting}-{self.part}"

    @property
    def setting(self) -> str:
        """What tables call the set."""
        return self.data + (" 1:16" if self.is_imbalanced else "")

    def plan(self) -> Plan:
        """Say what is compared."""
        strategies, batch, repeats, classifier = _PARTS[self.part]
        return Plan(
            strategies=strategies,
            repeats=repeats,
            budget=400 if self.data == "fruits" else 200,
            batch=batch,
            holdout=HOLDOUT,
            by_group=self.data == "fruits",
            imbalance=IMBALANCE if self.is_imbalanced else None,
            most_in_pool=POOL,
            classifier=classifier,
            probe=False,
        )


_PARTS: dict[str, tuple[tuple[str, ...], int, int, Classifier]] = {
    "fast": (FAST, 1, 30, "propagated"),
    "knn": (KNN, 1, 30, "knn"),
    "slow": (SLOW, 10, 10, "propagated"),
    "vaal": (("vaal",), 50, 3, "propagated"),
}


class Cell(NamedTuple):
    """One arm on one set, against random sampling with the same classifier.

    Attributes
    ----------
    gain : in area under the curve, fractions of 1
    is_loss : beyond chance, by Wilcoxon's test alone
    is_win : beyond chance, by the same with Holm over the arms of the comparison
    ratio : of random's labels, to reach 90% of what random gains with 200
    reaches : whether it does, within 200; else the ratio is the least that it may be
    """

    area: float
    gain: Estimate
    is_loss: bool
    is_win: bool
    ratio: float
    reaches: bool
    select_ms: float


Board = dict[str, dict[str, Cell]]
"""By setting, then by arm."""


def jobs(only: list[str], parts: list[str]) -> list[Job]:
    """List the comparisons, the quickest first."""
    return [
        Job(data, is_imbalanced, part)
        for part in parts
        for data in SETS
        for is_imbalanced in (False, True)
        if data in only
    ]


def run(job: Job, data: LabeledData, out: Path) -> None:
    """Run what is not there yet."""
    with tqdm(desc=job.folder, unit="repeat", dynamic_ncols=True) as bar:

        def progress(n_done: int, n_all: int) -> None:
            bar.total = n_all
            bar.update(n_done - bar.n)

        compare(data, job.plan(), out=out / job.folder, progress=progress)


def results_of(job: Job, out: Path) -> Results | None:
    """Read the runs of a comparison; None where it is not finished."""
    plan = job.plan()
    runs = files_in(out / job.folder)[0].read()
    if len(runs) < len(plan.arms) * plan.repeats:
        return None
    return gather(runs, arms=plan.arms, repeats=list(range(plan.repeats)))


def cells_of(job: Job, results: Results) -> dict[str, Cell]:
    """Judge the arms of one comparison."""
    plan, n = job.plan(), results.n_labeled
    areas = {arm: area(results.curves[arm][plan.shown], n) for arm in plan.arms}
    early = n <= LABELS
    theirs = results.curves[BASELINE][plan.shown][:, early]
    target = share_of_gain(theirs, SHARE)
    others = [arm for arm in plan.arms if arm != BASELINE]
    nothing = Estimate(0, 0, 0)
    found = {BASELINE: Cell(areas[BASELINE].mean(), nothing, False, False, 1.0, True, 0.0)}
    tests = p_values([areas[arm] - areas[BASELINE] for arm in others])
    for arm, p in zip(others, tests, strict=True):
        gain = difference(areas[arm], areas[BASELINE], seed=0)
        # correction protects those who claim a win, not those who claim that there is no loss
        (alone,) = p_values([areas[arm] - areas[BASELINE]])
        ratio, reaches = ratio_to(
            target, results.curves[arm][plan.shown][:, early], theirs, n[early]
        )
        found[arm] = Cell(
            area=float(areas[arm].mean()),
            gain=gain,
            is_loss=is_significant(gain, alone) and gain.mean < 0,
            is_win=is_significant(gain, p) and gain.mean > 0,
            ratio=ratio,
            reaches=reaches,
            select_ms=1000 * float(np.median(results.seconds[arm])),
        )
    return found


def ratio_to(target: float, ours: Curves, theirs: Curves, n: Rows) -> tuple[float, bool]:
    """Return which share of the labels of the others is needed, and whether that is all of it."""
    found = labels_to(target, ours, theirs, n, seed=0)
    if found.labels is not None:
        return found.ratio.mean, True
    least = labels_to(target, theirs, theirs, n, seed=0).labels
    assert least is not None  # the target is a share of what they reach
    return float(n[-1]) / least, False


def read_board(parts: list[str], out: Path) -> Board:
    """Judge all that is finished."""
    board: Board = {}
    for job in jobs(list(SETS), parts):
        results = results_of(job, out)
        if results is not None:
            cells = cells_of(job, results)
            cells.pop(BASELINE) if job.setting in board else None
            board.setdefault(job.setting, {}).update(cells)
    return board


def print_board(board: Board) -> None:
    """Print gains in points; a star is a win beyond chance, an exclamation mark a loss."""
    arms = sorted({arm for cells in board.values() for arm in cells} - {BASELINE})
    whole = [arm for arm in arms if all(arm in cells for cells in board.values())]
    gains = {
        setting: {BASELINE: 0.0} | {arm: cells[arm].gain.mean for arm in whole}
        for setting, cells in board.items()
    }
    ranks = rank(gains).mean_ranks if len(board) > 1 and whole else {}
    order = sorted(arms, key=lambda arm: ranks.get(arm, np.inf))
    print("| strategy |", " | ".join(board), "| mean rank | losses | labels | ms |")
    print("|---|" + "---|" * (len(board) + 4))
    for arm in order:
        cells = {setting: one[arm] for setting, one in board.items() if arm in one}
        mean = _geometric([cell.ratio for cell in cells.values()])
        bound = "" if all(cell.reaches for cell in cells.values()) else "at least "
        row = [_cell(cells.get(setting)) for setting in board]
        n_losses = sum(cell.is_loss for cell in cells.values())
        ms = max(cell.select_ms for cell in cells.values())
        told = [f"{ranks[arm]:.1f}" if arm in ranks else "", str(n_losses), f"{bound}{mean:.2f}"]
        print("|", " | ".join([f"`{arm}`", *row, *told, f"{ms:.1f}"]), "|")


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return ""
    return f"{100 * cell.gain.mean:+.1f}" + ("*" if cell.is_win else "!" if cell.is_loss else "")


def print_both(out: Path) -> None:
    """Print what strategy and classifier gain, each alone and together, in labels."""
    head = f"random, propagated | in_class, knn | {DEFAULT}, propagated"
    print(f"| set | random, knn | {head} |")
    print("|---|---|---|---|---|")
    every: list[list[float]] = []
    for job in jobs(list(SETS), ["knn"]):
        results = results_of(job, out), results_of(job._replace(part="fast"), out)
        if results[0] is None or results[1] is None:
            continue
        metric, n = job.plan().shown, results[0].n_labeled
        early = n <= LABELS
        random = results[0].curves[BASELINE][metric][:, early]
        target = share_of_gain(random, SHARE)
        arms = [(1, BASELINE), (0, "in_class"), (1, DEFAULT)]
        found = [
            ratio_to(target, results[which].curves[arm][metric][:, early], random, n[early])  # type: ignore[union-attr]
            for which, arm in arms
        ]
        every.append([ratio for ratio, _ in found])
        told = (f"{'' if reaches else 'at least '}{ratio:.2f}" for ratio, reaches in found)
        print(f"| {job.setting} | 1 |", " | ".join(told), "|")
    if every:
        told = (f"{_geometric(ratios):.2f}" for ratios in zip(*every, strict=True))
        print("| geometric mean | 1 |", " | ".join(told), "|")


def print_criteria(board: Board, out: Path) -> None:
    """Print what the default was chosen by."""
    cells = [one[DEFAULT] for one in board.values() if DEFAULT in one]
    n_losses = sum(cell.is_loss for cell in cells)
    print(f"\n1. `{DEFAULT}` is beyond chance below random on {n_losses} of {len(cells)} sets")
    gains = {
        setting: {arm: cell.gain.mean for arm, cell in one.items() if arm != BASELINE}
        for setting, one in board.items()
    }
    common = set.intersection(*(set(one) for one in gains.values()))
    ranks = rank({setting: {arm: one[arm] for arm in common} for setting, one in gains.items()})
    best = sorted(ranks.mean_ranks.items(), key=lambda one: one[1])[:3]
    print(f"2. best mean ranks of {len(common)}:", ", ".join(f"`{a}` {r:.1f}" for a, r in best))
    fruits = Job("fruits", is_imbalanced=False, part="fast")
    results = results_of(fruits, out)
    if results is not None:
        ours, theirs = (results.curves[one]["accuracy"] for one in (DEFAULT, BASELINE))
        found = labels_to(ACCURACY, ours, theirs, results.n_labeled, seed=0)
        mean, low, high = found.ratio
        print(f"3. fruits, {ACCURACY:.0%} accuracy: {mean:.2f} ({low:.2f}-{high:.2f}) of random's")
    mean = _geometric([cell.ratio for cell in cells])
    print(f"   {SHARE:.0%} of what random gains with {LABELS}: {mean:.2f} of random's labels")


def _geometric(ratios: Sequence[float]) -> float:
    return float(np.exp(np.mean(np.log(ratios))))


def write_csv(boards: dict[str, Board], file: Path) -> None:
    """Write all numbers, one row a classifier, set and arm."""
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        header = ["classifier", "set", "strategy", "area", "gain", "low", "high", "verdict"]
        writer.writerow([*header, "labels_ratio", "select_ms"])
        for classifier, board in boards.items():
            for setting, cells in board.items():
                for arm, cell in cells.items():
                    verdict = "win" if cell.is_win else "loss" if cell.is_loss else ""
                    numbers: list[Any] = [cell.area, *cell.gain]
                    ends = [round(cell.ratio, 3), round(cell.select_ms, 2)]
                    rounded = [round(float(one), 5) for one in numbers]
                    writer.writerow([classifier, setting, arm, *rounded, verdict, *ends])


def main() -> None:
    """Run, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to keep the runs in")
    parser.add_argument("--only", default=",".join(SETS), help="sets, by comma")
    parser.add_argument("--parts", default=",".join(_PARTS), help="parts, by comma")
    parser.add_argument("--table", action="store_true", help="only print what is there")
    options = parser.parse_args()
    if not DATA.is_dir():
        raise SystemExit(f"{DATA} is missing; set AL_TEST_DATA to the folder of the real data")
    if not options.table:
        for job in jobs(options.only.split(","), options.parts.split(",")):
            if results_of(job, options.out) is None:
                run(job, read_data(DATA / f"{SETS[job.data]}.npz"), options.out)
    boards = {
        "propagated": read_board(["fast", "slow", "vaal"], options.out),
        "knn": read_board(["knn"], options.out),
    }
    for classifier, board in boards.items():
        if board:
            print(f"\nGain over random sampling, in points of area; classifier {classifier}\n")
            print_board(board)
    if len(boards["propagated"]) > 1:
        print_criteria(boards["propagated"], options.out)
    print("\nLabels to reach 90% of what random sampling gains with `knn`, against it\n")
    print_both(options.out)
    write_csv(boards, options.out / "evidence.csv")


if __name__ == "__main__":
    main()
