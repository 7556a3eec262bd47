"""Vectors that were computed before: (embedder id, content hash) -> vector, in one SQLite file."""

import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

log = logging.getLogger(__name__)

_T = TypeVar("_T")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS embedders (key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS vectors (
    embedder INTEGER NOT NULL, content BLOB NOT NULL, vector BLOB NOT NULL,
    PRIMARY KEY (embedder, content)
);
"""
_PER_QUERY = 500  # SQLite takes 999 parameters everywhere
_BUSY_S = 30.0  # another process may be writing to the same file


class VectorCache:
    """A cache of vectors on disk. Any thread and any number of processes may use one file.

    A cache must never be the reason that work stops: a file that is damaged is put aside and begun
    anew; one that cannot be read or written for another reason (a full disk) is gone around. Both
    are logged as warnings.

    Parameters
    ----------
    path : Path
        The file; it and its folder are made where they are missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        with self._lock:
            self._attempt(lambda _: None, None)

    def get_many(self, embedder_id: str, hashes: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Return the vectors that are known, by content hash; the others are absent."""
        if not hashes:
            return {}
        with self._lock:
            return self._attempt(lambda c: _select(c, embedder_id, hashes), {})

    def put_many(self, embedder_id: str, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Keep vectors, by content hash; committed when this returns."""
        if not vectors:
            return
        with self._lock:
            self._attempt(lambda c: _insert(c, embedder_id, vectors), None)

    def close(self) -> None:
        """Close the file. The next use opens it again."""
        with self._lock:
            self._disconnect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _attempt(self, use: Callable[[sqlite3.Connection], _T], otherwise: _T) -> _T:
        """Use the file; on damage put it aside and use a new one; else go around it."""
        for _ in range(2):
            try:
                if self._connection is None:
                    self._connection = _connect(self.path)
                return use(self._connection)
            except (OSError, sqlite3.OperationalError) as error:
                # locked, full, read-only: the file itself is sound
                log.warning("vector cache %s not used this time: %s", self.path, error)
                return otherwise
            except sqlite3.DatabaseError as error:
                self._disconnect()
                self._put_aside(error)
        return otherwise

    def _put_aside(self, error: sqlite3.DatabaseError) -> None:
        aside = self.path.with_name(self.path.name + ".damaged")
        log.warning("vector cache %s is damaged (%s): begun anew, the old one is %s",
                    self.path, error, aside.name)  # fmt: skip
        try:
            os.replace(self.path, aside)
            for suffix in ("-wal", "-shm"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        except OSError as problem:
            log.warning("vector cache %s cannot be put aside: %s", self.path, problem)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _connect(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=_BUSY_S, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(_SCHEMA)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _select(
    connection: sqlite3.Connection, embedder_id: str, hashes: Sequence[str]
) -> dict[str, NDArray[np.float32]]:
    found = {}
    for start in range(0, len(hashes), _PER_QUERY):
        keys = [bytes.fromhex(h) for h in hashes[start : start + _PER_QUERY]]
        marks = ",".join("?" * len(keys))
        query = (
            "SELECT content, vector FROM vectors WHERE embedder = "
            f"(SELECT key FROM embedders WHERE id = ?) AND content IN ({marks})"
        )
        for content, vector in connection.execute(query, [embedder_id, *keys]):
            if len(vector) % 4 == 0:
                found[content.hex()] = np.frombuffer(vector, dtype="<f4").astype(np.float32)
    return found


def _insert(
    connection: sqlite3.Connection, embedder_id: str, vectors: Mapping[str, NDArray[np.float32]]
) -> None:
    with connection:  # one transaction
        connection.execute("INSERT OR IGNORE INTO embedders (id) VALUES (?)", [embedder_id])
        (key,) = connection.execute(
            "SELECT key FROM embedders WHERE id = ?", [embedder_id]
        ).fetchone()
        connection.executemany(
            "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)",
            (
                (key, bytes.fromhex(content), np.asarray(vector, dtype="<f4").tobytes())
                for content, vector in vectors.items()
            ),
        )
