"""The contract of an embedder, and the one loop that turns files and texts into unit vectors."""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from embeddings.batch_trial import Tunable, fastest_shape, keep_shape, known_shape
from embeddings.cache import VectorCache, content_hash
from embeddings.errors import Interrupted, Unreadable
from embeddings.pipeline import (
    Answer,
    Batch,
    Content,
    Distributed,
    cut,
    decode,
    embed_here,
    read_ahead,
)

__all__ = [
    "Embedded",
    "Embedder",
    "Failed",
    "Item",
    "Shrinks",
    "Vectors",
    "content_hash",
    "embed_all",
]

Item = Path | str
"""A sample: a `Path` is an image file, a `str` is a text."""

Vectors = NDArray[np.float32]


class Embedder(Protocol):
    """Turns images or texts into unit vectors.

    Attributes
    ----------
    id : str
        Names weights and preprocessing; part of the cache key, so it must change whenever the
        vectors would.
    n_features : int
        Length of a vector.
    content : {"image", "text"}
        What it embeds.

    Notes
    -----
    More is looked for and may be left out: an int `batch_size`, the number of items that suits the
    embedder best; or what `batch_trial.Tunable` names, and a trial finds the number; the method of
    `Shrinks`; a bool `on_cpu`, whether it works on the processor that decodes, too; and, for many
    machines, the method of `pipeline.Distributed`.
    """

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def n_features(self) -> int: ...  # noqa: D102
    @property
    def content(self) -> Literal["image", "text"]: ...  # noqa: D102

    def embed_batch(self, items: Sequence[Image | str]) -> Vectors:
        """Embed RGB images or texts.

        Returns
        -------
        float32 array of shape (n_items, n_features), in the order of `items`, unit-length rows; a
        row of zeros says that there is nothing in the item to embed
        """
        ...


@runtime_checkable
class Shrinks(Protocol):
    """An image embedder that can make an image small before it waits for its batch; optional."""

    def shrink(self, image: Image) -> Image:
        """Resize and crop to what the network sees; called in the decoding threads.

        `embed_batch` must give the same vector for an image and for its shrunken copy.
        """
        ...


class Failed(NamedTuple):
    """An item that has no vector, by its position among the items, and why."""

    position: int
    reason: str


class Embedded(NamedTuple):
    """Vectors of the items that could be embedded, and the reasons of the others.

    Attributes
    ----------
    vectors : float32 array of shape (n_embedded, n_features), unit-length rows; where `embed_all`
        was given an array, the first rows of that one
    positions : int64 array of shape (n_embedded,), ascending; vectors[j] is of items[positions[j]]
    failures : list of Failed, by ascending position
    n_cached : int, how many items' vectors were found in the cache
    """

    vectors: Vectors
    positions: NDArray[np.int64]
    failures: list[Failed]
    n_cached: int


_BATCH_SIZE = {"image": 8, "text": 1024}  # where the embedder does not say
_WORTH_A_TRIAL = 500  # items; fewer are embedded before a trial would have paid
_TRIAL_LOADS_S = 1.0  # that the items of a trial are read
_AHEAD = 64  # files read before they are wanted; photographs are large
_ROWS_MOVED = 4096  # at a time, in place


