"""Planted copies found again, beside peers: `python -m tests.benchmarks.near_duplicates`.

200 altered copies, of 200 different pictures, are planted among the others: 50 crops (80-95% of the
side, anywhere, bicubic back to size), 50 mirrored, 50 JPEGs (quality 10-50), 50 of another
brightness (x 0.6-1.4). They are written as PNG, so that nothing else is done to them. Recall is the
share of the planted pairs that is reported, precision the share of the reported pairs that was
planted: what the sets hold of natural near-duplicates counts as wrong.

Sets: the CIFAR-10 test images with vectors by ResNet32, and the fruits, one image a group, with
vectors by MobileNet-V2. The threshold is frozen: `--choose` shows how it was chosen, on CIFAR-10
training images. Peers: cleanvision, in the `--environment` of `make bench-peers`; fastdup wants
an older numpy, and so `--fastdup-environment`, one of its own. The last line is JSON.
"""

import argparse
import io
import json
import os
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from tests.benchmarks import peers
from tests.conftest import ROOT

N_EACH = 50
PRECISIONS = (0.5, 0.63, 0.8, 0.9, 0.95)
RESNET32 = f"{ROOT / 'examples' / 'resnet32_cifar10.py'}:ResNet32?layer=pool"
SEEDS = {"cifar10": 0, "fruits": 0, "choose": 100}


class Planted(NamedTuple):
    """Pictures in a folder, copies last, and which is a copy of which."""

    folder: Path
    names: list[str]
    vectors: NDArray[np.float32]
    originals: NDArray[np.int64]


class Found(NamedTuple):
    """Pairs, each once, with a score; `told` says by what."""

    rows: NDArray[np.int64]
    scores: NDArray[np.float64]
    ms_an_image: float
    told: str
    frozen: float | None = None


