"""The stages of `embed_all`: read ahead, cut into batches, decode ahead, embed.

Which items share a batch follows from the items alone: every content takes one place, at its first
occurrence, whether or not its vector is known. A run that was killed and begun again cuts the same
batches as one that was not, so its vectors are the same to the bit.
"""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from embeddings.cache import VectorCache, content_hash
from embeddings.errors import Unreadable
from embeddings.images import decode_image, read_file

if TYPE_CHECKING:
    from embeddings.embedder import Embedder, Item, Vectors

Source = bytes | str
"""What is embedded: the bytes of an image file, or a text."""

Content = Image | str

_Decoding = list[Future[Content | Unreadable]]

Answers = Generator[tuple["Batch", "Answer"], None, None]
"""Every batch of a run with what became of it, in order."""

N_THREADS = 2  # decoding releases the GIL, and some of the threads wait for the disk
_ITEMS_PER_TASK = {"image": 4, "text": 256}
_TURN = 64  # images decoded before the network is shown them; they are small by then
_LIMIT = 1024  # items in a batch, known ones included: their progress is told, too


class Read(NamedTuple):
    """An item that was read: of source, vector (it was in the cache), reason one is set."""

    position: int
    key: str = ""
    source: Source | None = None
    vector: "Vectors | None" = None
    reason: str | None = None


@dataclass(slots=True)
class Batch:
    """A stretch of the items, and what is to be done about them.

    Attributes
    ----------
    n_items : how many items it covers
    known : (position, vector) of those that the cache knew
    copies : (position, position of the first item with the same content)
    unreadable : (position, reason)
    positions, keys, sources : of those that are to be embedded, together
    """

    n_items: int = 0
    known: "list[tuple[int, Vectors]]" = field(default_factory=list)
    copies: list[tuple[int, int]] = field(default_factory=list)
    unreadable: list[tuple[int, str]] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)


class Answer(NamedTuple):
    """What became of the sources of a batch.

    Attributes
    ----------
    vectors : float32 array of shape (n_sources, n_features), unit-length rows; zeros where there
        is none
    reasons : why there is none, by place in the batch
    """

    vectors: "Vectors"
    reasons: dict[int, str]


@runtime_checkable
class Distributed(Protocol):
    """An embedder that takes the batches of a whole run, to work on several at once; optional."""

    def embed_batches(self, batches: Iterator[Batch]) -> Answers:
        """Answer every batch, in order; draw no further ahead than there are workers for."""
        ...


