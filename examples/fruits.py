"""How fast do labels pay? Fresh and rotten fruits, the default strategy beside random sampling.

An oracle answers the questions of a real server one by one, over HTTP; after every answer the
server measures itself on a holdout. The pictures were augmented before they were published, so
pool and holdout are split by the photo that a picture was made from.

    python examples/fruits.py                  # embeds the pictures, 10 splits: some minutes
    python examples/fruits.py --from-embeddings --splits 2 --labels 50         # a quick look

It needs the pictures, weights and embeddings of the shared data: --data, or AL_TEST_DATA.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from curves import Curve, draw, write_curves
from numpy.typing import NDArray
from sklearn.model_selection import GroupShuffleSplit
from tqdm import tqdm

STRATEGIES = ("default", "uniform")
EMBEDDINGS = "embeddings/fruits_mobilenetv2_1280.npz"
PICTURES = "fruits/fruits_subsampled_224.tar"
WEIGHTS = "weights/mobilenetv2_100_timm_from_tf2ptq.pth"
EMBEDDER = "timm:mobilenetv2_100"
TEST_SHARE, TARGET = 0.2, 0.9
SHOWN_AT = (10, 20, 50, 100, 150, 200)


@dataclass(frozen=True)
class Fruits:
    """The table of the data set: one row a picture."""

    ids: NDArray[np.str_]
    groups: NDArray[np.str_]
    vectors: NDArray[np.float32]
    y: NDArray[np.int64]
    classes: list[str]

    def label(self, row: int) -> str:
        """Name of a row's class."""
        return self.classes[int(self.y[row])]


def read_fruits(data: Path) -> Fruits:
    with np.load(data / EMBEDDINGS) as file:
        vectors = file["X"].astype(np.float32)
        classes = [str(name) for name in file["classes"]]
        return Fruits(file["ids"], file["group"], vectors, file["y"], classes)


# -- the server and its campaigns ---------------------------------------------------------------


@contextmanager
def serving(folder: Path, root: Path) -> Iterator[httpx.Client]:
    """Run a server of our own on a free port."""
    command = Path(sys.executable).with_name("al-server")
    place = ["--port", "0", "--data", str(folder), "--root", str(folder), "--root", str(root)]
    with (folder / "server.log").open("a") as log:
        server = subprocess.Popen(
            [command, "serve", *place], stdout=subprocess.PIPE, stderr=log, text=True
        )
    assert server.stdout is not None
    try:
        url = server.stdout.readline().rpartition(" ")[2].strip()
        if not url:
            raise SystemExit(f"the server did not start; see {folder / 'server.log'}")
        with httpx.Client(base_url=url, timeout=600, trust_env=False) as client:
            yield client
    finally:
        server.terminate()
        server.wait()


def ask(client: httpx.Client, method: str, path: str, **content: Any) -> Any:
    answer = client.request(method, f"/api/v1/campaigns{path}", **content)
    if not answer.is_success:
        raise SystemExit(f"{method} {path}: {answer.text}")
    return answer.json()


class Splits:
    """Writes what a split needs into the server's folder: a pool without labels, a holdout with.

    Parameters
    ----------
    pictures : let the server embed the pictures; else it gets the ready embeddings
    """

    def __init__(self, fruits: Fruits, data: Path, folder: Path, *, pictures: bool) -> None:
        self._fruits, self._data, self._folder, self._pictures = fruits, data, folder, pictures
        if pictures and not (folder / "fruits").exists():
            print("unpacking the pictures", file=sys.stderr)
            aside = folder / "fruits.part"
            with tarfile.open(data / PICTURES) as archive:
                archive.extractall(aside, filter="data")
            aside.rename(folder / "fruits")

    def spec(self, number: int, pool: NDArray[np.int64], test: NDArray[np.int64]) -> dict[str, Any]:
        """Return what a campaign on this split asks for, but for its name and strategy."""
        # all picks are the strategy's: it is the one that is measured
        spec: dict[str, Any] = {"classes": self._fruits.classes, "seed": number, "random_share": 0}
        if not self._pictures:
            return {
                **spec,
                "source": {"kind": "npz", "path": self._arrays(f"pool-{number}", pool)},
                "holdout": self._arrays(f"holdout-{number}", test, labels=True),
            }
        return {
            **spec,
            "source": {"kind": "table", "path": self._table(f"pool-{number}", pool)},
            "holdout": self._table(f"holdout-{number}", test, labels=True),
            "embedder": EMBEDDER,
            "checkpoint": str(self._data / WEIGHTS),
        }

    def _arrays(self, name: str, rows: NDArray[np.int64], *, labels: bool = False) -> str:
        file = self._folder / f"{name}.npz"
        fruits = self._fruits
        arrays = {"X": fruits.vectors[rows], "ids": fruits.ids[rows]}
        if labels:
            arrays |= {"y": fruits.y[rows], "classes": np.array(fruits.classes)}
        np.savez(file, allow_pickle=False, **arrays)
        return str(file)

    def _table(self, name: str, rows: NDArray[np.int64], *, labels: bool = False) -> str:
        file = self._folder / f"{name}.csv"
        with file.open("w", encoding="utf-8", newline="") as stream:
            table = csv.writer(stream)
            table.writerow(["id", "image", "label"] if labels else ["id", "image"])
            for row in rows:
                name = self._fruits.ids[row]
                known = [self._fruits.label(row)] if labels else []
                table.writerow([name, f"fruits/{name}", *known])
        return str(file)


