"""From a source to a pool that can be labeled: read, embed, find neighbours, enter into the log.

Runs in the background. A run that was killed goes on at the next start: vectors are cached, and
the pool is entered in one transaction at the very end.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from al_server.campaign.addition import Addition, known_labels, new_samples
from al_server.campaign.embedding import check_permitted, choose_embedder, embed_listing
from al_server.campaign.holdout import HoldoutData
from al_server.campaign.names import Names, tie_keys
from al_server.campaign.neighbors import pool_neighbors, vote_width
from al_server.campaign.pool_files import PoolFiles
from al_server.errors import BadSource
from al_server.models import CampaignSpec, Source
from al_server.sources.fetch import Fetcher
from al_server.sources.listing import Listing, only
from al_server.sources.paths import resolve
from al_server.sources.read import read_source
from al_server.store.catalog import Prepared, StoredCampaign, state_change
from al_server.store.event_log import Event, EventLog
from embeddings.reduction import NONE, Reduction, apply_all, parse_reduction

MAX_BELIEFS_BYTES = 4 * 2**30
"""Room for the probabilities of all samples and classes, float32."""
WIDE, ENOUGH, REDUCTION = 128, 1_280, "pca:64"
"""Wider vectors of an embedder are reduced where nothing is said, and the samples are enough."""
# shares of the progress bar at which a step ends
_READ, _EMBEDDED, _HELD_OUT = 0.02, 0.8, 0.85


class Recipe(NamedTuple):
    """What makes vectors: the name of the embedder, None for ready ones, and its weights."""

    embedder: str | None
    checkpoint: str | None


@dataclass(frozen=True)
class Workplace:
    """Where a campaign may read and write while samples are taken in.

    Attributes
    ----------
    roots : folders that sources may lie in
    networks : code that embedders may run; see `check_permitted`
    fetch : downloads the URLs of tables
    cache_file : vectors by content
    report : called with the share done, in [0, 1], and what is being done
    should_stop : asked now and then; True ends the work with `embeddings.errors.Interrupted`
    """

    roots: Sequence[Path]
    networks: Sequence[str]
    fetch: Fetcher
    cache_file: Path
    report: Callable[[float, str], None]
    should_stop: Callable[[], bool]


class Intake:
    """Takes samples into one campaign."""

    def __init__(self, spec: CampaignSpec, files: PoolFiles, workplace: Workplace) -> None:
        self._spec = spec
        self._files = files
        self._workplace = workplace
        self._multi = spec.task == "multi"

    def prepare(self, stored: StoredCampaign, log: EventLog) -> None:
        """Take in the first samples of a campaign and make it ready.

        Raises
        ------
        ALError
            If the source, the embedder or the holdout cannot be used.
        """
        spec = self._spec
        listing = self._read(spec.source)
        note = listing.note
        names = Names(spec.name, multi=self._multi)
        names.add_classes(spec.classes)
        # what can be said before the long work is said now
        _check_size(len(listing.sample_ids), len(spec.classes))
        known_labels(listing, names, first_row=0)
        choice = choose_embedder(spec.embedder, listing.kind)
        recipe = Recipe(choice.name, spec.checkpoint)
        listing = self.embed(listing, recipe)
        reduce = choose_reduction(spec.reduce, listing)
        files, maps, vectors = self._reduce(listing, reduce)
        n_samples, n_features = vectors.shape
        files.append_embeddings(vectors, n_before=0)
        del vectors
        listing = replace(listing, vectors=None)  # a large pool is not held twice
        n_given = maps[0].n_given if maps else n_features
        if spec.holdout is not None:
            files.save_holdout(self.holdout(spec.holdout, recipe, listing.kind, n_given, maps))
        width = self.find_neighbors(files, tie_keys(listing.sample_ids), n_features)
        prepared = Prepared(
            listing.kind,
            choice.name,
            n_features,
            width,
            " ".join(filter(None, [note, choice.note])),
            checkpoint=spec.checkpoint,
            reduce=reduce,
            generation=files.generation,
        )
        ready = state_change(stored.id, "ready", prepared=prepared, failures=listing.failures)
        log.append(
            [
                Event("classes", data={"names": list(spec.classes)}),
                Event("samples", data={"first": 0, "n": n_samples}),
                *known_labels(listing, names, first_row=0),
            ],
            new_samples=new_samples(listing, first_row=0),
            together_with=[ready],
        )

    def _reduce(
        self, listing: Listing, reduce: str | None
    ) -> tuple[PoolFiles, list[Reduction], NDArray[np.float32]]:
        """Return where the first vectors go, the maps on the way there, and the vectors."""
        from embeddings.reduction_fit import fit_reduction

        assert listing.vectors is not None
        asked = parse_reduction(reduce)
        if asked is None:
            return self._files, [], listing.vectors
        files = self._files
        if listing.kind == "vector":
            # they cannot be computed again: another reduction begins with these
            files.append_embeddings(listing.vectors, n_before=0)
            files = files.of_generation(1)
        reduction = fit_reduction(asked, listing.vectors, seed=self._spec.seed)
        files.save_map("reduction", reduction)
        return files, [reduction], reduction.apply(listing.vectors)

    def find_neighbors(self, files: PoolFiles, keys: NDArray[np.uint64], n_features: int) -> float:
        """Find and keep the neighbours of all samples; return the width of the votes."""
        lists = pool_neighbors(
            files.embeddings(len(keys), n_features),
            keys,
            progress=self._step("looking for neighbours", _HELD_OUT, 1.0),
        )
        files.save_neighbors(lists)
        return vote_width(lists)

    def add(self, source: Source, stored: StoredCampaign) -> Addition:
        """Read and embed more samples for a running campaign.

        Raises
        ------
        ALError
            If the source cannot be used; the campaign stays as it was.
        """
        assert stored.prepared is not None
        listing = self._read(source)
        prepared, kind = stored.prepared, stored.prepared.kind
        if listing.kind != kind:
            raise BadSource(
                f"the source holds {listing.kind}s, the campaign's samples are {kind}s",
                "make a campaign of their own for them",
            )
        maps = self._files.maps(prepared.maps)
        listing = self.embed(listing, Recipe(prepared.embedder, prepared.checkpoint), end=1.0)
        assert listing.vectors is not None
        _check_width(listing.vectors, maps[0].n_given if maps else prepared.n_features)
        is_first = kind != "vector" or self._files.generation == 0
        given = None if is_first else listing.vectors
        listing = replace(listing, vectors=apply_all(maps, listing.vectors))
        return Addition(listing, self._files, given=given)

    def _read(self, source: Source) -> Listing:
        tell = self._step(f"reading {source.path}", 0.0, _READ)
        tell(0.0)
        return read_source(
            source,
            roots=self._workplace.roots,
            fetch=self._workplace.fetch,
            multi=self._multi,
            progress=lambda n_done, n: tell(n_done / max(1, n)),
        )

    def embed(
        self, listing: Listing, recipe: Recipe, *, start: float = _READ, end: float = _EMBEDDED
    ) -> Listing:
        """Return the listing with unit vectors, without the samples that could not be embedded."""
        n_listed = len(listing.sample_ids)
        place, checkpoint = self._workplace, recipe.checkpoint
        if recipe.embedder is not None:
            # asked again: what the operator allows may have changed since
            check_permitted(recipe.embedder, networks=place.networks, roots=place.roots)
        report = self._step(f"embedding {n_listed} samples", start, end)
        report(0.0)  # the first batch may be long in coming
        embedded = embed_listing(
            listing,
            embedder_name=recipe.embedder,
            checkpoint=resolve(checkpoint, place.roots) if checkpoint else None,
            state_dir=self._files.embedder_state,
            cache_file=place.cache_file,
            progress=report,
            should_stop=place.should_stop,
        )
        if not embedded.sample_ids:
            first = "; ".join(f"{f.sample}: {f.reason}" for f in embedded.failures[:3])
            raise BadSource(f"none of {n_listed} samples can be used: {first}", "mend the source")
        return embedded

    def holdout(
        self, path: str, recipe: Recipe, kind: str, n_given: int, maps: Sequence[Reduction]
    ) -> HoldoutData:
        """Read and embed a holdout, and put it through the maps of the pool.

        Raises
        ------
        ALError
            If it cannot be read, is of another kind or width, or has no labels.
        """
        listing = self._read(_holdout_source(path, self._workplace.roots))
        if listing.kind != kind:
            raise BadSource(
                f"the holdout {path} holds {listing.kind}s, the pool {kind}s",
                "give a holdout of the same kind",
            )
        labels = listing.labels or []
        labeled = np.array([p for p, label in enumerate(labels) if label is not None], np.int64)
        if len(labeled) == 0:
            raise BadSource(f"the holdout {path} has no labels", "give one that has them")
        listing = only(listing, labeled)
        listing = self.embed(listing, recipe, start=_EMBEDDED, end=_HELD_OUT)
        names = Names(self._spec.name, multi=self._multi)
        names.add_classes(self._spec.classes)
        found = [names.label(label) for label in listing.labels or [] if label is not None]
        assert listing.vectors is not None
        _check_width(listing.vectors, n_given)
        vectors = apply_all(maps, listing.vectors)
        if not self._multi:
            return HoldoutData(vectors, np.array(found, dtype=np.int64))
        truth = np.zeros((len(found), len(names.classes)), dtype=np.int8)
        for position, label in enumerate(found):
            truth[position, list(label if isinstance(label, tuple) else (label,))] = 1
        return HoldoutData(vectors, truth)

    def _step(self, what: str, start: float, end: float) -> Callable[[float], None]:
        from embeddings.errors import Interrupted

        def report(share: float) -> None:
            # the only place that long work without an embedder comes by
            if self._workplace.should_stop():
                raise Interrupted(f"stopped while {what}")
            self._workplace.report(start + share * (end - start), what)

        return report


def choose_reduction(asked: str | None, listing: Listing) -> str | None:
    """Return how embedded samples are reduced: as asked, or else wide vectors of an embedder.

    64 numbers held 99% and more of what the neighbours of wider ones know, and labels told more
    (`tests.benchmarks.reduction`). A map that few samples were fitted to is no map for many: their
    vectors stay. So do those that came as vectors: they are somebody's choice.
    """
    assert listing.vectors is not None
    n_samples, n_features = listing.vectors.shape
    if asked is not None:
        return None if asked == NONE else asked
    is_wide = listing.kind != "vector" and n_features > WIDE and n_samples >= ENOUGH
    return REDUCTION if is_wide else None


def _check_width(vectors: NDArray[np.float32], n_wanted: int) -> None:
    if vectors.shape[1] != n_wanted:
        raise BadSource(
            f"these embeddings have {vectors.shape[1]} numbers each, the pool's have {n_wanted}",
            "embed them with the same embedder",
        )


def _check_size(n_samples: int, n_classes: int) -> None:
    n_bytes = n_samples * n_classes * 4
    if n_bytes > MAX_BELIEFS_BYTES:
        raise BadSource(
            f"{n_samples:,} samples x {n_classes:,} classes take {n_bytes / 2**30:.1f} GiB of "
            f"probabilities; up to {MAX_BELIEFS_BYTES / 2**30:.0f} GiB are held in memory",
            "make several campaigns, each with a part of the samples or of the classes",
        )


def _holdout_source(path: str, roots: Sequence[Path]) -> Source:
    """Tell by the name what kind of source a holdout is; its labels are wanted."""
    real = resolve(path, roots)
    if real.is_dir():
        return Source(kind="images", path=path, labels=True)
    return Source(kind="npz" if real.suffix == ".npz" else "table", path=path, labels=True)
