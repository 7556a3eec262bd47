"""The literature's two experiments: fruits and tweets, 16 folds, the product of ranks and random.

Fresh and rotten fruits as 1,280 numbers of MobileNet-V2, tweets as 384 of MiniLM; one label at a
time; the default strategy and classifier, the plain product of ranks (`cdf_product`) with the
nearest-neighbour classifier it was published with, and random sampling with both. Folds of the
fruits keep pictures of one photo together: at random, copies of holdout pictures would be in the
pool.

    python examples/literature.py fruits --out /tmp/fruits
    python examples/literature.py tweets --out /tmp/tweets
    python examples/literature.py fruits --out /tmp/quick --folds 2 --budget 30     # a quick look

Stopped and started again, it goes on. Each folder below --out holds a whole report. It needs the
embeddings of the shared data: --data, or AL_TEST_DATA.
"""

import argparse
import os
from pathlib import Path

import numpy as np
from curves import Curve, draw
from tqdm import tqdm

from al_server.lab import Comparison, Plan, compare

FILES = {"fruits": "fruits_mobilenetv2_1280.npz", "tweets": "sentiment140_minilm_384.npz"}
BUDGETS = {"fruits": 400, "tweets": 200}
SHOWN_AT = (10, 20, 50, 100, 200, 300, 400)
ARMS = {
    "propagated": ("default", "cdf_product"),
    "knn": ("in_class", "cdf_product"),
}
DRAWN = ("default, propagated", "uniform, propagated", "cdf_product, knn", "uniform, knn")


def run(name: str, options: argparse.Namespace) -> dict[str, Comparison]:
    """Compare by both classifiers."""
    found = {}
    for classifier, strategies in ARMS.items():
        plan = Plan(
            strategies=strategies,
            repeats=options.folds,
            folds=options.folds,
            by_group=name == "fruits",
            budget=options.budget or BUDGETS[name],
            classifier=classifier,
            probe=False,
        )
        with tqdm(desc=f"{name}, {classifier}", unit="fold", dynamic_ncols=True) as bar:

            def progress(n_done: int, n_all: int, bar: "tqdm[None]" = bar) -> None:
                bar.total = n_all
                bar.update(n_done - bar.n)

            data = options.data / "embeddings" / FILES[name]
            found[classifier] = compare(data, plan, out=options.out / classifier, progress=progress)
    return found


def curves_of(found: dict[str, Comparison]) -> dict[str, list[Curve]]:
    """Return the accuracy after 1, 2, ... labels, by arm, of each fold."""
    points: dict[tuple[str, int], list[float]] = {}
    for classifier, comparison in found.items():
        for point in comparison.curves:  # in the order of the labels
            run = f"{point['arm']}, {classifier}", point["repeat"]
            points.setdefault(run, []).append(point["accuracy"])
    curves: dict[str, list[Curve]] = {}
    for (arm, _), accuracies in points.items():
        curves.setdefault(arm, []).append(np.array(accuracies))
    return curves


def print_table(curves: dict[str, list[Curve]]) -> None:
    """Print mean accuracies as Markdown."""
    last = min(len(curve) for each in curves.values() for curve in each)
    shown = [n for n in SHOWN_AT if n <= last]
    print("| mean accuracy after |", " | ".join(map(str, shown)), "labels |")
    print("|---|" + "---|" * len(shown))
    for arm, each in curves.items():
        means = (np.mean([curve[n - 1] for curve in each]) for n in shown)
        print(f"| {arm} |", " | ".join(f"{100 * mean:.1f}%" for mean in means), "|")


def main() -> None:
    """Run an experiment, print its table, draw its curves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiment", choices=FILES)
    parser.add_argument("--out", type=Path, required=True, help="folder for runs and reports")
    parser.add_argument("--data", type=Path, default=os.environ.get("AL_TEST_DATA"))
    parser.add_argument("--folds", type=int, default=16)
    parser.add_argument("--budget", type=int, default=None, help="labels; default: 400 or 200")
    options = parser.parse_args()
    if options.data is None or not Path(options.data).is_dir():
        raise SystemExit("name the folder of the shared data: --data, or AL_TEST_DATA")
    options.data = Path(options.data)
    found = run(options.experiment, options)
    curves = curves_of(found)
    print_table(curves)
    draw({arm: curves[arm] for arm in DRAWN}, options.out / "curves.svg")
    for classifier, comparison in found.items():
        print(f"{classifier}: {comparison.report.verdict.headline}")


if __name__ == "__main__":
    main()
