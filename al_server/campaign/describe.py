"""From rows and arrays to the answers that leave the server."""

from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from al_server.answers import (
    AnswerOut,
    NearestLabeled,
    PickedSample,
    Predicted,
    Prediction,
    Receipt,
    SampleInfo,
    SimilarSample,
)
from al_server.campaign.ledger import Ledger
from al_server.campaign.names import Names
from al_server.campaign.pool_state import Label, PoolState
from al_server.errors import NotFound
from al_server.models import Label as LabelName
from al_server.store.catalog import Catalog, StoredSample
from strategies.pool import Status

Kind = Literal["image", "text", "vector"]
_N_NEAREST = 5


class Media(NamedTuple):
    """The content of a sample: exactly one is not None."""

    path: Path | None
    text: str | None


class Describer:
    """Tells people about rows; reads everything, changes nothing."""

    def __init__(
        self,
        *,
        campaign: str,
        campaign_id: int,
        kind: Kind,
        catalog: Catalog,
        names: Names,
        ledger: Ledger,
        pool: PoolState,
    ) -> None:
        self._campaign = campaign
        self._campaign_id = campaign_id
        self._kind: Kind = kind
        self._catalog = catalog
        self._names = names
        self._ledger = ledger
        self._pool = pool

    def follow(self, pool: PoolState) -> None:
        """Tell of other arrays from now on."""
        self._pool = pool

    # -- where it is ---------------------------------------------------------------------------

    def uri(self, row: int) -> str | None:
        """Return where the content of a sample is served; None for bare vectors."""
        if self._kind == "vector":
            return None
        # the id is one segment of the path, whatever characters it holds
        name = quote(self._names.sample_ids[row], safe="")
        return f"/api/v1/campaigns/{self._campaign}/samples/{name}/media"

    def media(self, row: int) -> Media:
        """Return the content of a sample."""
        if self._kind == "vector":
            raise NotFound(
                f"sample {self._names.sample_ids[row]!r} is a bare vector",
                "make the campaign from the pictures or texts themselves",
            )
        stored = self._stored(row)
        return Media(Path(stored.path) if stored.path else None, stored.text)

    def _stored(self, row: int) -> StoredSample:
        return self._catalog.sample(self._campaign_id, row)

    def _text(self, row: int) -> str | None:
        return self._stored(row).text if self._kind == "text" else None

    # -- what is believed ----------------------------------------------------------------------

    def prediction(self, row: int) -> Prediction | None:
        """Return what is believed of a sample.

        None where nothing is known of it: no label yet, and no word of the user's own model.
        """
        if not self._pool.is_believed_of(row):
            return None
        probabilities = self._pool.probabilities_of(row)
        return Prediction(
            label=self._believed(probabilities), probability=as_share(probabilities.max())
        )

    def _believed(self, probabilities: NDArray[np.float32]) -> LabelName:
        if self._pool.book.targets is None:
            return self._names.classes[int(probabilities.argmax())]
        return [self._names.classes[c] for c in np.flatnonzero(probabilities >= 0.5)]

    def nearest_labeled(self, row: int) -> list[NearestLabeled]:
        """Return the labeled samples that vote on a row, itself left out, the nearest first."""
        rows, distances = self._pool.votes.neighbors_of(row)
        others = [
            (int(near), float(distance))
            for near, distance in zip(rows, distances, strict=True)
            if near != row
        ]
        return [self._near(near, distance) for near, distance in others[:_N_NEAREST]]

    def _near(self, row: int, distance: float) -> NearestLabeled:
        label = self._label_of(row)
        assert label is not None
        return NearestLabeled(sample_id=self._names.sample_ids[row], label=label, distance=distance)

    def _label_of(self, row: int) -> LabelName | None:
        # from the book, not from the ledger: what votes, not what is about to
        book = self._pool.book
        if book.labels[row] < 0:
            return None
        if book.targets is None:
            return self._names.classes[int(book.labels[row])]
        return [self._names.classes[c] for c in np.flatnonzero(book.targets[row] == 1)]

    def voters(
        self, rows: NDArray[np.integer], distances: NDArray[np.float32]
    ) -> list[NearestLabeled]:
        """Return labeled samples that vote, with what they vote for."""
        return [
            self._near(int(row), float(distance))
            for row, distance in zip(rows, distances, strict=True)
        ]

    def predicted(
        self,
        sample_id: str | None,
        probabilities: NDArray[np.float32],
        neighbors: list[NearestLabeled],
    ) -> Predicted:
        """Return one answer of `predict`. May be called from any thread."""
        names = self._names.classes[: len(probabilities)]  # there may be more by now
        return Predicted(
            sample_id=sample_id,
            label=self._believed(probabilities),
            probabilities=dict(zip(names, map(as_share, probabilities.tolist()), strict=True)),
            neighbors=neighbors,
        )

    # -- whole samples -------------------------------------------------------------------------

    def picked(self, row: int, *, expires_at: float, receipt: Receipt) -> PickedSample:
        """Describe a sample for the annotator who has it."""
        return PickedSample(
            sample_id=self._names.sample_ids[row],
            uri=self.uri(row),
            kind=self._kind,
            text=self._text(row),
            prediction=self.prediction(row),
            lease_expires_at=expires_at,
            receipt=receipt,
        )

    def sample(self, row: int) -> SampleInfo:
        """Describe a sample and all answers about it."""
        status, label, _ = self._ledger.standing(row)
        answers = [
            AnswerOut(
                annotator=annotator,
                label=self._name_or_none(answer.label),
                at=answer.at,
                lead_time_s=answer.lead_time_s,
            )
            for annotator, answer in self._ledger.answers.get(row, {}).items()
        ]
        return SampleInfo(
            sample_id=self._names.sample_ids[row],
            uri=self.uri(row),
            kind=self._kind,
            text=self._text(row),
            status=status_name(status),
            label=self._name_or_none(label),
            answers=answers,
            prediction=self.prediction(row),
            nearest_labeled=self.nearest_labeled(row),
        )

    def similar(self, row: int, distance: float) -> SimilarSample:
        """Describe a sample that is `distance` away from the one asked about."""
        status, label, _ = self._ledger.standing(row)
        return SimilarSample(
            sample_id=self._names.sample_ids[row],
            uri=self.uri(row),
            kind=self._kind,
            text=self._text(row),
            distance=distance,
            status=status_name(status),
            label=self._name_or_none(label),
        )

    def _name_or_none(self, label: Label | None) -> LabelName | None:
        return None if label is None else self._names.label_name(label)


def status_name(status: Status) -> Literal["unlabeled", "pending", "labeled", "skipped"]:
    """Return a status as the API calls it."""
    names: dict[Status, Literal["unlabeled", "pending", "labeled", "skipped"]] = {
        Status.UNLABELED: "unlabeled",
        Status.PENDING: "pending",
        Status.LABELED: "labeled",
        Status.SKIPPED: "skipped",
    }
    return names[status]


def as_share(probability: float) -> float:
    """Return a probability that is no more than one."""
    # a float32 sum may be a hair over one
    return min(1.0, max(0.0, float(probability)))
