"""Open a database: SQLite by default, anything SQLAlchemy speaks by its URL."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from al_server.errors import StorageFull, StorageUnavailable

_NO_ROOM = ("disk is full", "disk I/O error", "No space left", "could not extend file")


def open_database(url: str) -> Engine:
    """Connect, and bring the schema up to date.

    Parameters
    ----------
    url : str
        SQLAlchemy URL, such as ``sqlite:////srv/al/al.db`` or ``postgresql+psycopg://...``.
    """
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
    migrate(engine)
    return engine


def sqlite_url(path: Path) -> str:
    """Return the URL of a SQLite file."""
    return f"sqlite:///{path}"


def _prepare_sqlite(connection: Any, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    # FULL: what was acknowledged survives a power cut too, not only a killed process
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def migrate(engine: Engine) -> None:
    """Bring the schema up to date, one numbered migration after the other."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(files("al_server.store") / "migrations"))
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            # the driver begins no transaction before CREATE TABLE: killed half-way, the schema
            # would stay as a torso that no later start can mend
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that ends all or nothing.

    Raises
    ------
    StorageFull, StorageUnavailable
        If there is no room on the disk, or no answer; then nothing was written.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except OperationalError as error:
        if any(sign in str(error.orig) for sign in _NO_ROOM):
            raise StorageFull(
                f"nothing was recorded: {error.orig}", "make room on the server's disk, then repeat"
            ) from error
        raise StorageUnavailable(
            f"nothing was recorded: {error.orig}", "look after the server's database, then repeat"
        ) from error
