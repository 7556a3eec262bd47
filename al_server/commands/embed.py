"""`al-server embed`: images or texts in, a file of vectors out, without a server."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from numpy.typing import NDArray

from al_server.commands.output import (
    as_json_option,
    bar,
    examples,
    follow,
    print_failures,
    print_json,
)
from al_server.commands.source_options import make_source, source_options
from al_server.config import Settings
from al_server.errors import BadInput, BadSource
from al_server.models import Source
from al_server.sources.fetch import Fetcher
from al_server.sources.listing import Listing
from al_server.sources.read import read_source

if TYPE_CHECKING:
    from embeddings.embedder import Embedded, Item

UNKNOWN = -1
# where a server keeps them in its data folder: what one has embedded, the other need not
CACHE_FILE = Path("cache", "vectors.db")
MEDIA_FOLDER = Path("media")


@click.command(
    epilog=examples(
        "al-server embed photos/ --out photos.npz",
        "al-server embed photos/ --embedder timm:mobilenetv2_100 --checkpoint mobilenet.pth \\",
        "    --out photos.npz",
        "al-server embed tweets.csv --column text --embedder tfidf --out tweets.npz",
    )
)
@source_options
@click.option("--embedder", help="`pixels`, `tfidf`, `timm:NAME` [pixels; for texts tfidf].")
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Local weights for the embedder.",
)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help=".npz to write."
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Settings.model_fields["data"].default,
    show_default=True,
    envvar="AL_DATA",
    help="Folder of the vector cache: what was embedded before is not embedded again.",
)
@click.option("--batch-size", type=click.IntRange(1), help="Samples at a time [the embedder's].")
@click.option(
    "--fetch-host", "fetch_hosts", multiple=True, help="Host that a table's URLs may name."
)
@as_json_option
def embed(
    embedder: str | None,
    checkpoint: Path | None,
    out: Path,
    data: Path,
    batch_size: int | None,
    fetch_hosts: tuple[str, ...],
    as_json: bool,
    **options: Any,
) -> None:
    """Embed SOURCE, images or a table, and write X, ids, and y and classes where known.

    Images in folders take the folder's name as their class; of a table the label column is taken
    where --label-column names it. What cannot be read is left out and listed. A run that was
    killed goes on where it was.
    """
    path = options.pop("source")
    source = make_source(path, labels=False, **options)
    if source.kind == "images" or source.label_column is not None:
        source = source.model_copy(update={"labels": True})
    listing = _read(source, Fetcher(data / MEDIA_FOLDER, fetch_hosts))
    embedded, embedder_id = _embed(
        listing, embedder, checkpoint, cache_file=data / CACHE_FILE, batch_size=batch_size
    )
    failures = [(one.sample, one.reason) for one in listing.failures]
    failures += [(listing.sample_ids[one.position], one.reason) for one in embedded.failures]
    print_failures(failures, n=len(failures))
    if not len(embedded.positions):
        raise BadSource(f"nothing in {path} could be embedded", "the reasons are above")
    _write(out, _arrays(listing, embedded.vectors, embedded.positions))
    _say(out, embedded.vectors, embedder_id, failures, as_json)


def _read(source: Source, fetch: Fetcher) -> Listing:
    # a person's own files: there is nothing here to keep them from
    roots = [Path(Path(source.path).anchor)]
    with bar("fetching", unit="file", delay_s=0.1) as shown:
        listing = read_source(source, roots=roots, fetch=fetch, progress=follow(shown))
    if listing.kind == "vector":
        raise BadSource(f"{source.path} holds embeddings already", "name images or texts")
    return listing


def _embed(
    listing: Listing,
    asked: str | None,
    checkpoint: Path | None,
    *,
    cache_file: Path,
    batch_size: int | None,
) -> "tuple[Embedded, str]":
    """Embed what is listed; return the vectors and what they were made by."""
    # imported late: torch takes seconds, and a wrong path should not
    from al_server.campaign.embedding import choose_embedder, make_embedder
    from embeddings.cache import VectorCache
    from embeddings.embedder import embed_all
    from embeddings.errors import EmbeddingError

    items: Sequence[Item] = listing.paths or listing.texts or []
    choice = choose_embedder(asked, listing.kind)
    if choice.note:
        click.echo(choice.note, err=True)
    assert choice.name is not None  # sources of vectors were refused before
    try:
        made = make_embedder(choice.name, checkpoint=checkpoint, sample=items, state_dir=None)
        if made.content != listing.kind:
            raise BadInput(
                f"{choice.name} embeds {made.content}s, and the source holds {listing.kind}s",
                "name another with --embedder",
            )
        with VectorCache(cache_file) as cache, bar("embedding", unit="sample") as shown:
            embedded = embed_all(
                made, items, cache=cache, batch_size=batch_size, progress=follow(shown)
            )
    except EmbeddingError as error:
        raise BadInput(error.message, error.remedy) from error
    return embedded, made.id


def _arrays(
    listing: Listing, vectors: NDArray[np.float32], positions: NDArray[np.int64]
) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {
        "X": vectors,
        "ids": np.array([listing.sample_ids[position] for position in positions]),
    }
    if listing.labels is not None and listing.classes:
        number = {name: code for code, name in enumerate(listing.classes)}
        labels = (listing.labels[position] for position in positions)
        codes = [number[one] if isinstance(one, str) else UNKNOWN for one in labels]
        arrays["y"] = np.array(codes, dtype=np.int64)
        arrays["classes"] = np.array(listing.classes)
    return arrays


def _write(out: Path, arrays: dict[str, NDArray[Any]]) -> None:
    aside = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as stream:
            np.savez(stream, allow_pickle=False, **arrays)
        aside.replace(out)
    except OSError as error:
        raise BadInput(f"{out} cannot be written: {error.strerror}", "name another") from error
    finally:
        aside.unlink(missing_ok=True)


def _say(
    out: Path,
    vectors: NDArray[np.float32],
    embedder_id: str,
    failures: list[tuple[str, str]],
    as_json: bool,
) -> None:
    n_samples, n_features = vectors.shape
    if as_json:
        print_json(
            {
                "out": str(out),
                "n_samples": n_samples,
                "n_features": n_features,
                "embedder": embedder_id,
                "failures": [{"sample": name, "reason": reason} for name, reason in failures],
            }
        )
    else:
        click.echo(f"wrote {out}: {n_samples:,} samples, {n_features} features, by {embedder_id}")
