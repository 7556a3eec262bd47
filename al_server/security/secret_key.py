"""The key that cookies are signed with: made once, kept in the data folder."""

import logging
import os
import secrets
from pathlib import Path

FILE_NAME = "secret.key"
N_BYTES = 32
_log = logging.getLogger(__name__)


def load_secret_key(folder: Path) -> bytes:
    """Return the key of a data folder, making it where there is none.

    The file can be read by its owner only. A damaged one is replaced: everyone signs in again.
    """
    file = folder / FILE_NAME
    try:
        key = file.read_bytes()
    except FileNotFoundError:
        return _make(file)
    if len(key) != N_BYTES:
        _log.warning("%s is damaged and was made anew: everyone has to sign in again", file)
        return _make(file)
    if file.stat().st_mode & 0o077:
        file.chmod(0o600)
    return key


def _make(file: Path) -> bytes:
    key = secrets.token_bytes(N_BYTES)
    # written aside and renamed: no reader ever sees half a key
    aside = file.with_name(f"{FILE_NAME}.{os.getpid()}")
    aside.unlink(missing_ok=True)
    with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(key)
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(file)
    return key
