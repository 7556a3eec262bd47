"""Which batch size and memory layout suits a network on this machine: a short trial says."""

import logging
import time
from collections.abc import Sequence
from itertools import cycle, islice
from typing import NamedTuple, Protocol, runtime_checkable

from PIL.Image import Image

from embeddings.cache import VectorCache

log = logging.getLogger(__name__)

_MOST_S = 8.0  # of a trial; the shape that is being timed is finished
_EACH_S = 0.12  # that a shape is timed, and one batch at least
_GAIN = 0.97  # a larger one must be faster than this: smaller batches lose less to a kill
_PATIENCE = 2  # larger sizes in a row that were no faster
_CLOSE = 1.25  # times the best: worth another look
_TURNS = 2


class BatchShape(NamedTuple):
    """How a batch is put before a network.

    Attributes
    ----------
    size : items in a batch
    channels_last : whether the colors of a pixel lie side by side in memory
    """

    size: int
    channels_last: bool = False


@runtime_checkable
class Tunable(Protocol):
    """An embedder whose speed depends on the shape of its batches; optional.

    Attributes
    ----------
    machine : str
        What it runs on, such as "cpu, 2 threads": a trial holds for one machine.
    """

    @property
    def machine(self) -> str: ...  # noqa: D102

    def batch_shapes(self) -> Sequence[BatchShape]:
        """Return what is worth a trial, by layout, and by rising size in each."""
        ...

    def set_batch_shape(self, shape: BatchShape) -> None:
        """Expect batches of this shape; vectors may change by rounding alone."""
        ...

    def embed_batch(self, items: "Sequence[Image | str]") -> object:
        """Embed, as `Embedder` says."""
        ...


def known_shape(embedder: Tunable, embedder_id: str, cache: VectorCache) -> BatchShape | None:
    """Return what an earlier trial on such a machine found, or None."""
    return _read(cache.note(embedder_id, _name(embedder)))


def keep_shape(
    embedder: Tunable, embedder_id: str, cache: VectorCache, shape: BatchShape
) -> BatchShape:
    """Keep the outcome of a trial; return the one that holds where another run was first."""
    text = f"{shape.size} {'channels-last' if shape.channels_last else 'channels-first'}"
    return _read(cache.keep_note(embedder_id, _name(embedder), text)) or shape


def fastest_shape(embedder: Tunable, contents: "Sequence[Image | str]") -> BatchShape:
    """Time the embedder on a few items, and return the shape with the least time an item.

    Sizes rise until two in a row are no faster; another layout begins at half the best size of the
    first. Those that came close to the best are timed once more, in turns. Takes some seconds at
    most, and what the last batch takes.

    Parameters
    ----------
    embedder : Tunable
    contents : sequence of images or texts, at least one; repeated to fill larger batches

    Returns
    -------
    BatchShape, one of `embedder.batch_shapes()`
    """
    end = time.perf_counter() + _MOST_S
    timed = _sweep(embedder, contents, end)
    limit = min(timed.values()) * _CLOSE
    close = [shape for shape in timed if timed[shape] <= limit]
    for shape in close * (_TURNS if len(close) > 1 else 0):
        if time.perf_counter() < end:
            timed[shape] = min(timed[shape], _seconds_an_item(embedder, contents, shape))
    limit = min(timed.values()) / _GAIN
    best = min((shape for shape in close if timed[shape] <= limit), key=lambda shape: shape.size)
    log.info("batches of %d, channels %s: %.1f items/s in a trial",
             best.size, "last" if best.channels_last else "first", 1 / timed[best])  # fmt: skip
    return best


def _sweep(
    embedder: Tunable, contents: "Sequence[Image | str]", end: float
) -> dict[BatchShape, float]:
    """Return the seconds an item of each shape that was tried, one at least."""
    shapes = embedder.batch_shapes()
    timed: dict[BatchShape, float] = {}
    best, best_s = shapes[0], float("inf")
    for channels_last in dict.fromkeys(shape.channels_last for shape in shapes):
        n_slower, least = 0, best.size // 2
        for shape in shapes:
            if shape.channels_last != channels_last or shape.size < least:
                continue
            if time.perf_counter() > end or n_slower == _PATIENCE:
                break
            try:
                timed[shape] = _seconds_an_item(embedder, contents, shape)
            except RuntimeError as error:
                if not timed:
                    raise
                log.info("batches of %s do not work here: %s", shape, error)
                break  # a network may call view() where only one layout can be viewed
            if timed[shape] < best_s * _GAIN:
                best, best_s, n_slower = shape, timed[shape], 0
            else:
                n_slower += 1
    return timed


def _seconds_an_item(
    embedder: Tunable, contents: "Sequence[Image | str]", shape: BatchShape
) -> float:
    """Return the least of several times: what else a machine does makes them longer, only."""
    batch = list(islice(cycle(contents), shape.size))
    embedder.set_batch_shape(shape)
    embedder.embed_batch(batch)  # the first pass of a shape prepares its kernels
    took: list[float] = []
    while sum(took) < _EACH_S:
        start = time.perf_counter()
        embedder.embed_batch(batch)
        took.append(time.perf_counter() - start)
    return max(min(took), 1e-9) / shape.size


def _name(embedder: Tunable) -> str:
    return f"batch shape on {embedder.machine}"


def _read(text: str | None) -> BatchShape | None:
    size, _, layout = (text or "").partition(" ")
    return BatchShape(int(size), layout == "channels-last") if size.isdigit() else None
