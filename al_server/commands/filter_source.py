"""What `al-server filter` curates: samples, their classes, and the files that they stand for."""

import os
from collections.abc import Callable, Sequence
from hashlib import file_digest, sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from al_server.commands.embedding import read_vectors
from al_server.commands.output import bar
from al_server.commands.source_options import make_source
from al_server.errors import BadSource
from al_server.models import Source
from al_server.sources.arrays import has_array, read_column
from al_server.sources.listing import Listing, shown
from embeddings.plain_file import open_plain

if TYPE_CHECKING:
    from embeddings.embedder import Embedder


class Data(NamedTuple):
    """What is curated; position i is the same sample in each of them.

    Attributes
    ----------
    paths : of the files that samples stand for, or None
    classes, class_names : None where none are known
    """

    listing: Listing
    paths: list[Path] | None
    classes: NDArray[np.int64] | None
    class_names: list[str] | None
    embedder_id: str


def read(
    options: dict[str, Any],
    embedding: dict[str, Any],
    *,
    per_class: str | None = None,
    images: Path | None = None,
    check: Callable[[Listing], None] | None = None,
    check_embedder: "Callable[[Embedder], None] | None" = None,
) -> Data:
    """Read and embed a source; find classes and files.

    Parameters
    ----------
    options, embedding : of the command line
    per_class : "labels" or "predicted": which classes there must be; None: known ones, if any
    images : folder of the files that ids name
    check, check_embedder : look at what was read, and at what is going to embed it, before that

    Raises
    ------
    BadInput, BadSource
        If it cannot be read, or has no such classes.
    """
    given = dict(options)
    source = make_source(given.pop("source"), labels=False, **given)
    if per_class == "predicted" and source.kind == "table":
        source = source.model_copy(update={"label_column": "predicted"})
    if _has_labels(source, per_class):
        source = source.model_copy(update={"labels": True})
    is_apart = per_class == "predicted" and source.kind == "npz"
    needs_classes = per_class is not None and not is_apart

    def check_all(listing: Listing) -> None:
        if needs_classes:
            _check_classes(listing)
        if check is not None:
            check(listing)

    listing, embedder_id = read_vectors(
        source, check=check_all, check_embedder=check_embedder, **embedding
    )
    classes, names = _classes(listing)
    if is_apart:
        classes, names = _predicted(Path(source.path), listing.sample_ids)
    paths = listing.paths
    if images is not None:
        paths = _named(images, listing.sample_ids)
    return Data(listing, paths, classes, names, embedder_id)


def _has_labels(source: Source, per_class: str | None) -> bool:
    if source.kind == "npz":
        if per_class == "predicted":
            return False
        try:
            return per_class is not None or has_array(Path(source.path), "y")
        except BadSource:  # it is said later what is wrong with it
            return False
    by_name = source.kind in ("images", "videos", "objects") or source.label_column is not None
    return by_name or per_class is not None


def _check_classes(listing: Listing) -> None:
    if _classes(listing)[0] is None:
        raise BadSource(
            "the source has no classes",
            "say what they are, or leave out --per-class and filters that go by class",
        )


def _classes(listing: Listing) -> tuple[NDArray[np.int64] | None, list[str] | None]:
    """Return classes as numbers, -1 where one is not known."""
    if listing.labels is None or not listing.classes:
        return None, None
    number = {name: code for code, name in enumerate(listing.classes)}
    codes = [number[one] if isinstance(one, str) else -1 for one in listing.labels]
    return np.array(codes, dtype=np.int64), listing.classes


def _named(images: Path, names: Sequence[str]) -> list[Path]:
    """Return the files that ids name; an id from a foreign file must not lead out of the folder."""
    folder = images.resolve()
    paths = [Path(os.path.normpath(folder / name)) for name in names]
    outside = [name for name, path in zip(names, paths, strict=True) if folder not in path.parents]
    if outside:
        raise BadSource(
            f"{len(outside)} ids lead out of {images}: {shown(outside)}",
            "name the folder that all of them lie in",
        )
    return paths


def _predicted(file: Path, names: Sequence[str]) -> tuple[NDArray[np.int64], list[str]]:
    classes, codes = np.unique(read_column(file, "predicted", names), return_inverse=True)
    return codes.astype(np.int64), [str(name) for name in classes.tolist()]


def contents_of(data: Data) -> NDArray[np.uint8]:
    """Return the SHA-256 of each file, text or vector."""
    n = len(data.listing.sample_ids)
    digests = bytearray()
    with bar("hashing", unit="sample", total=n, delay_s=0.5) as shown:
        for row in range(n):
            if data.paths is not None:
                try:
                    with open_plain(data.paths[row]) as stream:
                        digests += file_digest(stream, "sha256").digest()
                except OSError as error:
                    raise BadSource(
                        f"{data.paths[row]} cannot be read: {error.strerror}",
                        "mend it, or leave out --exact-duplicates",
                    ) from error
            elif data.listing.texts is not None:
                text = data.listing.texts[row].encode("utf-8", "surrogatepass")
                digests += sha256(text).digest()
            else:
                assert data.listing.vectors is not None
                digests += sha256(data.listing.vectors[row].tobytes()).digest()
            shown.update()
    return np.frombuffer(bytes(digests), dtype=np.uint8).reshape(n, 32)
