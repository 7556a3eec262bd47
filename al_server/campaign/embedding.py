"""From a listing of samples to unit vectors: which embedder, and running it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from al_server import plugins
from al_server.answers import Failure
from al_server.campaign.pool_files import unit_rows
from al_server.errors import BadInput, BadSource
from al_server.sources.listing import Listing, only
from al_server.sources.paths import resolve

if TYPE_CHECKING:
    from embeddings.embedder import Embedder

OFFLINE_DEFAULTS = {"image": "pixels", "text": "tfidf"}
DEFAULT_NOTES = {
    "image": "Embedded by pixels, which needs no weights, because no embedder was named. A "
    "pretrained network tells most photographs apart better: name one as the embedder, such as "
    "timm:mobilenetv2_100, with a checkpoint where its weights are a local file.",
    "text": "Embedded by tfidf, which needs no weights, because no embedder was named. It sees "
    "words, not meanings; a sentence encoder does: name `text` as the embedder.",
}


@dataclass(frozen=True)
class EmbedderChoice:
    """An embedder by name, and what to tell the person who left the choice to us.

    Attributes
    ----------
    name : such as ``timm:mobilenetv2_100``; None where the samples are vectors already
    note : why this one, or None
    """

    name: str | None
    note: str | None = None


def choose_embedder(asked: str | None, kind: str) -> EmbedderChoice:
    """Choose what embeds samples of a kind (image, text, vector)."""
    if kind == "vector":
        if asked is not None:
            raise BadSource(
                f"the samples are vectors: embedder {asked!r} has nothing to embed",
                "leave the embedder out",
            )
        return EmbedderChoice(None)
    if asked is not None:
        return EmbedderChoice(asked)
    return EmbedderChoice(OFFLINE_DEFAULTS[kind], DEFAULT_NOTES[kind])


def make_embedder(
    name: str, *, checkpoint: Path | None, sample: Sequence[Path | str], state_dir: Path | None
) -> "Embedder":
    """Make an embedder by its name, ``plugin`` or ``plugin:argument``."""
    plugin, _, argument = name.partition(":")
    factory = plugins.load(plugins.EMBEDDERS, plugin)
    embedder: Embedder = factory.create(
        argument, checkpoint=checkpoint, sample=sample, state_dir=state_dir
    )
    return embedder


def check_permitted(name: str, *, networks: Sequence[str], roots: Sequence[Path]) -> None:
    """Refuse an embedder that would run code, or read files, that an operator has not named.

    An embedder's class says by `check_allowed(argument, networks)` what it may not run, and by
    `local_path(argument)` which file or folder it would read; both may be left out.

    Raises
    ------
    BadInput, OutsideRoots, BadSource, UnknownPlugin
        If it may not be used, or there is none of that name.
    """
    from embeddings.errors import EmbeddingError

    plugin, _, argument = name.partition(":")
    factory = plugins.load(plugins.EMBEDDERS, plugin)
    check_allowed = getattr(factory, "check_allowed", None)
    local_path = getattr(factory, "local_path", None)
    try:
        if check_allowed is not None:
            check_allowed(argument, networks)
        path = local_path(argument) if local_path is not None else None
    except EmbeddingError as error:
        raise BadInput(error.message, error.remedy) from error
    if path is not None:
        resolve(path.expanduser().absolute(), roots)


def embed_listing(
    listing: Listing,
    *,
    embedder_name: str | None,
    checkpoint: Path | None,
    state_dir: Path,
    cache_file: Path,
    progress: Callable[[float], None],
    should_stop: Callable[[], bool],
) -> Listing:
    """Return the listing with unit vectors, without the samples that could not be embedded."""
    if listing.vectors is not None:
        # a listing's vectors are its own; a large pool is not held twice
        return replace(listing, vectors=unit_rows(listing.vectors, out=listing.vectors))
    from embeddings.cache import VectorCache
    from embeddings.embedder import embed_all

    items: Sequence[Path | str] = listing.paths or listing.texts or []
    assert embedder_name is not None
    embedder = make_embedder(
        embedder_name, checkpoint=checkpoint, sample=items, state_dir=state_dir
    )
    if embedder.content != listing.kind:
        raise BadSource(
            f"embedder {embedder_name!r} embeds {embedder.content}s, the samples are "
            f"{listing.kind}s",
            f"such as {OFFLINE_DEFAULTS[listing.kind]!r} for {listing.kind}s",
        )
    cache_file.parent.mkdir(parents=True, exist_ok=True)
    with VectorCache(cache_file) as cache:
        embedded = embed_all(
            embedder,
            items,
            cache=cache,
            progress=lambda n_done, n_items: progress(n_done / max(1, n_items)),
            should_stop=should_stop,
        )
    failures = [
        Failure(sample=listing.sample_ids[failed.position], reason=failed.reason)
        for failed in embedded.failures
    ]
    kept = only(listing, embedded.positions)
    return replace(kept, vectors=embedded.vectors, failures=[*listing.failures, *failures])