def make(client: httpx.Client, name: str, strategy: str, spec: dict[str, Any]) -> None:
    """Make a campaign; the first one on pictures embeds them, the others find the vectors kept."""
    ask(client, "POST", "", json={**spec, "name": name, "strategy": strategy})
    with tqdm(total=100, unit="%", leave=False, delay=3) as bar:
        while (info := ask(client, "GET", f"/{name}"))["state"] == "preparing":
            bar.set_description_str(info["message"], refresh=False)
            bar.update(round(100 * info["progress"], 1) - bar.n)
            time.sleep(0.2)
    if info["state"] == "failed" or info["n_failures"]:
        raise SystemExit(f"{name}: {info['error'] or info['failures']}")


def label(client: httpx.Client, name: str, truth: dict[str, str], n_labels: int) -> Curve:
    """Answer what the server asks, one by one; return its accuracy after each answer."""
    for _ in range(n_labels):
        (sample,) = ask(client, "GET", f"/{name}/next", params={"annotator": "oracle"})["samples"]
        sample_id = sample["sample_id"]
        answer = {"sample_id": sample_id, "label": truth[sample_id], "annotator": "oracle"}
        ask(client, "POST", f"/{name}/labels", json={"labels": [answer]})
    curve = ask(client, "GET", f"/{name}/progress")["curve"]
    assert [point["n_labeled"] for point in curve] == list(range(1, n_labels + 1))
    return np.array([point["accuracy"] for point in curve])


# -- the experiment -----------------------------------------------------------------------------


def run(fruits: Fruits, options: argparse.Namespace, folder: Path) -> dict[str, list[Curve]]:
    """Return a curve for every split, by strategy."""
    splits = Splits(fruits, options.data, folder, pictures=not options.from_embeddings)
    truth = {str(name): fruits.label(row) for row, name in enumerate(fruits.ids)}
    shuffled = GroupShuffleSplit(options.splits, test_size=TEST_SHARE, random_state=options.seed)
    curves: dict[str, list[Curve]] = {strategy: [] for strategy in STRATEGIES}
    started = int(time.time())  # a kept folder holds the campaigns of earlier runs
    n_all = options.splits * len(STRATEGIES)
    with serving(folder, options.data) as client, tqdm(total=n_all, unit="campaign") as bar:
        for number, (pool, test) in enumerate(shuffled.split(fruits.ids, groups=fruits.groups)):
            spec = splits.spec(number, pool, test)
            for strategy in STRATEGIES:
                name = f"fruits-{strategy}-{number}-{started}"
                make(client, name, strategy, spec)
                curves[strategy].append(label(client, name, truth, options.labels))
                bar.set_postfix_str(f"{strategy} {curves[strategy][-1][-1]:.1%}")
                bar.update()
    return curves


def labels_needed(curves: Sequence[Curve]) -> int | None:
    """After how many labels the mean accuracy is at the target for the first time."""
    reached = np.flatnonzero(np.mean(curves, axis=0) >= TARGET)
    return int(reached[0]) + 1 if len(reached) else None


def summary(curves: dict[str, list[Curve]], n_labels: int) -> dict[str, float | int | None]:
    found: dict[str, float | int | None] = {"splits": len(curves["default"]), "labels": n_labels}
    for strategy, each in curves.items():
        found[f"{strategy}_at_{n_labels}"] = round(float(np.mean(each, axis=0)[-1]), 4)
        found[f"{strategy}_area"] = round(float(np.mean(each)), 4)
        found[f"{strategy}_labels_to_{100 * TARGET:.0f}"] = labels_needed(each)
    return found


def print_table(curves: dict[str, list[Curve]], n_labels: int) -> None:
    counts = [n for n in SHOWN_AT if n < n_labels] + [n_labels]
    print(f"{'labels':12}" + "".join(f"{n:>14}" for n in counts) + f"{f'to {TARGET:.0%}':>10}")
    for strategy, each in curves.items():
        cells = (
            f"{np.mean(each, axis=0)[n - 1]:.1%} ± {np.std(each, axis=0)[n - 1]:.1%}"
            for n in counts
        )
        needed = labels_needed(each) or "-"
        print(f"{strategy:12}" + "".join(f"{cell:>14}" for cell in cells) + f"{needed:>10}")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    shared = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("AL_TEST_DATA", shared)),
        help="the folder of shared data [%(default)s]",
    )
    parser.add_argument(
        "--work", type=Path, help="the server's data folder; a kept one saves embedding [temporary]"
    )
    parser.add_argument("--splits", type=int, default=10, help="[%(default)s]")
    parser.add_argument("--labels", type=int, default=200, help="for each campaign [%(default)s]")
    parser.add_argument("--seed", type=int, default=0, help="of the splits [%(default)s]")
    parser.add_argument("--from-embeddings", action="store_true", help="do not embed the pictures")
    parser.add_argument(
        "--out", type=Path, help="folder for fruits.csv and fruits.svg [--work, or here]"
    )
    options = parser.parse_args(arguments)
    options.data = options.data.resolve()
    if not (options.data / EMBEDDINGS).is_file():
        parser.error(f"no {EMBEDDINGS} in {options.data}: give --data or set AL_TEST_DATA")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.work or temporary).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        curves = run(read_fruits(options.data), options, folder)
    out = options.out or options.work or Path()
    out.mkdir(parents=True, exist_ok=True)
    write_curves(curves, out / "fruits.csv")
    draw(curves, out / "fruits.svg")
    print_table(curves, options.labels)
    print(f"curves: {out / 'fruits.csv'} and {out / 'fruits.svg'}")
    found = summary(curves, options.labels)
    print(json.dumps({**found, "seconds": round(time.monotonic() - began)}))


if __name__ == "__main__":
    main()
