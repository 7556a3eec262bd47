"""From a source to vectors, for the commands that embed without a server."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click
from numpy.typing import NDArray

from al_server import plugins
from al_server.answers import Failure
from al_server.commands.output import bar, follow
from al_server.config import Settings
from al_server.errors import BadInput, BadSource
from al_server.models import Source
from al_server.sources.fetch import Fetcher
from al_server.sources.listing import Listing, only
from al_server.sources.read import read_source

if TYPE_CHECKING:
    from embeddings.embedder import Embedded, Embedder, Item

Command = TypeVar("Command", bound=Callable[..., Any])
# where a server keeps them in its data folder: what one has embedded, the other need not
CACHE_FILE = Path("cache", "vectors.db")
MEDIA_FOLDER = Path("media")
EMBEDDER_OPTIONS = ("embedder", "checkpoint", "data", "batch_size", "fetch_hosts")


def embedder_options(command: Command) -> Command:
    """Add the options that say what embeds, and where it keeps what it did."""
    for option in (
        click.option(
            "--fetch-host", "fetch_hosts", multiple=True, help="Host that a table's URLs may name."
        ),
        click.option(
            "--batch-size",
            type=click.IntRange(1),
            help="Samples at a time [found by a short trial, once, or the embedder's].",
        ),
        click.option(
            "--data",
            type=click.Path(path_type=Path),
            default=Settings.model_fields["data"].default,
            show_default=True,
            envvar="AL_DATA",
            help="Folder of the vector cache: what was embedded before is not embedded again.",
        ),
        click.option(
            "--checkpoint",
            type=click.Path(path_type=Path, exists=True, dir_okay=False),
            help="Local weights for the embedder.",
        ),
        click.option(
            "--embedder",
            help="`pixels`, `tfidf`, `timm:NAME`, `layer:...`, `text`, `ssl:FOLDER` "
            "[what works here].",
        ),
    ):
        command = option(command)
    return command


class Vectors(NamedTuple):
    """What a source came to.

    Attributes
    ----------
    listing : the samples that have vectors, with them; what was left out is in its failures
    embedder_id : of what made them; empty for ready ones
    """

    listing: Listing
    embedder_id: str


def read_vectors(
    source: Source,
    *,
    check: Callable[[Listing], None] | None = None,
    check_embedder: "Callable[[Embedder], None] | None" = None,
    embedder: str | None,
    checkpoint: Path | None,
    data: Path,
    batch_size: int | None,
    fetch_hosts: tuple[str, ...],
) -> Vectors:
    """Read a source and embed it, unless it holds vectors.

    Parameters
    ----------
    check : looks at what was read before it is embedded; what it raises ends the work
    check_embedder : the same of what is going to embed it

    Raises
    ------
    BadInput, BadSource
        If it cannot be read, or nothing can be embedded.
    """
    from al_server.campaign.embedding import choose_embedder

    listing = read_listing(source, Fetcher(data / MEDIA_FOLDER, fetch_hosts))
    if check is not None:
        check(listing)
    if listing.vectors is not None:
        choose_embedder(embedder, "vector")  # refuses one that would have nothing to do
        return Vectors(listing, "")
    items: Sequence[Item] = listing.paths or listing.texts or []
    with chosen_embedder(embedder, checkpoint, listing) as made:
        if check_embedder is not None:
            check_embedder(made)
        embedded = embed_items(made, items, cache_file=data / CACHE_FILE, batch_size=batch_size)
        failures = [
            Failure(sample=listing.sample_ids[one.position], reason=one.reason)
            for one in embedded.failures
        ]
        if not len(embedded.positions):
            raise BadSource(
                f"nothing in {source.path} could be embedded; {failures[0].sample}: "
                f"{failures[0].reason}",
                "mend the files",
            )
        listing = replace(
            only(listing, embedded.positions),
            vectors=embedded.vectors,
            failures=[*listing.failures, *failures],
        )
        return Vectors(listing, made.id)


def read_listing(source: Source, fetch: Fetcher) -> Listing:
    """List the samples of a person's own files."""
    # there is nothing here to keep them from
    roots = [Path(Path(source.path).anchor)]
    with bar("fetching", unit="file", delay_s=0.1) as shown:
        listing = read_source(source, roots=roots, fetch=fetch, progress=follow(shown))
    if listing.note:
        click.echo(listing.note, err=True)
    return listing


@contextmanager
def chosen_embedder(
    asked: str | None, checkpoint: Path | None, listing: Listing, *, ray: str = ""
) -> "Iterator[Embedder]":
    """Make what embeds the listing, here or on a cluster; tell its errors in our way."""
    # imported late: torch takes seconds, and a wrong path should not
    from al_server.campaign.embedding import choose_embedder, make_embedder
    from embeddings.errors import EmbeddingError

    choice = choose_embedder(asked, listing.kind)
    if choice.note:
        click.echo(choice.note, err=True)
    assert choice.name is not None  # sources of vectors were refused before
    items: Sequence[Item] = listing.paths or listing.texts or []
    with ExitStack() as stack:
        try:
            if ray:
                cluster = plugins.load(plugins.INTEGRATIONS, "ray")
                made: Embedder = stack.enter_context(
                    cluster.embedder(choice.name, checkpoint=checkpoint, sample=items, address=ray)
                )
            else:
                made = make_embedder(
                    choice.name, checkpoint=checkpoint, sample=items, state_dir=None
                )
            if made.content != listing.kind:
                raise BadInput(
                    f"{choice.name} embeds {made.content}s, and the source holds {listing.kind}s",
                    "name another with --embedder",
                )
            yield made
        except EmbeddingError as error:
            raise BadInput(error.message, error.remedy) from error


def embed_items(
    made: "Embedder",
    items: "Sequence[Item]",
    *,
    cache_file: Path,
    batch_size: int | None,
    out: NDArray[Any] | None = None,
) -> "Embedded":
    """Embed what is listed, into an array where one is given; what was embedded before is kept."""
    from embeddings.cache import VectorCache
    from embeddings.embedder import embed_all

    with VectorCache(cache_file) as cache, bar("embedding", unit="sample") as shown:
        return embed_all(
            made,
            items,
            cache=cache,
            batch_size=batch_size,
            out=out,
            progress=follow(shown),
        )
