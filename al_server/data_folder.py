"""The folder that a server keeps everything in, held by one server at a time."""

import fcntl
import os
from pathlib import Path

from al_server.errors import DataFolderInUse


class DataFolder:
    """A data folder, locked from making this object until `release`.

    The lock belongs to the process: it is gone with it, also after kill -9.

    Raises
    ------
    DataFolderInUse
        If another server holds it; the message names its process.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self._lock = (path / "server.lock").open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.seek(0)
            pid = self._lock.read().strip() or "unknown"
            self._lock.close()
            raise DataFolderInUse(
                f"another server (process {pid}) works on the data folder {path}",
                "stop it, or give this one another folder with --data",
            ) from None
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()

    def release(self) -> None:
        """Let others use the folder."""
        self._lock.close()
