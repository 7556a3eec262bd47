"""From a person's images to a folder with a network that embeds them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from embeddings.embedder import Failed
from embeddings.errors import EmbeddingError, Interrupted
from embeddings.image_network import ImageNetwork, unit_rows
from embeddings.out_of_memory import is_out_of_memory
from embeddings.reduction_fit import FIT_LIMIT, fit_reduction
from embeddings.self_supervised import checkpoints
from embeddings.self_supervised.augmentation import Augmentation, suited_to
from embeddings.self_supervised.backbone import Backbone
from embeddings.self_supervised.encoder import copies_of, make_encoder
from embeddings.self_supervised.pixels import read_pixels
from embeddings.self_supervised.settings import Settings
from embeddings.self_supervised.trained import CHECKPOINT, RECORD, Trained, write_trained
from embeddings.self_supervised.training import Training, start_training

PIXELS = "pixels.bin"
N_LOOKS = 20
_SAVE_EVERY_S = 30.0
_REST = 32
_LARGEST_VIEW = 96


class Report(NamedTuple):
    """How a training went.

    Attributes
    ----------
    training : Training, at its end
    failures : images that cannot be read
    early : whether the neighbour graph stood still before the time was up
    """

    training: Training
    failures: list[Failed]
    early: bool


def train(
    paths: Sequence[Path],
    folder: Path,
    *,
    backbone: Backbone,
    settings: Settings,
    view_size: int | None = None,
    reduce: str | None = None,
    reading: Callable[[int, int], None] | None = None,
    on_resume: Callable[[Training], None] | None = None,
    progress: Callable[[Training], None] | None = None,
    on_look: Callable[[Training], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Report:
    """Train a network on images without labels; go on where an earlier run was cut off.

    Half a minute of work is lost at most. While it lasts, the folder holds the images as one array
    (3 bytes a pixel) and a checkpoint; at the end the network alone.

    Parameters
    ----------
    paths : image files
    folder : where the network goes
    backbone : of `backbone.build`
    settings : Settings
    view_size : pixels a side of the views that are trained on; default: see `suited_view`
    reduce : as `parse_reduction` reads it; fitted to the images at the end
    reading : called with (n_read, n_paths) while the images are read
    on_resume : called before the first step where an earlier run is gone on with
    progress : called after every step
    on_look : called after every look of the watch; its time does not count
    should_stop : asked between steps; True saves and ends the run

    Returns
    -------
    Report

    Raises
    ------
    Interrupted
        If `should_stop` said so; the same call goes on.
    EmbeddingError
        If the folder holds a finished training or another one, or this one collapses.
    """
    check_unfinished(folder)
    folder.mkdir(parents=True, exist_ok=True)
    augmentation = suited_to(_view_size(backbone, view_size))
    pixels = read_pixels(
        paths, folder / PIXELS, shrink=_shrink(backbone), progress=_stoppable(reading, should_stop)
    )
    training = _start(backbone, settings, augmentation, pixels.array)
    identity = checkpoints.identity(training, recipe=backbone.recipe, digest=pixels.digest)
    file = folder / CHECKPOINT
    if file.exists():
        checkpoints.restore(training, file, identity)
        if on_resume is not None:
            on_resume(training)
    save = lambda: checkpoints.save(training, file, identity)  # noqa: E731
    try:
        _run(training, save, progress=progress, on_look=on_look, should_stop=should_stop)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        # halved in silence, another loss would be trained than the one that was asked for
        raise EmbeddingError(
            f"training runs out of memory with {training.batch_size} images a step",
            f"give --batch-size {max(2, training.batch_size // 2)}, or a smaller --view-size, "
            "and another folder: the checkpoint in this one is of larger steps",
        ) from error
    write_trained(folder, _finish(training, backbone, reduce))
    file.unlink(missing_ok=True)
    (folder / PIXELS).unlink()
    return Report(training, pixels.failures, early=training.done < 1)


def check_unfinished(folder: Path) -> None:
    """Refuse a folder that holds a finished training.

    Raises
    ------
    EmbeddingError
    """
    if (folder / RECORD).exists():
        raise EmbeddingError(
            f"{folder} holds a trained network already",
            f"name another folder; --from {folder} begins with this network",
        )


def _stoppable(
    reading: Callable[[int, int], None] | None, should_stop: Callable[[], bool] | None
) -> Callable[[int, int], None]:
    """Tell of the reading, and end it where that is asked for."""

    def tell(n_done: int, n_all: int) -> None:
        if should_stop is not None and should_stop():
            raise Interrupted(f"stopped after reading {n_done} of {n_all} images")
        if reading is not None:
            reading(n_done, n_all)

    return tell


def suited_view(image_size: int) -> int:
    """Choose the size of the views for images of a size: smaller where that saves time.

    A random crop shows things larger than the whole image does; views of four sevenths of the
    image's side show them in the size that the embedder will see.

    Notes
    -----
    Source: Touvron et al. 2019, arXiv:1906.06423.
    """
    if image_size <= _LARGEST_VIEW:
        return image_size
    return max(_LARGEST_VIEW, round(image_size * 4 / 7 / _REST) * _REST)


def _view_size(backbone: Backbone, asked: int | None) -> int:
    size = backbone.image_size
    if not backbone.takes_one_size:
        return asked or suited_view(size)
    if asked not in (None, size):
        raise EmbeddingError(
            f"this network takes images of {size} x {size} alone, not views of {asked}",
            "leave --view-size out",
        )
    return size


def _shrink(backbone: Backbone) -> Callable[[Image.Image], Image.Image]:
    return ImageNetwork(backbone.network, backbone.preprocessing).shrink


def _start(
    backbone: Backbone, settings: Settings, augmentation: Augmentation, pixels: Any
) -> Training:
    import torch

    encoder = make_encoder(settings.method, copies_of(backbone.network), backbone.preprocessing)
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        return start_training(settings, augmentation, pixels, encoder)


def _run(
    training: Training,
    save: Callable[[], None],
    *,
    progress: Callable[[Training], None] | None,
    on_look: Callable[[Training], None] | None,
    should_stop: Callable[[], bool] | None,
) -> None:
    """Take steps, look and save, until the training is over."""
    saved_at = time.monotonic()
    while training.done < 1 and not training.watch.is_over:
        if should_stop is not None and should_stop():
            save()
            raise Interrupted(
                f"stopped after {training.step} steps ({training.done:.0%})",
                "the same command goes on from there",
            )
        before = training.done
        training.take_step()
        if int(training.done * N_LOOKS) > int(before * N_LOOKS):
            training.look()
            if on_look is not None:
                on_look(training)
        if time.monotonic() - saved_at > _SAVE_EVERY_S:
            save()
            saved_at = time.monotonic()
        if progress is not None:
            progress(training)


def _finish(training: Training, backbone: Backbone, reduce: str | None) -> Trained:
    """Fit the reduction, and put together what is kept."""
    record = {
        "method": training.settings.method,
        "backbone": backbone.recipe,
        "settings": asdict(training.settings),
        "augmentation": asdict(training.augmentation),
        "n_images": len(training.pixels),
        "epochs": training.epoch,
        "seconds": training.seconds,
        "looks": [look._asdict() for look in training.looks],
    }
    reduction = None
    if reduce is not None and reduce != "none":
        step = -(-len(training.pixels) // FIT_LIMIT)
        features = unit_rows(training.features(np.arange(0, len(training.pixels), step)))
        reduction = fit_reduction(reduce, features, seed=training.settings.seed)
    return Trained(training.encoder, backbone.preprocessing, reduction, record)
