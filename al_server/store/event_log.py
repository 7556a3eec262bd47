"""The append-only log of one campaign: the truth from which every array can be rebuilt."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any, Literal

from sqlalchemy import Connection, Engine, Update, func, insert, select

from al_server.store.database import writing
from al_server.store.tables import events, samples

Kind = Literal[
    "samples",
    "classes",
    "lease",
    "expire",
    "label",
    "skip",
    "undo",
    "repeat",
    "predictions",
    "retire",
    "reembed",
]
StoredLabel = int | list[int] | None


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    Attributes
    ----------
    kind : samples | classes | lease | expire | label | skip | undo | predictions | retire |
        reembed, and repeat: an answer that stood already, sent again under another key
    row : the sample it is about, or None
    annotator : who; None for a label that came with the source
    label : class index; in multi-label campaigns a list of them
    lead_time_s : seconds the annotator took, or None
    key : idempotency key, or None
    data : what else belongs to the kind: samples {"first", "n"}; classes {"names"};
        lease {"expires_at", optionally "first", and for a random pick "believed": the label that
        was predicted then, or None}; predictions {"file"} or {"file": None}; reembed, from where
        on other vectors were in use {"generation", "embedder", "reduce", "metric"}
    at : seconds since 1970, UTC; set on appending
    seq : 1, 2, ... within the campaign; set on appending
    """

    kind: Kind
    row: int | None = None
    annotator: str | None = None
    label: StoredLabel = None
    lead_time_s: float | None = None
    key: str | None = None
    data: dict[str, Any] | None = None
    at: float = 0.0
    seq: int = 0


@dataclass(frozen=True, slots=True)
class NewSample:
    """A sample to be stored beside its event; `row` is its place in the pool."""

    row: int
    sample_id: str
    path: str | None = None
    text: str | None = None


class EventLog:
    """Appends and reads the events of one campaign.

    One thread appends: numbers are handed out here, and the primary key refuses a second writer.
    """

    def __init__(self, engine: Engine, campaign_id: int) -> None:
        self._engine = engine
        self._campaign_id = campaign_id
        with engine.connect() as connection:
            newest = select(func.max(events.c.seq)).where(events.c.campaign_id == campaign_id)
            self.last_seq: int = connection.execute(newest).scalar() or 0

    def append(
        self,
        new: Sequence[Event],
        *,
        new_samples: Iterable[NewSample] = (),
        together_with: Sequence[Update] = (),
    ) -> list[Event]:
        """Write events, all or none, and return them as stored once they are on disk.

        `new_samples` and the statements of `together_with` are part of the same transaction.

        Raises
        ------
        StorageFull
            If the disk is full; then nothing was written.
        """
        now = time.time()
        stored = [
            replace(event, at=now, seq=self.last_seq + number)
            for number, event in enumerate(new, start=1)
        ]
        with writing(self._engine) as connection:
            _insert_samples(connection, self._campaign_id, new_samples)
            for statement in together_with:
                connection.execute(statement)
            if stored:
                connection.execute(insert(events), [self._values(event) for event in stored])
        self.last_seq += len(stored)
        return stored

    def _values(self, event: Event) -> dict[str, Any]:
        return {"campaign_id": self._campaign_id, **event.__dict__}

    def read(self) -> Iterator[Event]:
        """Yield all events, oldest first."""
        columns = [events.c[name] for name in Event.__dataclass_fields__]
        query = (
            select(*columns).where(events.c.campaign_id == self._campaign_id).order_by(events.c.seq)
        )
        with self._engine.connect() as connection:
            for values in connection.execution_options(yield_per=10_000).execute(query):
                yield Event(*values)


def _insert_samples(
    connection: Connection, campaign_id: int, new_samples: Iterable[NewSample]
) -> None:
    remaining = iter(new_samples)
    while block := list(islice(remaining, 10_000)):
        values = [{"campaign_id": campaign_id, **asdict(sample)} for sample in block]
        connection.execute(insert(samples), values)
