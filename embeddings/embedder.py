"""The contract of an embedder, and the one loop that turns files and texts into unit vectors."""

import hashlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import chain, islice
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from embeddings.cache import VectorCache
from embeddings.errors import Interrupted, Unreadable
from embeddings.images import decode_image, read_file

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
    Two more things are looked for and may be left out: an int `batch_size`, the number of items
    that suits the embedder best, and the method of `Shrinks`.
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
    vectors : float32 array of shape (n_embedded, n_features), unit-length rows
    positions : int64 array of shape (n_embedded,), ascending; vectors[j] is of items[positions[j]]
    failures : list of Failed, by ascending position
    """

    vectors: Vectors
    positions: NDArray[np.int64]
    failures: list[Failed]


class _Loaded(NamedTuple):
    """An item that was read: exactly one of vector (from the cache), content, reason is set."""

    position: int
    content_hash: str = ""
    vector: Vectors | None = None
    content: Image | str | None = None
    reason: str | None = None


_N_THREADS = 4  # decoding releases the GIL, and some of the threads wait for the disk
_ITEMS_PER_TASK = {"image": 4, "text": 256}
_BATCH_SIZE = {"image": 8, "text": 1024}  # where the embedder does not say
_GROUP_LIMIT = 1024  # so that a run over cached samples reports its progress, too


def embed_all(
    embedder: Embedder,
    items: Sequence[Item],
    *,
    cache: VectorCache | None,
    batch_size: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Embedded:
    """Embed every item that can be read; list the others with the reason.

    Files are read, looked up in the cache and decoded by a few threads while the embedder works on
    the batch before. Each finished batch enters the cache at once, so a run that was killed goes on
    where it was.

    Parameters
    ----------
    embedder : Embedder
    items : sequence of Path (image files) or str (texts)
    cache : VectorCache or None
        None: nothing is looked up or kept.
    batch_size : int, optional
        Items a forward pass; default: what suits the embedder.
    progress : callable, optional
        Called with (n_done, n_items) in this thread, after every batch.
    should_stop : callable, optional
        Asked between batches; True ends the run.

    Returns
    -------
    Embedded

    Raises
    ------
    Interrupted
        If `should_stop` said so.
    """
    vectors = np.empty((len(items), embedder.n_features), dtype=np.float32)
    failures: list[Failed] = []
    n_done = 0
    default: int = getattr(embedder, "batch_size", _BATCH_SIZE[embedder.content])
    size = batch_size or default
    with closing(_read_ahead(embedder, items, cache, batch_size=size)) as tasks:
        for group in _groups(chain.from_iterable(tasks), batch_size=size):
            if should_stop is not None and should_stop():
                raise Interrupted(f"stopped after {n_done} of {len(items)} samples")
            failures += _settle(group, embedder, cache, out=vectors)
            n_done += len(group)
            if progress is not None:
                progress(n_done, len(items))
    return _without(vectors, failures)


def content_hash(content: bytes | str) -> str:
    """Return the name of a file's bytes or of a text, the same on every machine."""
    data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()


