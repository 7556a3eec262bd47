"""What networks learn from images alone: neighbours' accuracy over the minutes of a training.

    python -m tests.benchmarks.self_supervised --out DIR [--only cifar10,fruits] [--minutes 60]
        [--method barlow_twins] [--backbone small:16] [--fruit-epochs 2]

`cifar10`: from random weights on 10,000 images of 32 x 32 pixels, beside principal components of
their pixels. `fruits`: MobileNet-V2, adapted to the fruits, before and after. Accuracy is of 5
nearest neighbours by cosine, mean of 10 splits (80/20; fruits by group). Labels are seen by these
figures alone, never by a training. Prints Markdown tables and writes curves (.svg, .csv). A run
that was cut off goes on; points of the curve before the cut are in the .csv.
"""

import argparse
import csv
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from al_server.lab.chart import WIDTH, Drawing, Label, Shape
from al_server.lab.svg import standalone_svg
from embeddings.embedder import embed_all
from embeddings.image_network import unit_rows
from embeddings.images import load_image
from embeddings.reduction_fit import fit_reduction
from embeddings.self_supervised.backbone import Backbone, build
from embeddings.self_supervised.embedder import SelfSupervisedEmbedder
from embeddings.self_supervised.settings import ADAPTING_BATCH, ADAPTING_RATE, Settings
from embeddings.self_supervised.train import train
from embeddings.self_supervised.training import Training
from embeddings.timm_embedder import TimmEmbedder
from tests.benchmarks.neighbors_vote import accuracy

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("AL_TEST_DATA", ROOT.parent / "shared" / "data"))
MOBILENET = DATA / "weights" / "mobilenetv2_100_timm_from_tf2ptq.pth"
WIDTHS = (64, 128)
K = 5
_LEFT, _RIGHT, _TOP, _BOTTOM, _HEIGHT = 60, 200, 30, 50, 360


class Images(NamedTuple):
    """Image files with what only the figures may see.

    Attributes
    ----------
    labels : int64 array of shape (n,)
    groups : array of shape (n,), held out as a whole, or None
    """

    paths: list[Path]
    labels: NDArray[np.int64]
    groups: NDArray[np.str_] | None

    def accuracy(self, vectors: NDArray[np.float32]) -> float:
        """Share of the held-out images that their neighbours call right, in percent."""
        return 100 * float(np.mean(accuracy(vectors, self.labels, k=K, groups=self.groups)))


def cifar10(folder: Path) -> Images:
    if not (folder / "test").is_dir():
        with zipfile.ZipFile(DATA / "cifar10" / "cifar10_test_10000_jpg.zip") as archive:
            archive.extractall(folder)
    paths = sorted(folder.rglob("*.jpg"))
    labels = np.unique([path.parent.name for path in paths], return_inverse=True)[1]
    return Images(paths, labels.astype(np.int64), None)


def fruits(folder: Path) -> Images:
    if not folder.is_dir():
        with tarfile.open(DATA / "fruits" / "fruits_subsampled_224.tar") as archive:
            archive.extractall(folder, filter="data")
    with np.load(DATA / "embeddings" / "fruits_mobilenetv2_1280.npz") as known:
        ids, labels, groups = known["ids"], known["y"], known["group"]
    tops = [path for path in [folder, *folder.rglob("*")] if (path / ids[0]).is_file()]
    return Images([tops[0] / str(name) for name in ids], labels, groups)


def pixel_components(images: Images, n: int) -> dict[str, NDArray[np.float32]]:
    """Principal components of the pixels, as they are, whitened, and whitened in part."""
    pixels = np.stack([np.asarray(load_image(path), np.float32).ravel() for path in images.paths])
    pixels -= pixels.mean(axis=0)
    variances, components = np.linalg.eigh(pixels.T @ pixels / len(pixels))
    variances, projected = variances[::-1][:n], pixels @ components[:, ::-1][:, :n]
    return {
        "PCA": projected,
        "PCA, whitened": projected / np.sqrt(variances),
        "PCA, whitened in part": projected / np.sqrt(variances + variances.mean()),
    }


def curve_writer(
    images: Images, file: Path, read: Callable[[Training], NDArray[np.float32]]
) -> Callable[[Training], None]:
    """Return what measures the network at every look, and appends to a file."""

    def measure(training: Training) -> None:
        look = training.looks[-1]
        found = images.accuracy(read(training))
        row = [look.seconds / 60, look.epoch, look.effective_rank, look.kept, found]
        with file.open("a", newline="") as stream:
            csv.writer(stream).writerow([f"{number:.4f}" for number in row])
        print(
            f"{row[0]:6.1f} min, epoch {row[1]:6.1f}, loss {look.loss:8.2f}, rank {row[2]:5.1f}, "
            f"kept {row[3]:.3f}, accuracy {found:.2f}",
            flush=True,
        )

    return measure


def reduced(training: Training, n: int) -> NDArray[np.float32]:
    features = unit_rows(training.features(np.arange(len(training.pixels))))
    return fit_reduction(f"pca_whiten:{n}", features, seed=0).apply(features)