def cropped(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    share = rng.uniform(0.8, 0.95)
    width, height = (round(side * share) for side in image.size)
    left = int(rng.integers(0, image.width - width + 1))
    top = int(rng.integers(0, image.height - height + 1))
    part = image.crop((left, top, left + width, top + height))
    return part.resize(image.size, Image.Resampling.BICUBIC)


def mirrored(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return ImageOps.mirror(image)


def recompressed(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=int(rng.integers(10, 51)))
    return Image.open(file).convert("RGB")


def lighter(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    factor = rng.uniform(0.6, 1.4)
    return image.point(lambda value: min(255, value * factor))


ALTERED = (cropped, mirrored, recompressed, lighter)


def plant(name: str, data: Path, folder: Path) -> Planted:
    """Unpack a set, plant copies, and embed them as the others were."""
    names, vectors = (_fruits if name == "fruits" else _cifar10)(data, folder, name)
    rng = np.random.default_rng(SEEDS[name])
    originals = rng.choice(len(names), N_EACH * len(ALTERED), replace=False)
    (folder / "copy").mkdir()
    copies = []
    for number, row in enumerate(originals):
        alter = ALTERED[number // N_EACH]
        copies.append(f"copy/{alter.__name__}_{number:03d}.png")
        with Image.open(folder / names[row]) as image:
            alter(image.convert("RGB"), rng).save(folder / copies[-1])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    some = [folder / names[row] for row in originals[:10]]
    again = _embed(name, data, [*some, *(folder / copy for copy in copies)])
    apart = float(np.abs(again[: len(some)] - vectors[originals[: len(some)]]).max())
    if apart > 0.01:
        raise SystemExit(f"{name}: the network's vectors are {apart:.3f} from the given ones")
    return Planted(
        folder, [*names, *copies], np.concatenate([vectors, again[len(some) :]]), originals
    )


def _cifar10(data: Path, folder: Path, name: str) -> tuple[list[str], NDArray[np.float32]]:
    part, count, n = ("test", 10_000, "10000") if name == "cifar10" else ("train", 10_000, "20000")
    file = "cifar10_test_resnet32_64" if part == "test" else "cifar10_train20k_resnet32_64"
    with np.load(data / "cifar10" / "index.npz") as index:
        names = index[f"{part}_name"][:count].tolist()
    with np.load(data / "embeddings" / f"{file}.npz") as arrays:
        vectors = arrays["X"][:count].astype(np.float32)
    with zipfile.ZipFile(data / "cifar10" / f"cifar10_{part}_{n}_jpg.zip") as archive:
        archive.extractall(folder, members=names)
    return names, vectors


def _fruits(data: Path, folder: Path, name: str) -> tuple[list[str], NDArray[np.float32]]:
    with np.load(data / "embeddings" / "fruits_mobilenetv2_1280.npz") as arrays:
        rows = np.sort(np.unique(arrays["group"], return_index=True)[1])
        names, vectors = arrays["ids"][rows].tolist(), arrays["X"][rows].astype(np.float32)
    with tarfile.open(data / "fruits" / "fruits_subsampled_224.tar") as archive:
        archive.extractall(folder, [archive.getmember(one) for one in names], filter="data")
    return names, vectors


def _embed(name: str, data: Path, paths: list[Path]) -> NDArray[np.float32]:
    from embeddings.embedder import Embedder, embed_all
    from embeddings.layer_embedder import LayerEmbedder
    from embeddings.timm_embedder import TimmEmbedder

    weights = data / "weights"
    embedder: Embedder
    if name == "fruits":
        checkpoint = weights / "mobilenetv2_100_timm_from_tf2ptq.pth"
        embedder = TimmEmbedder("mobilenetv2_100", checkpoint=checkpoint)
    else:
        checkpoint = weights / "resnet32_cifar10_state_dict.pth"
        embedder = LayerEmbedder(RESNET32, checkpoint=checkpoint)
    return embed_all(embedder, list(paths), cache=None).vectors


def by_pixels(planted: Planted) -> Found:
    from al_server.curation.near_duplicates import THRESHOLD, near_duplicates

    near_duplicates([np.zeros((32, 32), np.uint8)] * 2)  # kernels are compiled before
    start = time.perf_counter()
    paths = [planted.folder / name for name in planted.names]
    pairs = near_duplicates(paths, threshold=0.85)
    ms = (time.perf_counter() - start) * 1000 / len(paths)
    return Found(pairs.rows, pairs.similarities.astype(np.float64), ms, "ours", THRESHOLD)


def by_vectors(planted: Planted, *, scaled: bool) -> Found:
    """Cosine of the vectors, or distances over those to the 3rd neighbors of both."""
    start = time.perf_counter()
    n = len(planted.vectors)
    distances = 1 - planted.vectors @ planted.vectors.T
    np.fill_diagonal(distances, np.inf)
    if scaled:
        typical = np.sqrt(np.partition(distances, 2, axis=1)[:, 2])
        distances /= np.outer(typical, typical) + 1e-9
    left, right = np.triu_indices(n, 1)
    values = distances[left, right]
    best = np.argpartition(values, 50_000)[:50_000]
    ms = (time.perf_counter() - start) * 1000 / n
    rows = np.stack([left[best], right[best]], axis=1)
    told = "vectors, locally scaled" if scaled else "vectors, cosine"
    return Found(rows, -values[best].astype(np.float64), ms, told)


def by_peer(planted: Planted, function: str, environment: Path, told: str, **given: Any) -> Found:
    answer = peers.call(
        f"peer_near_duplicates:{function}",
        {},
        environment=environment,
        folder=str(planted.folder),
        **given,
    )
    rows_of = {str(planted.folder / name): row for row, name in enumerate(planted.names)}
    sides = [[rows_of[str(one)] for one in answer.arrays[side]] for side in ("left", "right")]
    rows = np.sort(np.array(sides, np.int64).T.reshape(-1, 2), axis=1)
    rows, first = np.unique(rows, axis=0, return_index=True)  # they come both ways
    ms = answer.seconds[0] * 1000 / len(planted.names)
    name = f"{function} {answer.arrays['version']}, {told}"
    return Found(rows, answer.arrays["score"][first], ms, name, -np.inf)


def measure(planted: Planted, found: Found) -> dict[str, Any]:
    """Recall at each precision, and both as the method is used."""
    n_originals = len(planted.names) - len(planted.originals)
    true = dict(zip(range(n_originals, len(planted.names)), planted.originals, strict=True))
    hits = np.array([true.get(right) == left for left, right in found.rows.tolist()], bool)
    order = np.argsort(-found.scores, kind="stable")
    right = np.cumsum(hits[order])
    precisions, recalls = right / np.arange(1, len(order) + 1), right / len(true)
    last = np.flatnonzero(np.diff(found.scores[order], append=-np.inf))  # ties go together
    precisions, recalls = precisions[last], recalls[last]
    row: dict[str, Any] = {"method": found.told, "ms_an_image": round(found.ms_an_image, 2)}
    for wanted in PRECISIONS:
        row[f"recall_at_{wanted}"] = float(recalls[precisions >= wanted].max(initial=0))
    if found.frozen is not None:
        used = found.scores >= found.frozen
        row |= {"pairs": int(used.sum()), "found": int(hits[used].sum())}
        row |= {
            "recall": row["found"] / len(true),
            "precision": row["found"] / max(row["pairs"], 1),
        }
        copies = found.rows[used & hits, 1] - n_originals
        row["by_kind"] = np.bincount(copies // N_EACH, minlength=len(ALTERED)).tolist()
    return row


def show(name: str, n: int, rows: list[dict[str, Any]]) -> None:
    print(f"\n{name}: {n:,} pictures, 200 of them planted")
    print("| method | recall at precision .5 | .63 | .8 | .9 | .95 | as used: recall | precision | "
          "crop, mirror, jpeg, light | ms an image |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        curve = " | ".join(f"{row[f'recall_at_{one}']:.3f}" for one in PRECISIONS)
        used = "- | - | -"
        if "recall" in row:
            kinds = ", ".join(str(count) for count in row["by_kind"])
            used = f"{row['recall']:.3f} | {row['precision']:.3f} | {kinds}"
        print(f"| {row['method']} | {curve} | {used} | {row['ms_an_image']:.2f} |")


def choose(planted: Planted) -> None:
    """Print recall and precision of every threshold, on pictures that nothing is measured on."""
    found = by_pixels(planted)
    for threshold in np.arange(0.86, 0.99, 0.01).round(2):
        row = measure(planted, found._replace(frozen=float(threshold)))
        print(f"{threshold:.2f}  recall {row['recall']:.3f}  precision {row['precision']:.3f}")


def methods(planted: Planted, options: argparse.Namespace) -> list[Callable[[], Found]]:
    fastdup, other = options.fastdup_environment, options.environment
    wide = {"threshold": 0.5, "nearest_neighbors_k": 5}
    return [
        lambda: by_pixels(planted),
        lambda: by_vectors(planted, scaled=False),
        lambda: by_vectors(planted, scaled=True),
        lambda: by_peer(planted, "fastdup", fastdup, "defaults", run={}),
        lambda: by_peer(planted, "fastdup", fastdup, "k = 5, from .5", run=wide),
        lambda: by_peer(planted, "cleanvision", other, "defaults"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    data = os.environ.get("AL_TEST_DATA", "../shared/data")
    parser.add_argument("--data", type=Path, default=data)
    parser.add_argument("--choose", action="store_true", help="show how the threshold was chosen")
    parser.add_argument("--only", choices=["cifar10", "fruits"], help="one set alone")
    parser.add_argument("--environment", type=Path, default=peers.ENVIRONMENT, metavar="FOLDER")
    parser.add_argument(
        "--fastdup-environment", type=Path, default=ROOT / ".venv-bench-fastdup", metavar="FOLDER"
    )
    options = parser.parse_args()
    told: dict[str, Any] = {}
    names = ["choose"] if options.choose else [options.only or "cifar10", "fruits"]
    for name in dict.fromkeys([options.only] if options.only else names):
        with TemporaryDirectory() as folder:
            planted = plant(name, options.data, Path(folder))
            if options.choose:
                choose(planted)
                return
            rows = []
            for method in methods(planted, options):
                try:
                    rows.append(measure(planted, method()))
                except peers.PeerFailed as error:
                    print(f"left out: {error}")
            show(name, len(planted.names), rows)
            told[name] = rows
    print(json.dumps(told))


if __name__ == "__main__":
    main()
