"""The log: all or nothing, in order, once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from al_server.errors import StorageFull
from al_server.store.catalog import Catalog, StoredCampaign, state_change
from al_server.store.database import open_database, sqlite_url
from al_server.store.event_log import Event, EventLog, NewSample
from tests.store.conftest import spec
from tests.store.full_disk import full

LARGE = 40_000  # characters: more than the free space of any page


def label(row: int, **more: Any) -> Event:
    return Event("label", row=row, annotator="ann", label=1, **more)


def test_events_come_back_as_they_were_written(engine: Engine, stored: StoredCampaign) -> None:
    log = EventLog(engine, stored.id)
    written = log.append(
        [
            Event("classes", data={"names": ["ü", "後藤/😀"]}),
            Event("samples", data={"first": 0, "n": 3}),
            Event("lease", row=0, annotator="ann", data={"expires_at": 1.1234567890123457e9}),
            Event("label", row=0, annotator="ann", label=2, lead_time_s=0.1, key="k"),
            Event("label", row=1, annotator="ann", label=[]),
            Event("label", row=1, annotator="ann", label=[0, 2]),
            Event("skip", row=2, annotator=""),
            Event("label", row=2, label=0),
            Event("predictions", data={"file": None}),
        ]
    )
    assert [event.seq for event in written] == list(range(1, 10))
    assert all(event.at > 1.7e9 for event in written)
    assert list(log.read()) == written
    assert list(EventLog(engine, stored.id).read()) == written


def test_numbers_go_on_where_they_ended(engine: Engine, stored: StoredCampaign) -> None:
    EventLog(engine, stored.id).append([label(0), label(1)])
    (event,) = EventLog(engine, stored.id).append([label(2)])
    assert event.seq == 3


def test_each_campaign_has_numbers_of_its_own(engine: Engine, stored: StoredCampaign) -> None:
    other = Catalog(engine).add(spec("other"))
    EventLog(engine, stored.id).append([label(0), label(1)])
    (event,) = EventLog(engine, other.id).append([label(7)])
    assert event.seq == 1
    assert [event.row for event in EventLog(engine, other.id).read()] == [7]


def test_two_logs_cannot_write_the_same_number(engine: Engine, stored: StoredCampaign) -> None:
    first, second = EventLog(engine, stored.id), EventLog(engine, stored.id)
    written = first.append([label(0)])
    with pytest.raises(IntegrityError):
        second.append([label(1), label(2)])
    assert list(first.read()) == written
    assert second.last_seq == 0
    assert first.append([label(3)])[0].seq == 2


def broken_off() -> Iterator[NewSample]:
    yield NewSample(0, "a")
    raise OSError("the source went away")


def test_appending_is_all_or_nothing(engine: Engine, stored: StoredCampaign) -> None:
    log, catalog = EventLog(engine, stored.id), Catalog(engine)
    ready = state_change(stored.id, "ready")
    with pytest.raises(OSError, match="the source went away"):
        log.append([label(0)], new_samples=broken_off(), together_with=[ready])
    with pytest.raises(IntegrityError):
        log.append([label(0)], new_samples=[NewSample(0, "twice"), NewSample(1, "twice")])
    assert list(log.read()) == []
    assert catalog.sample_ids(stored.id) == []
    assert catalog.all()[0].state == "preparing"
    log.append([label(0)], new_samples=[NewSample(0, "once")], together_with=[ready])
    assert [event.seq for event in log.read()] == [1]
    assert catalog.sample_ids(stored.id) == ["once"]
    assert catalog.all()[0].state == "ready"


def test_on_a_full_disk_nothing_is_recorded_and_later_all_goes_on(
    engine: Engine, stored: StoredCampaign
) -> None:
    log = EventLog(engine, stored.id)
    written = log.append([label(0)])
    many = [label(row, key="x" * LARGE) for row in range(1, 9)]
    with full(engine):
        with pytest.raises(StorageFull, match="nothing was recorded") as caught:
            log.append(many)
        assert "make room" in caught.value.remedy
        assert caught.value.status == 507
        assert list(log.read()) == written, "reading goes on"
    assert log.last_seq == 1
    assert [event.seq for event in log.append(many)] == list(range(2, 10))
    assert len(list(log.read())) == 9


def test_what_was_appended_is_in_the_file_without_a_goodbye(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "al.db")
    left = open_database(url)
    stored = Catalog(left).add(spec())
    written = EventLog(left, stored.id).append([label(0)])
    other = open_database(url)  # while the first still has it open, as after a kill
    assert list(EventLog(other, stored.id).read()) == written
    for engine in (left, other):
        engine.dispose()


@pytest.mark.parametrize("n_samples", [1, 10_000, 10_001])
def test_samples_keep_their_rows(engine: Engine, stored: StoredCampaign, n_samples: int) -> None:
    ids = [f"{n_samples - row:05} ü/x" for row in range(n_samples)]
    new = (NewSample(row, name, text=f"text {row}") for row, name in enumerate(ids))
    EventLog(engine, stored.id).append([], new_samples=new)
    catalog = Catalog(engine)
    assert catalog.sample_ids(stored.id) == ids
    assert catalog.sample(stored.id, n_samples - 1).text == f"text {n_samples - 1}"
