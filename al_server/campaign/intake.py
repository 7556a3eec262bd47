"""From a source to a pool that can be labeled: read, embed, find neighbours, enter into the log.

Runs in the background. A run that was killed goes on at the next start: vectors are cached, and
the pool is entered in one transaction at the very end.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from al_server.campaign.embedding import choose_embedder, embed_listing, only
from al_server.campaign.holdout import HoldoutData
from al_server.campaign.loop import Loop
from al_server.campaign.names import Names, tie_keys
from al_server.campaign.neighbors import pool_neighbors, vote_width
from al_server.campaign.pool_files import PoolFiles
from al_server.campaign.recording import as_stored
from al_server.errors import ALError, BadSource, StorageFull
from al_server.models import CampaignSpec, Source
from al_server.sources.fetch import Fetcher
from al_server.sources.listing import Listing
from al_server.sources.paths import resolve
from al_server.sources.read import read_source
from al_server.store.catalog import Prepared, StoredCampaign, state_change
from al_server.store.event_log import Event, EventLog, NewSample

MAX_BELIEFS_BYTES = 4 * 2**30
"""Room for the probabilities of all samples and classes, float32."""
_log = logging.getLogger(__name__)
# shares of the progress bar at which a step ends
_READ, _EMBEDDED, _HELD_OUT = 0.02, 0.8, 0.85


@dataclass(frozen=True)
class Workplace:
    """Where a campaign may read and write while samples are taken in.

    Attributes
    ----------
    roots : folders that sources may lie in
    fetch : downloads the URLs of tables
    cache_file : vectors by content
    report : called with the share done, in [0, 1], and what is being done
    should_stop : asked now and then; True ends the work with `embeddings.errors.Interrupted`
    """

    roots: Sequence[Path]
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
        names = Names(spec.name, multi=self._multi)
        names.add_classes(spec.classes)
        # what can be said before the long work is said now
        _check_size(len(listing.sample_ids), len(spec.classes))
        _known_labels(listing, names, first_row=0)
        choice = choose_embedder(spec.embedder, listing.kind)
        listing = self._embed(listing, choice.name, start=_READ, end=_EMBEDDED)
        assert listing.vectors is not None
        n_samples, n_features = listing.vectors.shape
        self._files.append_embeddings(listing.vectors, n_before=0)
        listing = replace(listing, vectors=None)  # a large pool is not held twice
        if spec.holdout is not None:
            self._files.save_holdout(self._holdout(spec.holdout, choice.name, listing, n_features))
        lists = pool_neighbors(
            self._files.embeddings(n_samples, n_features),
            tie_keys(listing.sample_ids),
            progress=self._step("looking for neighbours", _HELD_OUT, 1.0),
        )
        self._files.save_neighbors(lists)
        prepared = Prepared(listing.kind, choice.name, n_features, vote_width(lists), choice.note)
        ready = state_change(stored.id, "ready", prepared=prepared, failures=listing.failures)
        log.append(
            [
                Event("classes", data={"names": list(spec.classes)}),
                Event("samples", data={"first": 0, "n": n_samples}),
                *_known_labels(listing, names, first_row=0),
            ],
            new_samples=_new_samples(listing, first_row=0),
            together_with=[ready],
        )

    def add(self, source: Source, stored: StoredCampaign, embedder: str | None) -> "Addition":
        """Read and embed more samples for a running campaign.

        Raises
        ------
        ALError
            If the source cannot be used; the campaign stays as it was.
        """
        assert stored.prepared is not None
        listing = self._read(source)
        kind, n_features = stored.prepared.kind, stored.prepared.n_features
        if listing.kind != kind:
            raise BadSource(
                f"the source holds {listing.kind}s, the campaign's samples are {kind}s",
                "make a campaign of their own for them",
            )
        listing = self._embed(listing, embedder, start=_READ, end=1.0)
        self._check_width(listing, n_features)
        return Addition(listing, self._files)

    def _read(self, source: Source) -> Listing:
        self._workplace.report(0.0, f"reading {source.path}")
        return read_source(
            source,
            roots=self._workplace.roots,
            fetch=self._workplace.fetch,
            multi=self._multi,
            progress=lambda n_done, n: self._workplace.report(0.0, f"fetched {n_done} of {n}"),
        )

    def _embed(
        self, listing: Listing, embedder: str | None, *, start: float, end: float
    ) -> Listing:
        n_listed = len(listing.sample_ids)
        checkpoint = self._spec.checkpoint
        report = self._step(f"embedding {n_listed} samples", start, end)
        report(0.0)  # the first batch may be long in coming
        embedded = embed_listing(
            listing,
            embedder_name=embedder,
            checkpoint=resolve(checkpoint, self._workplace.roots) if checkpoint else None,
            state_dir=self._files.embedder_state,
            cache_file=self._workplace.cache_file,
            progress=report,
            should_stop=self._workplace.should_stop,
        )
        if not embedded.sample_ids:
            first = "; ".join(f"{f.sample}: {f.reason}" for f in embedded.failures[:3])
            raise BadSource(f"none of {n_listed} samples can be used: {first}", "mend the source")
        return embedded

    def _holdout(
        self, path: str, embedder: str | None, pool: Listing, n_features: int
    ) -> HoldoutData:
        listing = self._read(_holdout_source(path, self._workplace.roots))
        if listing.kind != pool.kind:
            raise BadSource(
                f"the holdout {path} holds {listing.kind}s, the pool {pool.kind}s",
                "give a holdout of the same kind",
            )
        labels = listing.labels or []
        labeled = np.array([p for p, label in enumerate(labels) if label is not None], np.int64)
        if len(labeled) == 0:
            raise BadSource(f"the holdout {path} has no labels", "give one that has them")
        listing = only(listing, labeled)
        listing = self._embed(listing, embedder, start=_EMBEDDED, end=_HELD_OUT)
        self._check_width(listing, n_features)
        names = Names(self._spec.name, multi=self._multi)
        names.add_classes(self._spec.classes)
        found = [names.label(label) for label in listing.labels or [] if label is not None]
        assert listing.vectors is not None
        if not self._multi:
            return HoldoutData(listing.vectors, np.array(found, dtype=np.int64))
        truth = np.zeros((len(found), len(names.classes)), dtype=np.int8)
        for position, label in enumerate(found):
            truth[position, list(label if isinstance(label, tuple) else (label,))] = 1
        return HoldoutData(listing.vectors, truth)

    def _check_width(self, listing: Listing, n_features: int) -> None:
        assert listing.vectors is not None
        n_given = listing.vectors.shape[1]
        if n_given != n_features:
            raise BadSource(
                f"these embeddings have {n_given} numbers each, the pool's have {n_features}",
                "embed them with the same embedder",
            )

    def _step(self, what: str, start: float, end: float) -> Callable[[float], None]:
        from embeddings.errors import Interrupted

        def report(share: float) -> None:
            # the only place that long work without an embedder comes by
            if self._workplace.should_stop():
                raise Interrupted(f"stopped while {what}")
            self._workplace.report(start + share * (end - start), what)

        return report


class Addition:
    """Samples that are ready to join a running campaign."""

    def __init__(self, listing: Listing, files: PoolFiles) -> None:
        self._listing = listing
        self._files = files
        self.failures = listing.failures
        self.n_samples = len(listing.sample_ids)

    def join(self, loop: Loop) -> int:
        """Let those join that are not there yet; return how many. On the writer's thread."""
        listing = self._listing
        fresh = [p for p, name in enumerate(listing.sample_ids) if not loop.names.has_sample(name)]
        listing = only(listing, np.array(fresh, dtype=np.int64))
        if not fresh or listing.vectors is None:
            return 0
        n_before = len(loop.names.sample_ids)
        n_features = listing.vectors.shape[1]
        known = _known_labels(listing, loop.names, first_row=n_before)
        self._files.append_embeddings(listing.vectors, n_before=n_before)
        keys = np.concatenate([loop.pool.book.keys, tie_keys(listing.sample_ids)])
        loop.add_samples(
            list(_new_samples(listing, first_row=n_before)),
            [Event("samples", data={"first": n_before, "n": len(fresh)}), *known],
            embeddings=self._files.embeddings(n_before + len(fresh), n_features),
            keys=keys,
        )
        try:
            self._files.save_neighbors(loop.pool.neighbors)
        except (OSError, StorageFull) as error:
            # the samples are in; the neighbours will be looked for again at the next start
            _log.warning("neighbours of %s were not kept: %s", loop.spec.name, error)
        return len(fresh)


