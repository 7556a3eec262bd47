"""`embed` against the network alone, and against the loop that most people write.

    python -m tests.benchmarks.embed_throughput            # all 3,395 fruits; an idle machine
    python -m tests.benchmarks.embed_throughput --n 300    # a subset, for a look

MobileNet-V2 with the shared weights over the fruit photos (224 x 224 JPEGs), from files to vectors,
no cache.

embed      `embed_all`, with the batch shape of the trial; its seconds are told beside
forward    the network alone over float pixels that are in memory already, at the batch size and
           layout that a search over 1..64 found fastest
loop       torch's DataLoader with 2 worker processes, PIL, batches of 64, the same network

Embed and forward take turns over an eighth of the photos, so that a slow minute of the machine
meets both; all photos `--rounds` times; the median of the rounds' ratios counts. The loop, which is
slow, runs once, at the end. The search for forward's best shape times each one on 64 photos, three
passes, the least; that of the trial has two tries. The last line is JSON; `embed_to_forward` is
embed's time over forward's, `with_trial` the same with the seconds of the trial in it,
`loop_to_embed` the loop's time over embed's.
"""

import argparse
import json
import os
import statistics
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings import embedder as embedder_module
from embeddings.batch_trial import BatchShape, fastest_shape
from embeddings.embedder import embed_all
from embeddings.images import load_image
from embeddings.timm_embedder import TimmEmbedder

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("AL_TEST_DATA", ROOT.parent / "shared" / "data"))
WEIGHTS = Path("weights", "mobilenetv2_100_timm_from_tf2ptq.pth")
FRUITS = Path("fruits", "fruits_subsampled_224.tar")
LOOP_BATCH, LOOP_WORKERS = 64, 2
N_SEARCHED = 64
N_PARTS = 8


class Photos:
    """What a plain loop's data set is; a class, because workers are sent it."""

    def __init__(self, files: list[Path]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, place: int) -> Any:
        import torch
        from PIL import Image

        with Image.open(self.files[place]) as image:
            pixels = np.array(image.convert("RGB"))
        return torch.from_numpy(pixels).permute(2, 0, 1).float().div(127.5).sub(1)


def loop(model: Any, files: list[Path]) -> NDArray[np.float32]:
    """Embed as the first page of a tutorial says."""
    import torch

    loader: Any = torch.utils.data.DataLoader(
        Photos(files),  # type: ignore[arg-type]
        batch_size=LOOP_BATCH,
        num_workers=LOOP_WORKERS,
    )
    with torch.inference_mode():
        return np.concatenate([model(batch).numpy() for batch in loader])


def forward(model: Any, pixels: NDArray[np.uint8], shape: BatchShape) -> float:
    """Return the seconds of the network alone, without the making of its input."""
    import torch

    layout = torch.channels_last if shape.channels_last else torch.contiguous_format
    model.to(memory_format=layout)
    seconds = 0.0
    for start in range(0, len(pixels), shape.size):
        part = torch.from_numpy(pixels[start : start + shape.size]).permute(0, 3, 1, 2)
        shown = part.float().div(127.5).sub(1).contiguous(memory_format=layout)
        begun = time.perf_counter()
        with torch.inference_mode():
            model(shown)
        seconds += time.perf_counter() - begun
    return seconds


def best_shape(model: Any, pixels: NDArray[np.uint8], other: BatchShape) -> BatchShape:
    """Search all shapes for forward's best, and that of the trial once more."""
    shapes = [other, *(BatchShape(2**p, last) for last in (False, True) for p in range(7))]
    some = pixels[:N_SEARCHED]
    for shape in shapes:
        forward(model, some[: shape.size], shape)  # the first pass prepares kernels
    return min(shapes, key=lambda shape: min(forward(model, some, shape) for _ in range(3)))


def timed(work: Callable[[], Any]) -> float:
    """Seconds that work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(files: list[Path], weights: Path, n_rounds: int) -> dict[str, Any]:
    """Let the three take turns."""
    embedder = TimmEmbedder("mobilenetv2_100", checkpoint=weights)
    model = TimmEmbedder("mobilenetv2_100", checkpoint=weights)._network.model
    images = [load_image(path) for path in files]
    pixels = np.stack([np.asarray(image) for image in images])
    chosen: list[BatchShape] = []
    trial_s = timed(lambda: chosen.append(fastest_shape(embedder, images[:N_SEARCHED])))
    embedder.set_batch_shape(chosen[0])
    embedder_module._WORTH_A_TRIAL = len(files) + 1  # it was just done
    best = best_shape(model, pixels, chosen[0])
    print(f"trial: {chosen[0]} in {trial_s:.1f} s; forward's best: {best}", flush=True)
    seconds: dict[str, list[float]] = {"embed": [], "forward": [], "loop": []}
    embed_all(embedder, files[:N_SEARCHED], cache=None)
    for _ in range(n_rounds):
        took = {"embed": 0.0, "forward": 0.0}
        for part in np.array_split(np.arange(len(files)), N_PARTS):
            some = files[part[0] : part[-1] + 1]
            took["forward"] += forward(model, pixels[part[0] : part[-1] + 1], best)
            took["embed"] += timed(lambda some=some: embed_all(embedder, some, cache=None))  # type: ignore[misc]
        for name, value in took.items():
            seconds[name].append(value)
        print({name: round(value, 2) for name, value in took.items()}, flush=True)
    model.to(memory_format=_plain())
    seconds["loop"].append(timed(lambda: loop(model, files)))
    median = {name: statistics.median(took) for name, took in seconds.items()}
    ratios = [a / b for a, b in zip(seconds["embed"], seconds["forward"], strict=True)]
    return {
        "n": len(files),
        "batch": chosen[0].size,
        "channels_last": chosen[0].channels_last,
        "forward_best": list(best),
        "images_per_s": {name: round(len(files) / took, 1) for name, took in median.items()},
        "trial_s": round(trial_s, 2),
        "embed_to_forward": round(statistics.median(ratios), 3),
        "rounds": [round(ratio, 3) for ratio in ratios],
        "with_trial": round((median["embed"] + trial_s) / median["forward"], 3),
        "loop_to_embed": round(median["loop"] / median["embed"], 2),
    }


def _plain() -> Any:
    import torch

    return torch.contiguous_format


def main() -> None:
    """Unpack the photos, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=None, help="photos [all]")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    if not DATA.is_dir():
        raise SystemExit(f"{DATA} is missing; set AL_TEST_DATA to the folder of the real data")
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(DATA / FRUITS) as archive:
            archive.extractall(folder, filter="data")
        files = sorted(path for path in Path(folder).rglob("*") if path.is_file())[: asked.n]
        print(json.dumps(measure(files, DATA / WEIGHTS, asked.rounds)))


if __name__ == "__main__":
    main()
