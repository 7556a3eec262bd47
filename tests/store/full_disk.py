"""A disk that is full for one database: SQLite's own limit on pages, which fails as a disk does."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event

_NO_LIMIT = 2**30


@contextmanager
def full(engine: Engine) -> Iterator[None]:
    """Leave no room for another page on any connection of an engine."""

    def limit(connection: Any, n_pages: int) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA max_page_count={n_pages}")  # never below the pages in use
        cursor.close()

    def leave_no_room(connection: Any, *_: object) -> None:
        limit(connection, 1)

    event.listen(engine, "checkout", leave_no_room)
    try:
        yield
    finally:
        event.remove(engine, "checkout", leave_no_room)
        with engine.connect() as connection:
            limit(connection.connection.dbapi_connection, _NO_LIMIT)