def run_cifar10(out: Path, *, method: str, backbone: str, minutes: float) -> None:
    images = cifar10(out / "cifar10")
    print("| vectors | 64 | 128 |\n|---|---|---|", flush=True)
    baselines = {n: pixel_components(images, n) for n in WIDTHS}
    best = {}
    for name in baselines[WIDTHS[0]]:
        found = [images.accuracy(baselines[n][name]) for n in WIDTHS]
        best[name] = found[-1]
        print(f"| pixels, {name} | {found[0]:.1f} | {found[1]:.1f} |", flush=True)
    folder, file = out / f"cifar10_{method}", out / f"cifar10_{method}.csv"
    report = train(
        images.paths, folder, backbone=build(backbone, image_size=32, start=None),
        settings=Settings(method=method, minutes=minutes), reduce="pca_whiten:128",  # type: ignore[arg-type]
        on_look=curve_writer(images, file, lambda training: reduced(training, WIDTHS[-1])),
    )  # fmt: skip
    shorter = images.accuracy(reduced(report.training, WIDTHS[0]))
    whole = images.accuracy(
        embed_all(SelfSupervisedEmbedder(folder), images.paths, cache=None).vectors
    )
    n_epochs, minutes = round(report.training.epoch), report.training.seconds / 60
    print(f"| {method} {backbone}, {n_epochs} epochs, {minutes:.1f} minutes "
          f"| {shorter:.1f} | {whole:.1f} |")  # fmt: skip
    draw(file, out / f"cifar10_{method}.svg", "CIFAR-10, 10,000 images", best)


def run_fruits(out: Path, *, method: str, epochs: int) -> None:
    images = fruits(out / "fruits")
    before = embed_all(
        TimmEmbedder("mobilenetv2_100", checkpoint=MOBILENET), images.paths, cache=None
    )
    start = images.accuracy(before.vectors)
    print(f"| vectors | fruits |\n|---|---|\n| MobileNet-V2 | {start:.2f} |", flush=True)
    folder = out / f"fruits_{method}"
    settings = Settings(
        method=method, epochs=epochs, minutes=None, batch_size=ADAPTING_BATCH,  # type: ignore[arg-type]
        learning_rate=ADAPTING_RATE, freeze_norms=True,
    )  # fmt: skip
    report = train(images.paths, folder, backbone=mobilenet(), settings=settings)
    after = images.accuracy(
        embed_all(SelfSupervisedEmbedder(folder), images.paths, cache=None).vectors
    )
    print(f"| the same, {method}, {epochs} epochs, {report.training.seconds / 60:.1f} minutes "
          f"| {after:.2f} |")  # fmt: skip


def mobilenet() -> Backbone:
    return build("mobilenetv2_100", image_size=None, start=MOBILENET)


def draw(file: Path, out: Path, title: str, levels: dict[str, float]) -> None:
    """Draw accuracy over minutes, and a dashed line for each level to compare with."""
    with file.open(newline="") as stream:
        rows = [[float(number) for number in row] for row in csv.reader(stream)]
    minutes, found = [row[0] for row in rows], [row[4] for row in rows]
    low = 5 * int(min([*found, *levels.values()]) // 5)
    high = 5 * (int(max([*found, *levels.values()]) // 5) + 1)
    wide, tall = WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def at(minute: float, percent: float) -> tuple[float, float]:
        x = _LEFT + wide * minute / max(minutes)
        return x, _TOP + tall * (high - percent) / (high - low)

    shapes = [Shape("line", [at(*point) for point in zip(minutes, found, strict=True)], color=0)]
    x, y = at(minutes[-1], found[-1])
    labels = [Label((x + 8, y + 4), f"learned {found[-1]:.1f}", color=0)]
    for percent in range(low, high + 1, 5):
        shapes.append(Shape("grid", [at(0, percent), at(max(minutes), percent)]))
        labels.append(Label((_LEFT - 8, at(0, percent)[1] + 4), f"{percent}%", anchor="end"))
    for number, (name, level) in enumerate(levels.items(), 1):
        shapes.append(Shape("line", [at(0, level), at(max(minutes), level)], number, dashed=True))
        labels.append(Label((x + 8, at(0, level)[1] + 4), f"{name} {level:.1f}", color=number))
    for part in range(5):
        minute = max(minutes) * part / 4
        place = (at(minute, low)[0], _HEIGHT - 25)
        labels.append(Label(place, f"{minute:.0f}", anchor="middle"))
    labels.append(Label((_LEFT + wide / 2, _HEIGHT - 5), "minutes", anchor="middle"))
    labels.append(Label((_LEFT, 18), f"{title}: accuracy of 5 neighbours, 128 dimensions"))
    out.write_text(standalone_svg(Drawing(shapes, labels, _HEIGHT), title=title), "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", default="cifar10,fruits")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--method", default="barlow_twins")
    parser.add_argument("--backbone", default="small")
    parser.add_argument("--fruit-epochs", type=int, default=2)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    if "cifar10" in asked.only:
        run_cifar10(asked.out, method=asked.method, backbone=asked.backbone, minutes=asked.minutes)
    if "fruits" in asked.only:
        run_fruits(asked.out, method=asked.method, epochs=asked.fruit_epochs)


if __name__ == "__main__":
    main()