def embed_all(
    embedder: Embedder,
    items: Sequence[Item],
    *,
    cache: VectorCache | None,
    batch_size: int | None = None,
    out: NDArray[np.floating[Any]] | None = None,
    progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Embedded:
    """Embed every item that can be read; list the others with the reason.

    Files are read and looked up in the cache by a few threads, ahead of the embedder; they decode
    while it works on the batch before, or, on the same processor, in turns with it. The same
    content is embedded once, at its first place. Each finished batch enters the cache at once, so a
    run that was killed goes on where it was, and loses no more than the batch it was at. Which
    items share a batch depends on the items alone: the vectors are the same, bit for bit, however
    often the run was killed.

    Parameters
    ----------
    embedder : Embedder
    items : sequence of Path (image files) or str (texts)
    cache : VectorCache or None
        None: nothing is looked up or kept.
    batch_size : int, optional
        Items a forward pass. Default: what suits the embedder; of a `Tunable` one, for hundreds of
        items and more, what a trial of some seconds finds, once for a cache and a machine.
    out : float32 or float16 array of shape (n_items, n_features), optional
        Written in place, so that it may be memory-mapped: beside it, memory does not grow with
        the length of a vector. Rows behind those of `Embedded.vectors` are left over.
    progress : callable, optional
        Called with (n_done, n_items) in this thread, after every batch.
    should_stop : callable, optional
        Asked between batches; True ends the run.

    Returns
    -------
    Embedded

    Raises
    ------
    ValueError
        If `out` has another shape, or the embedder returns one that it must not.
    Interrupted
        If `should_stop` said so.
    """
    shape = (len(items), embedder.n_features)
    vectors = np.empty(shape, dtype=np.float32) if out is None else out
    if vectors.shape != shape:
        raise ValueError(f"out has shape {vectors.shape}; these items need one of {shape}")
    size = _batch_size(embedder, items, cache, batch_size)
    reasons: dict[int, str] = {}
    copies: list[tuple[int, int]] = []
    n_done = n_cached = 0
    with closing(read_ahead(embedder, items, cache, n_ahead=_AHEAD)) as read:
        batches = cut(read, size=size)
        stream = (
            embedder.embed_batches(batches)
            if isinstance(embedder, Distributed)
            else embed_here(embedder, batches, size=size)
        )
        with closing(stream) as answers:
            for batch, answer in answers:
                _settle(batch, answer, embedder.id, cache, out=vectors, reasons=reasons)
                copies += batch.copies
                n_cached += len(batch.known)
                n_done += batch.n_items
                if progress is not None:
                    progress(n_done, len(items))
                if should_stop is not None and n_done < len(items) and should_stop():
                    raise Interrupted(f"stopped after {n_done} of {len(items)} samples")
    for position, first in copies:
        vectors[position] = vectors[first]
        if first in reasons:
            reasons[position] = reasons[first]
    failures = [Failed(*one) for one in sorted(reasons.items())]
    positions = _close_gaps(vectors, failures)
    return Embedded(vectors[: len(positions)], positions, failures, n_cached)


def _batch_size(
    embedder: Embedder, items: Sequence[Item], cache: VectorCache | None, asked: int | None
) -> int:
    """Return how many items go into a batch, after a trial where there was none."""
    default: int = getattr(embedder, "batch_size", _BATCH_SIZE[embedder.content])
    if not isinstance(embedder, Tunable):
        return asked or default
    shape = known_shape(embedder, embedder.id, cache) if cache is not None else None
    if shape is None and asked is None and len(items) >= _WORTH_A_TRIAL:
        most = max(one.size for one in embedder.batch_shapes())
        contents = _first_contents(embedder, items, most)
        if contents:
            shape = fastest_shape(embedder, contents)
            if cache is not None:
                shape = keep_shape(embedder, embedder.id, cache, shape)
    if shape is None:
        return asked or default
    shape = shape._replace(size=asked or shape.size)
    embedder.set_batch_shape(shape)
    return shape.size


def _first_contents(embedder: Embedder, items: Sequence[Item], most: int) -> list[Content]:
    """Load the first items that can be read, as many as a short time allows."""
    contents: list[Content] = []
    end = time.perf_counter() + _TRIAL_LOADS_S
    with closing(read_ahead(embedder, items, None, n_ahead=most)) as read:
        for one in read:
            content = None if one.source is None else decode(embedder, one.source)
            if content is not None and not isinstance(content, Unreadable):
                contents.append(content)
            if contents and (len(contents) == most or time.perf_counter() > end):
                break
    return contents


def _settle(
    batch: Batch,
    answer: Answer,
    embedder_id: str,
    cache: VectorCache | None,
    *,
    out: NDArray[np.floating[Any]],
    reasons: dict[int, str],
) -> None:
    """Fill in the vectors of a batch, and keep those that are new."""
    reasons.update(batch.unreadable)
    for position, vector in batch.known:
        out[position] = vector
    fresh = {}
    for place, (position, key) in enumerate(zip(batch.positions, batch.keys, strict=True)):
        if place in answer.reasons:
            reasons[position] = answer.reasons[place]
        else:
            out[position] = fresh[key] = answer.vectors[place]
    if cache is not None:
        cache.put_many(embedder_id, fresh)


def _close_gaps(vectors: NDArray[np.floating[Any]], failures: list[Failed]) -> NDArray[np.int64]:
    """Move the rows together, over those that were never filled; return which they were."""
    kept = np.ones(len(vectors), dtype=bool)
    kept[[failed.position for failed in failures]] = False
    positions = np.flatnonzero(kept)
    if failures:
        # rows move up only, and each block is read before it is written
        for start in range(0, len(positions), _ROWS_MOVED):
            rows = positions[start : start + _ROWS_MOVED]
            vectors[start : start + len(rows)] = vectors[rows]
    return positions