def _check_size(n_samples: int, n_classes: int) -> None:
    n_bytes = n_samples * n_classes * 4
    if n_bytes > MAX_BELIEFS_BYTES:
        raise BadSource(
            f"{n_samples:,} samples x {n_classes:,} classes take {n_bytes / 2**30:.1f} GiB of "
            f"probabilities; up to {MAX_BELIEFS_BYTES / 2**30:.0f} GiB are held in memory",
            "make several campaigns, each with a part of the samples or of the classes",
        )


def _known_labels(listing: Listing, names: Names, *, first_row: int) -> list[Event]:
    """Events for the labels that came with the source; they have no annotator."""
    events = []
    for row, label in enumerate(listing.labels or [], start=first_row):
        if label is not None:
            try:
                stored = as_stored(names.label(label))
            except ALError as error:
                raise BadSource(
                    f"sample {listing.sample_ids[row - first_row]!r}: {error.message}", error.remedy
                ) from error
            events.append(Event("label", row=row, label=stored))
    return events


def _new_samples(listing: Listing, *, first_row: int) -> Iterator[NewSample]:
    for position, sample_id in enumerate(listing.sample_ids):
        path = str(listing.paths[position]) if listing.paths else None
        text = listing.texts[position] if listing.texts else None
        yield NewSample(first_row + position, sample_id, path, text)


def _holdout_source(path: str, roots: Sequence[Path]) -> Source:
    """Tell by the name what kind of source a holdout is; its labels are wanted."""
    real = resolve(path, roots)
    if real.is_dir():
        return Source(kind="images", path=path, labels=True)
    return Source(kind="npz" if real.suffix == ".npz" else "table", path=path, labels=True)