def read_ahead(
    embedder: "Embedder", items: "Sequence[Item]", cache: VectorCache | None, *, n_ahead: int
) -> Generator[Read, None, None]:
    """Yield the items in order, read by threads that stay about `n_ahead` items ahead."""
    per_task = _ITEMS_PER_TASK[embedder.content]
    starts = iter(range(0, len(items), per_task))
    threads = ThreadPoolExecutor(N_THREADS, thread_name_prefix="embed-read")

    def submit(start: int) -> Future[list[Read]]:
        return threads.submit(_read, embedder, items[start : start + per_task], start, cache)

    try:
        tasks = deque(
            submit(start) for start in islice(starts, N_THREADS + -(-n_ahead // per_task))
        )
        while tasks:
            done = tasks.popleft().result()
            tasks.extend(submit(start) for start in islice(starts, 1))
            yield from done
    finally:
        threads.shutdown(wait=True, cancel_futures=True)


def cut(items: Iterable[Read], *, size: int) -> Iterator[Batch]:
    """Cut the stream after every `size` distinct contents.

    Memory O(n_contents): their first positions.
    """
    first: dict[bytes, int] = {}
    batch, n_distinct = Batch(), 0
    for one in items:
        batch.n_items += 1
        key = bytes.fromhex(one.key[:32])  # 128 of 256 bits: half the memory, still no collision
        if one.reason is not None:
            batch.unreadable.append((one.position, one.reason))
        elif key in first:
            batch.copies.append((one.position, first[key]))
        else:
            first[key] = one.position
            n_distinct += 1
            _place(one, batch)
        if n_distinct == size or batch.n_items >= max(_LIMIT, size):
            yield batch
            batch, n_distinct = Batch(), 0
    if batch.n_items:
        yield batch


def embed_here(embedder: "Embedder", batches: Iterator[Batch], *, size: int) -> Answers:
    """Answer batches in this process, decoded by threads.

    While an accelerator works on some, the next are decoded. A network on the processor takes turns
    with the decoding instead: each has all cores to itself, where together they wait for each other
    (1.05 to 1.3 times the network's own time, in turns 1.01 to 1.06).
    """
    takes_turns = getattr(embedder, "on_cpu", False) and hasattr(embedder, "shrink")
    # small batches want more of a lead
    groups = _grouped(batches, size=_TURN if takes_turns else max(size, 2 * N_THREADS))
    n_threads = max(N_THREADS, os.cpu_count() or 0) if takes_turns else N_THREADS
    threads = ThreadPoolExecutor(n_threads, thread_name_prefix="embed-decode")
    ready: deque[list[tuple[Batch, _Decoding]]] = deque()
    try:
        for group in groups:
            ready.append([(batch, _decoding(embedder, batch, threads)) for batch in group])
            if len(ready) > 1 or takes_turns:
                yield from _answers(embedder, ready.popleft(), all_first=takes_turns)
        while ready:
            yield from _answers(embedder, ready.popleft(), all_first=False)
    finally:
        threads.shutdown(wait=True, cancel_futures=True)


def _grouped(batches: Iterator[Batch], *, size: int) -> Iterator[list[Batch]]:
    """Put batches together until they have so many sources; known items do not wait for others."""
    group: list[Batch] = []
    for batch in batches:
        group.append(batch)
        if sum(len(one.sources) for one in group) >= size or not batch.sources:
            yield group
            group = []
    if group:
        yield group


def _decoding(embedder: "Embedder", batch: Batch, threads: ThreadPoolExecutor) -> _Decoding:
    tasks = [threads.submit(decode, embedder, source) for source in batch.sources]
    batch.sources = []  # each is let go of when it is decoded
    return tasks


def _answers(
    embedder: "Embedder", group: list[tuple[Batch, _Decoding]], *, all_first: bool
) -> Answers:
    if all_first:
        wait([task for _, tasks in group for task in tasks])
    while group:
        batch, tasks = group.pop(0)
        yield batch, answer(embedder, [task.result() for task in tasks])


def decode(embedder: "Embedder", source: Source) -> Content | Unreadable:
    """Decode the bytes of an image, and make it small where the embedder can; texts stay."""
    if isinstance(source, str):
        return source
    shrink: Callable[[Image], Image] | None = getattr(embedder, "shrink", None)
    try:
        image = decode_image(source)
    except Unreadable as error:
        return error
    return image if shrink is None else shrink(image)


def answer(embedder: "Embedder", contents: Sequence[Content | Unreadable]) -> Answer:
    """Embed what could be decoded; bring rows to unit length, and say which have none.

    Raises
    ------
    ValueError
        If the embedder returns an array of another shape than it should.
    """
    reasons = {
        place: one.message for place, one in enumerate(contents) if isinstance(one, Unreadable)
    }
    vectors = np.zeros((len(contents), embedder.n_features), dtype=np.float32)
    given = [one for one in contents if not isinstance(one, Unreadable)]
    if not given:
        return Answer(vectors, reasons)
    raw = embedder.embed_batch(given)
    if raw.shape != (len(given), embedder.n_features):
        raise ValueError(
            f"{embedder.id} gave an array of shape {raw.shape} for {len(given)} items; "
            f"embed_batch must return ({len(given)}, {embedder.n_features})"
        )
    norms = np.linalg.norm(raw.astype(np.float64), axis=1)
    places = [place for place in range(len(contents)) if place not in reasons]
    for place, row, norm in zip(places, raw, norms, strict=True):
        if np.isfinite(norm) and norm > 0:
            vectors[place] = row / norm
        else:
            reasons[place] = _why_no_vector(norm)
    return Answer(vectors, reasons)


def _read(
    embedder: "Embedder", items: "Sequence[Item]", start: int, cache: VectorCache | None
) -> list[Read]:
    """Read a run of items, and look up what is known of them."""
    sources = [_source(embedder, item) for item in items]
    keys = ["" if isinstance(one, Unreadable) else content_hash(one) for one in sources]
    known = cache.get_many(embedder.id, [key for key in keys if key]) if cache is not None else {}
    read = []
    for position, (source, key) in enumerate(zip(sources, keys, strict=True), start):
        if isinstance(source, Unreadable):
            read.append(Read(position, reason=source.message))
        elif _is_usable(known.get(key), embedder.n_features):
            read.append(Read(position, key, vector=known[key]))
        else:
            read.append(Read(position, key, source=source))
    return read


def _source(embedder: "Embedder", item: "Item") -> Source | Unreadable:
    """Return the bytes of a file, or the text itself."""
    if isinstance(item, Path) != (embedder.content == "image"):
        kind = "an image file" if isinstance(item, Path) else "a text"
        return Unreadable(f"this is {kind}, but {embedder.id} embeds {embedder.content}s")
    try:
        return read_file(item) if isinstance(item, Path) else item
    except Unreadable as error:
        return error


def _place(one: Read, batch: Batch) -> None:
    if one.vector is not None:
        batch.known.append((one.position, one.vector))
    elif one.source is not None:
        batch.positions.append(one.position)
        batch.keys.append(one.key)
        batch.sources.append(one.source)


def _is_usable(vector: "Vectors | None", n_features: int) -> bool:
    """Say whether what the cache gave is a vector of this embedder."""
    if vector is None or vector.shape != (n_features,):
        return False
    return bool(np.isfinite(vector).all() and vector.any())


def _why_no_vector(norm: NDArray[np.float64]) -> str:
    if norm == 0:
        return "its vector is all zeros: there is nothing in it that the embedder can see"
    return "the embedder gave numbers that are not finite for it"
