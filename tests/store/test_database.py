"""Schema and settings of the database."""

import importlib.resources
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Engine, inspect, text

from al_server.answers import Failure
from al_server.errors import StorageUnavailable
from al_server.store.catalog import Catalog, Prepared
from al_server.store.database import open_database, sqlite_url, writing
from al_server.store.tables import metadata
from tests.store.conftest import spec


def test_the_migrations_make_exactly_the_tables_of_the_code(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []


def test_the_migrations_can_be_taken_back(engine: Engine) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    folder = importlib.resources.files("al_server.store") / "migrations"
    config.set_main_option("script_location", str(folder))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    assert set(inspect(engine).get_table_names()) <= {"alembic_version"}


def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "al.db")
    for _ in range(2):
        engine = open_database(url)
        catalog = Catalog(engine)
        if not catalog.all():
            catalog.add(spec())
        assert [stored.name for stored in catalog.all()] == ["trees"]
        engine.dispose()


def test_a_migration_that_was_cut_off_is_made_anew_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = sqlite_url(tmp_path / "al.db")
    create_index = Operations.create_index

    def cut_off(*_: object, **__: object) -> None:
        raise SystemExit("killed between two tables")

    monkeypatch.setattr(Operations, "create_index", cut_off)
    import alembic.op

    monkeypatch.setattr(alembic.op, "create_index", cut_off)
    with pytest.raises(SystemExit):
        open_database(url)
    monkeypatch.undo()
    assert Operations.create_index is create_index
    engine = open_database(url)
    assert {"campaigns", "samples", "events"} <= set(inspect(engine).get_table_names())
    engine.dispose()


def test_what_was_acknowledged_survives_a_power_cut(engine: Engine) -> None:
    full_sync = 2
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == full_sync
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1


def test_a_database_that_refuses_is_a_clear_error(engine: Engine) -> None:
    with pytest.raises(StorageUnavailable, match="no such table"), writing(engine) as connection:
        connection.execute(text("INSERT INTO nowhere VALUES (1)"))


def test_a_campaign_comes_back_as_it_was_stored(engine: Engine) -> None:
    catalog = Catalog(engine)
    asked = spec("trees", task="multi", budget=0, lease_s=0.1 + 0.2, seed=2**62)
    added = catalog.add(asked)
    assert (added.spec, added.state, added.prepared, added.failures) == (
        asked, "preparing", None, [],
    )  # fmt: skip
    prepared = Prepared("image", "timm:x", 3, 0.1 + 0.2, "note")
    failures = [Failure(sample="ü/x.jpg", reason="broken")]
    catalog.set_state(added.id, "ready", prepared=prepared, failures=failures)
    (stored,) = catalog.all()
    assert (stored.state, stored.prepared, stored.failures) == ("ready", prepared, failures)
    catalog.set_state(added.id, "failed", error="why")
    (stored,) = catalog.all()
    assert (stored.state, stored.error, stored.prepared) == ("failed", "why", prepared)


def test_a_campaign_prepared_before_vectors_could_change_keeps_its_checkpoint(
    engine: Engine,
) -> None:
    catalog = Catalog(engine)
    added = catalog.add(spec("trees", embedder="timm:x", checkpoint="x.pth"))
    catalog.set_state(added.id, "ready", prepared=Prepared("image", "timm:x", 3, 0.5))
    old = '{"kind": "image", "embedder": "timm:x", "n_features": 3, "vote_width": 0.5}'
    with writing(engine) as connection:
        connection.execute(text("UPDATE campaigns SET prepared = :old"), {"old": old})
    (stored,) = catalog.all()
    assert stored.prepared == Prepared("image", "timm:x", 3, 0.5, checkpoint="x.pth")
    assert (stored.prepared.generation, stored.prepared.maps) == (0, ())