def _read_ahead(
    embedder: Embedder, items: Sequence[Item], cache: VectorCache | None, *, batch_size: int
) -> Generator[list[_Loaded], None, None]:
    """Yield the items in order, read by threads that stay a bounded way ahead of the reader."""
    per_task = _ITEMS_PER_TASK[embedder.content]
    starts = iter(range(0, len(items), per_task))
    executor = ThreadPoolExecutor(_N_THREADS, thread_name_prefix="embed-read")

    def submit(start: int) -> Future[list[_Loaded]]:
        return executor.submit(_load, embedder, items[start : start + per_task], start, cache)

    try:
        n_ahead = _N_THREADS + -(-batch_size // per_task)
        tasks = deque(submit(start) for start in islice(starts, n_ahead))
        while tasks:
            yield tasks.popleft().result()
            tasks.extend(submit(start) for start in islice(starts, 1))
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _load(
    embedder: Embedder, items: Sequence[Item], start: int, cache: VectorCache | None
) -> list[_Loaded]:
    """Read a run of items; decode those that the cache does not know."""
    shrink = embedder.shrink if isinstance(embedder, Shrinks) else None
    sources: list[bytes | str | Unreadable] = [_source(embedder, item) for item in items]
    hashes = ["" if isinstance(s, Unreadable) else content_hash(s) for s in sources]
    known = cache.get_many(embedder.id, [h for h in hashes if h]) if cache is not None else {}
    loaded = []
    for position, (source, hash_) in enumerate(zip(sources, hashes, strict=True), start):
        if isinstance(source, Unreadable):
            loaded.append(_Loaded(position, reason=source.message))
        elif _is_usable(known.get(hash_), embedder.n_features):
            loaded.append(_Loaded(position, hash_, vector=known[hash_]))
        elif isinstance(source, str):
            loaded.append(_Loaded(position, hash_, content=source))
        else:
            try:
                image = decode_image(source)
            except Unreadable as error:
                loaded.append(_Loaded(position, reason=error.message))
            else:
                loaded.append(_Loaded(position, hash_, content=shrink(image) if shrink else image))
    return loaded


def _source(embedder: Embedder, item: Item) -> bytes | str | Unreadable:
    """Return the bytes of a file, or the text itself."""
    if isinstance(item, Path) != (embedder.content == "image"):
        kind = "an image file" if isinstance(item, Path) else "a text"
        return Unreadable(f"this is {kind}, but {embedder.id} embeds {embedder.content}s")
    try:
        return read_file(item) if isinstance(item, Path) else item
    except Unreadable as error:
        return error


def _groups(loaded: Iterable[_Loaded], *, batch_size: int) -> Iterator[list[_Loaded]]:
    """Cut the stream wherever a full batch waits for the embedder."""
    group: list[_Loaded] = []
    n_waiting = 0
    for one in loaded:
        group.append(one)
        n_waiting += one.content is not None
        if n_waiting == batch_size or len(group) >= max(_GROUP_LIMIT, batch_size):
            yield group
            group, n_waiting = [], 0
    if group:
        yield group


def _settle(
    group: list[_Loaded], embedder: Embedder, cache: VectorCache | None, *, out: Vectors
) -> list[Failed]:
    """Fill in the vectors of a group, embedding those that are new; return what failed."""
    failures = [Failed(one.position, one.reason) for one in group if one.reason is not None]
    for one in group:
        if one.vector is not None:
            out[one.position] = one.vector
    waiting = [one for one in group if one.content is not None]
    if not waiting:
        return failures
    raw = embedder.embed_batch([one.content for one in waiting if one.content is not None])
    if raw.shape != (len(waiting), embedder.n_features):
        raise ValueError(
            f"{embedder.id} gave an array of shape {raw.shape} for {len(waiting)} items; "
            f"embed_batch must return ({len(waiting)}, {embedder.n_features})"
        )
    norms = np.linalg.norm(raw.astype(np.float64), axis=1)
    fresh = {}
    for one, row, norm in zip(waiting, raw, norms, strict=True):
        if np.isfinite(norm) and norm > 0:
            out[one.position] = row / norm
            fresh[one.content_hash] = out[one.position]
        else:
            failures.append(Failed(one.position, _why_no_vector(norm)))
    if cache is not None:
        cache.put_many(embedder.id, fresh)
    return failures


def _is_usable(vector: Vectors | None, n_features: int) -> bool:
    """Say whether what the cache gave is a vector of this embedder."""
    return vector is not None and vector.shape == (n_features,) and bool(np.isfinite(vector).all())


def _why_no_vector(norm: float) -> str:
    if norm == 0:
        return "its vector is all zeros: there is nothing in it that the embedder can see"
    return "the embedder gave numbers that are not finite for it"


def _without(vectors: Vectors, failures: list[Failed]) -> Embedded:
    """Leave out the rows that were never filled."""
    failures = sorted(failures)
    kept = np.ones(len(vectors), dtype=bool)
    kept[[failed.position for failed in failures]] = False
    return Embedded(vectors[kept] if failures else vectors, np.flatnonzero(kept), failures)
