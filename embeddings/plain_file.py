"""Plain files: pipes and devices, which may wait for ever, are told apart from them."""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path


def open_plain(path: Path) -> BufferedReader:
    """Open a file for reading, at once: a pipe would wait for somebody to write into it.

    Raises
    ------
    OSError
        If it cannot be opened, or is a pipe, a device, a folder or anything else but a file.
    """
    # looked at when it is open: a name may become another thing at any time
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode):
        return open(handle, "rb")
    os.close(handle)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, "it is not a file", str(path))


def check_replaceable(path: Path) -> None:
    """Refuse to put a file in the place of anything but a file: of a device or a link, say.

    Raises
    ------
    OSError
        If something else is there, or it cannot be found out.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        kind = "a link" if stat.S_ISLNK(mode) else "something else than a file"
        raise FileExistsError(errno.EEXIST, f"{kind} is there", str(path))
