"""Vectors that were computed before: (embedder id, content hash) -> vector, in one SQLite file."""

import hashlib
import logging
import os
import sqlite3
import threading
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

log = logging.getLogger(__name__)

_T = TypeVar("_T")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS embedders (key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS checked_vectors (
    embedder INTEGER NOT NULL, content BLOB NOT NULL, vector BLOB NOT NULL, crc32 INTEGER NOT NULL,
    PRIMARY KEY (embedder, content)
);
DROP TABLE IF EXISTS vectors; -- of the first form of the file: nothing told whether they were whole
CREATE TABLE IF NOT EXISTS notes (
    embedder INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (embedder, name)
);
"""
_PER_QUERY = 500  # SQLite takes 999 parameters everywhere
_BUSY_S = 30.0  # another process may be writing to the same file


def content_hash(content: bytes | str) -> str:
    """Return the name of a file's bytes or of a text, the same on every machine."""
    data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()


class VectorCache:
    """A cache of vectors on disk. Any thread and any number of processes may use one file.

    A cache must never be the reason that work stops: a file that is damaged is put aside and begun
    anew; one that cannot be read or written for another reason (a full disk) is gone around. Both
    are logged as warnings. A vector that is not what was kept, by its checksum, is not known.

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
        keys = [bytes.fromhex(name) for name in hashes]
        with self._lock:
            return self._attempt(lambda c: _select(c, embedder_id, keys), {})

    def put_many(self, embedder_id: str, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Keep vectors, by content hash; committed when this returns."""
        if not vectors:
            return
        rows = {
            bytes.fromhex(name): np.asarray(vector, dtype="<f4").tobytes()
            for name, vector in vectors.items()
        }
        with self._lock:
            self._attempt(lambda c: _insert(c, embedder_id, rows), None)

    def note(self, embedder_id: str, name: str) -> str | None:
        """Return what `keep_note` kept, such as the batch size found by trial; or None."""
        with self._lock:
            return self._attempt(lambda c: _select_note(c, embedder_id, name), None)

    def keep_note(self, embedder_id: str, name: str, value: str) -> str:
        """Keep a line about an embedder, unless there is one; return the one that holds."""
        with self._lock:
            return self._attempt(lambda c: _insert_note(c, embedder_id, name, value), value)

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
            except (OSError, MemoryError, UnicodeEncodeError, sqlite3.OperationalError) as error:
                # locked, full, read-only, an id that is no text: the file itself is sound
                log.warning("vector cache %s not used this time: %s", self.path, error)
                return otherwise
            except Exception as error:  # of damaged bytes anything may come
                self._disconnect()
                self._put_aside(error)
        return otherwise

    def _put_aside(self, error: Exception) -> None:
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
    except Exception:
        connection.close()
        raise
    return connection


def _select(
    connection: sqlite3.Connection, embedder_id: str, keys: Sequence[bytes]
) -> dict[str, NDArray[np.float32]]:
    found = {}
    for start in range(0, len(keys), _PER_QUERY):
        some = keys[start : start + _PER_QUERY]
        marks = ",".join("?" * len(some))
        query = (
            "SELECT content, vector, crc32 FROM checked_vectors WHERE embedder = "
            f"(SELECT key FROM embedders WHERE id = ?) AND content IN ({marks})"
        )
        for content, vector, crc32 in connection.execute(query, [embedder_id, *some]):
            # where a byte is off, any type may come back
            if isinstance(vector, bytes) and crc32 == _checksum(embedder_id, content, vector):
                found[content.hex()] = np.frombuffer(vector, dtype="<f4").astype(np.float32)
    return found


def _insert(
    connection: sqlite3.Connection, embedder_id: str, vectors: Mapping[bytes, bytes]
) -> None:
    with connection:  # one transaction
        key = _key(connection, embedder_id)
        connection.executemany(
            "INSERT OR REPLACE INTO checked_vectors VALUES (?, ?, ?, ?)",
            (
                (key, content, vector, _checksum(embedder_id, content, vector))
                for content, vector in vectors.items()
            ),
        )


def _checksum(embedder_id: str, content: bytes, vector: bytes) -> int:
    """Return the CRC-32 of a vector and of what it is the vector of."""
    return zlib.crc32(vector, zlib.crc32(content, zlib.crc32(embedder_id.encode())))


def _select_note(connection: sqlite3.Connection, embedder_id: str, name: str) -> str | None:
    row = connection.execute(
        "SELECT value FROM notes JOIN embedders ON embedder = key WHERE id = ? AND name = ?",
        [embedder_id, name],
    ).fetchone()
    return None if row is None else str(row[0])


def _insert_note(connection: sqlite3.Connection, embedder_id: str, name: str, value: str) -> str:
    with connection:
        key = _key(connection, embedder_id)
        # another process may have been first: then its line holds for both
        connection.execute("INSERT OR IGNORE INTO notes VALUES (?, ?, ?)", [key, name, value])
    return _select_note(connection, embedder_id, name) or value


def _key(connection: sqlite3.Connection, embedder_id: str) -> int:
    connection.execute("INSERT OR IGNORE INTO embedders (id) VALUES (?)", [embedder_id])
    row = connection.execute("SELECT key FROM embedders WHERE id = ?", [embedder_id]).fetchone()
    return int(row[0])
