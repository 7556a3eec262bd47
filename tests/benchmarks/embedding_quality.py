"""What local networks reach: `python -m tests.benchmarks.embedding_quality fruits|cifar10`.

The share of held-out images that their 5 nearest others call right, by cosine, as the mean of ten
random 80/20 splits; on the fruits whole groups are held out, for the set was augmented before it
was split. The 64 numbers of the ResNet are all positive and far from the origin: `cifar10` is
printed as they are, and centred, as `--reduce pca:64` stores them. With --n, every n-th image
alone: a look, not a figure.
"""

import argparse
import os
import tarfile
import time
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from embeddings.embedder import Embedder, Vectors, embed_all
from embeddings.layer_embedder import LayerEmbedder
from embeddings.reduction_fit import fit_reduction
from embeddings.timm_embedder import TimmEmbedder
from tests.benchmarks.neighbors_vote import accuracy
from tests.conftest import ROOT

K = 5
FLOORS = {"fruits": 0.96, "cifar10": 0.83}
MOBILENET_LAYERS = ("global_pool", "bn2")  # the pooled vector, and the maps that are pooled for it
RESNET32 = f"{ROOT / 'examples' / 'resnet32_cifar10.py'}:ResNet32?layer=pool"


def fruits(data: Path, folder: Path, every: int) -> tuple[float, float]:
    """Return the share by MobileNet-V2, and how far its layers are from it at most."""
    with np.load(data / "embeddings" / "fruits_mobilenetv2_1280.npz") as arrays:
        ids, labels, groups = (arrays[key][::every] for key in ("ids", "y", "group"))
    with tarfile.open(data / "fruits" / "fruits_subsampled_224.tar") as tar:
        tar.extractall(folder, filter="data")
    checkpoint = data / "weights" / "mobilenetv2_100_timm_from_tf2ptq.pth"
    paths = [folder / sample_id for sample_id in ids]
    vectors = _embed(TimmEmbedder("mobilenetv2_100", checkpoint=checkpoint), paths)
    share = _print_share("fruits", accuracy(vectors, labels, k=K, groups=groups))
    largest = 0.0
    some = slice(None, None, max(1, len(paths) // 200))  # a layer is the same pass again
    for layer in MOBILENET_LAYERS:
        name = f"timm/mobilenetv2_100?layer={layer}"
        through = _embed(LayerEmbedder(name, checkpoint=checkpoint), paths[some])
        distance = float(np.abs(through - vectors[some]).max())
        print(
            f"layer {layer}: {distance:.1e} at most from the pooled vector, {len(through)} images"
        )
        largest = max(largest, distance)
    return share, largest


def cifar10(data: Path, folder: Path, every: int) -> float:
    """Return the share by the average pool of ResNet32."""
    with np.load(data / "embeddings" / "cifar10_test_resnet32_64.npz") as arrays:
        ids, labels = arrays["ids"][::every], arrays["y"][::every]
    with zipfile.ZipFile(data / "cifar10" / "cifar10_test_10000_jpg.zip") as archive:
        archive.extractall(folder, members=ids.tolist())
    checkpoint = data / "weights" / "resnet32_cifar10_state_dict.pth"
    vectors = _embed(LayerEmbedder(RESNET32, checkpoint=checkpoint), [folder / one for one in ids])
    share = _print_share("cifar10", accuracy(vectors, labels, k=K))
    reduction = fit_reduction("pca:64", vectors, seed=0)
    print("with `--reduce pca:64`, fitted on all images without their labels:")
    _print_share("cifar10", accuracy(reduction.apply(vectors), labels, k=K))
    return share


def _embed(embedder: Embedder, paths: list[Path]) -> Vectors:
    start = time.perf_counter()
    embedded = embed_all(embedder, paths, cache=None)
    if embedded.failures:
        raise SystemExit(f"{len(embedded.failures)} images failed: {embedded.failures[0].reason}")
    seconds = time.perf_counter() - start
    print(f"{embedder.id}: {len(paths):,} images, {embedder.n_features} features, {seconds:.0f} s")
    return embedded.vectors


def _print_share(name: str, shares: list[float]) -> float:
    mean = float(np.mean(shares))
    print(f"{name}, k = {K}: {mean:.2%} right, mean of {len(shares)} splits "
          f"({min(shares):.2%} to {max(shares):.2%}); wanted {FLOORS[name]:.0%}")  # fmt: skip
    return mean


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data_set", choices=[*FLOORS], nargs="*", help="default: all")
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("AL_TEST_DATA", "../shared/data")
    )
    parser.add_argument("--n", type=int, default=1, help="take every n-th image alone")
    options = parser.parse_args()
    for name in options.data_set or FLOORS:
        with TemporaryDirectory() as folder:
            measure = {"fruits": fruits, "cifar10": cifar10}[name]
            measure(Path(options.data), Path(folder), options.n)


if __name__ == "__main__":
    main()
