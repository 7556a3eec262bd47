"""`al-server embed`: images or texts in, a file of vectors out, without a server."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
import numpy as np
from numpy.typing import NDArray

from al_server.commands.embedding import (
    CACHE_FILE,
    MEDIA_FOLDER,
    chosen_embedder,
    embed_items,
    embedder_options,
    read_listing,
)
from al_server.commands.output import as_json_option, examples, print_failures, print_json
from al_server.commands.source_options import make_source, source_options
from al_server.commands.stopping import stopped_in_order
from al_server.curation.writing import check_file
from al_server.errors import BadInput, BadSource
from al_server.sources.fetch import Fetcher
from al_server.sources.listing import Listing

if TYPE_CHECKING:
    from embeddings.embedder import Item
    from embeddings.reduction import ReductionName
    from embeddings.vector_file import VectorFile

REDUCED_ROWS = 65_536  # at a time
Dtype = Literal["float32", "float16"]
UNKNOWN = -1


@click.command(
    epilog=examples(
        "al-server embed photos/ --out photos.npz",
        "al-server embed photos/ --embedder timm:mobilenetv2_100 --checkpoint mobilenet.pth \\",
        "    --out photos.npz",
        "al-server embed trips/ --every 5 --out frames.npz",
        "al-server embed photos/ --boxes voc --annotations xml/ --out cells.npz",
        "al-server embed tweets.csv --column text --embedder tfidf --out tweets.npz",
    )
)
@source_options
@embedder_options
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help=".npz to write."
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float16"]),
    default="float32",
    show_default=True,
    help="Of X in the file: float16 is half as large, and exact to three digits.",
)
@click.option("--reduce", help="Fewer dimensions, as pca:64 [all of them].")
@click.option(
    "--ray",
    default="",
    metavar="ADDRESS",
    help="Embed on the machines of a Ray cluster: HOST:PORT, auto, or local.",
)
@as_json_option
@stopped_in_order()
def embed(
    embedder: str | None,
    checkpoint: Path | None,
    out: Path,
    data: Path,
    batch_size: int | None,
    dtype: Dtype,
    reduce: str | None,
    ray: str,
    fetch_hosts: tuple[str, ...],
    as_json: bool,
    **options: Any,
) -> None:
    """Embed SOURCE, images, videos or a table, and write X, ids, and y and classes where known.

    Images and videos in folders take the folder's name as their class, objects that of their box;
    of a table the labels are taken where --label-column names their column. Frames of one video,
    and objects of one image, are one group. What cannot be read is left out and listed. A run that
    was killed goes on where it was.
    """
    wanted = _reduction_name(reduce)
    check_file(out, overwrite=True)
    path = options.pop("source")
    source = make_source(path, labels=False, **options)
    if source.kind in ("images", "videos", "objects") or source.label_column is not None:
        source = source.model_copy(update={"labels": True})
    listing = read_listing(source, Fetcher(data / MEDIA_FOLDER, fetch_hosts))
    if listing.kind == "vector":
        raise BadSource(f"{source.path} holds embeddings already", "name images or texts")
    failures = [(one.sample, one.reason) for one in listing.failures]
    items: Sequence[Item] = listing.paths or listing.texts or []
    with (
        chosen_embedder(embedder, checkpoint, listing, ray=ray) as made,
        _writing(*_first_file(out, dtype, wanted), len(items), made.n_features) as file,
    ):
        embedded = embed_items(
            made, items, cache_file=data / CACHE_FILE, batch_size=batch_size, out=file.X
        )
        failures += [(listing.sample_ids[one.position], one.reason) for one in embedded.failures]
        print_failures(failures, n=len(failures))
        if not len(embedded.positions):
            raise BadSource(f"nothing in {path} could be embedded", "the reasons are above")
        arrays = _arrays(listing, embedded.positions)
        if wanted is None:
            file.finish(len(embedded.positions), arrays)
            shape, name = embedded.vectors.shape, made.id
        else:
            shape = _write_reduced(out, dtype, wanted, embedded.vectors, arrays)
            name = f"{made.id} and {wanted}"
    _say(out, shape, name, embedded.n_cached, failures, as_json)


def _reduction_name(reduce: str | None) -> "ReductionName | None":
    """Read it before the long work, and tell an error in our way."""
    from embeddings.errors import EmbeddingError
    from embeddings.reduction import check_installed, parse_reduction

    try:
        asked = parse_reduction(reduce)
        check_installed(asked)
        return asked
    except EmbeddingError as error:
        raise BadInput(error.message, error.remedy) from error


def _first_file(out: Path, dtype: Dtype, wanted: "ReductionName | None") -> tuple[Path, Dtype]:
    """Tell where the vectors go first: those to be reduced aside, and never under that name."""
    return (out, dtype) if wanted is None else (out.with_name(f"{out.name}.whole"), "float32")


def _write_reduced(
    out: Path,
    dtype: Dtype,
    wanted: "ReductionName",
    vectors: NDArray[Any],
    arrays: dict[str, NDArray[Any]],
) -> tuple[int, int]:
    from embeddings.reduction_fit import fit_reduction

    reduction = fit_reduction(wanted, vectors, seed=0)
    with _writing(out, dtype, len(vectors), reduction.n_features) as file:
        for start in range(0, len(vectors), REDUCED_ROWS):
            some = slice(start, start + REDUCED_ROWS)
            file.X[some] = reduction.apply(vectors[some])
        file.finish(len(vectors), arrays)
    return len(vectors), reduction.n_features


@contextmanager
def _writing(out: Path, dtype: Dtype, n_rows: int, n_features: int) -> "Iterator[VectorFile]":
    from embeddings.vector_file import VectorFile

    try:
        with VectorFile(out, n_rows, n_features, dtype=dtype) as file:
            yield file
    except BlockingIOError as error:
        raise BadInput(f"{out} is being written by another run", "wait for it") from error
    except OSError as error:
        reason = error.strerror or error
        raise BadInput(f"{out} cannot be written: {reason}", "name another") from error


def _arrays(listing: Listing, positions: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Return what is written beside the vectors."""
    arrays: dict[str, NDArray[Any]] = {
        "ids": np.array([listing.sample_ids[position] for position in positions]),
    }
    if listing.labels is not None and listing.classes:
        number = {name: code for code, name in enumerate(listing.classes)}
        labels = (listing.labels[position] for position in positions)
        codes = [number[one] if isinstance(one, str) else UNKNOWN for one in labels]
        arrays["y"] = np.array(codes, dtype=np.int64)
        arrays["classes"] = np.array(listing.classes)
    if listing.groups is not None:
        arrays["group"] = np.array([listing.groups[position] for position in positions])
    return arrays


def _say(
    out: Path,
    shape: tuple[int, ...],
    embedder_id: str,
    n_cached: int,
    failures: list[tuple[str, str]],
    as_json: bool,
) -> None:
    n_samples, n_features = shape
    if as_json:
        print_json(
            {
                "out": str(out),
                "n_samples": n_samples,
                "n_features": n_features,
                "embedder": embedder_id,
                "n_cached": n_cached,
                "failures": [{"sample": name, "reason": reason} for name, reason in failures],
            }
        )
    else:
        before = f"; {n_cached:,} were embedded before" if n_cached else ""
        click.echo(
            f"wrote {out}: {n_samples:,} samples, {n_features} features, by {embedder_id}{before}"
        )
