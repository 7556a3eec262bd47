"""Samples that join a running campaign, and what the log says of samples that are new."""

import logging
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from al_server.campaign.loop import Loop
from al_server.campaign.names import Names, tie_keys
from al_server.campaign.pool_files import PoolFiles
from al_server.campaign.recording import as_stored
from al_server.errors import ALError, BadSource, StorageFull
from al_server.sources.listing import Listing, only
from al_server.store.event_log import Event, NewSample

_log = logging.getLogger(__name__)


class Addition:
    """Samples that are ready to join a running campaign.

    Parameters
    ----------
    listing : with the vectors that the pool takes
    files : of the campaign
    given : the vectors as they came, where they are kept beside; the same rows
    """

    def __init__(
        self, listing: Listing, files: PoolFiles, *, given: NDArray[np.float32] | None = None
    ) -> None:
        self._listing = listing
        self._files = files
        self._given = given
        self.failures = listing.failures
        self.n_samples = len(listing.sample_ids)

    def join(self, loop: Loop) -> int:
        """Let those join that are not there yet; return how many. On the writer's thread."""
        listing = self._listing
        fresh = [p for p, name in enumerate(listing.sample_ids) if not loop.names.has_sample(name)]
        positions = np.array(fresh, dtype=np.int64)
        listing = only(listing, positions)
        if not fresh or listing.vectors is None:
            return 0
        n_before = len(loop.names.sample_ids)
        n_features = listing.vectors.shape[1]
        known = known_labels(listing, loop.names, first_row=n_before)
        if self._given is not None:
            first = self._files.of_generation(0)
            first.append_embeddings(self._given[positions], n_before=n_before)
        self._files.append_embeddings(listing.vectors, n_before=n_before)
        keys = np.concatenate([loop.pool.book.keys, tie_keys(listing.sample_ids)])
        loop.add_samples(
            list(new_samples(listing, first_row=n_before)),
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


def known_labels(listing: Listing, names: Names, *, first_row: int) -> list[Event]:
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


def new_samples(listing: Listing, *, first_row: int) -> Iterator[NewSample]:
    """Yield the samples of a listing as they are stored."""
    for position, sample_id in enumerate(listing.sample_ids):
        path = str(listing.paths[position]) if listing.paths else None
        text = listing.texts[position] if listing.texts else None
        yield NewSample(first_row + position, sample_id, path, text)
