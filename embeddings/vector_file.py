"""An .npz whose array X is written in place, row by row: vectors need not fit into memory."""

import fcntl
import os
import zipfile
import zlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self

import numpy as np
from numpy.typing import NDArray

from embeddings.plain_file import check_replaceable

_MEMBER = "X.npy"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same vectors make the same file
_COPY_BYTES = 1 << 22


class VectorFile:
    """An .npz in the making: `X` is a memory-mapped array of its final size.

    The file grows aside, under a hidden name, and takes its place when it is finished; what a
    killed run left there is written over by the next. To be used as a context.

    Parameters
    ----------
    path : Path
        The .npz; its folder is made where it is missing.
    n_rows, n_features : int
        Shape of `X`; `finish` may keep fewer rows.
    dtype : {"float32", "float16"}
        float16 halves the file and keeps three digits of a number.

    Attributes
    ----------
    X : array of shape (n_rows, n_features), zeros at first

    Raises
    ------
    OSError
        If it cannot be written, or is there and no file; BlockingIOError where another process is
        writing it.
    """

    def __init__(
        self,
        path: Path,
        n_rows: int,
        n_features: int,
        *,
        dtype: Literal["float32", "float16"] = "float32",
    ) -> None:
        check_replaceable(path)
        self._path = path
        self._is_finished = False
        self._aside = path.with_name(f".{path.name}.part")
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._n_features = n_features
        self._start = len(_local_header(0, 0)) + len(_array_header((0, n_features), self._dtype))
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = self._aside.open("a+b")
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(os.fstat(self._stream.fileno()), self._aside.stat()):
                raise BlockingIOError(f"{self._aside} was finished by another run just now")
            self._stream.truncate(0)
            _reserve(self._stream, self._start + n_rows * n_features * self._dtype.itemsize)
        except OSError:
            self._stream.close()
            raise
        shape = (n_rows, n_features)
        self.X: NDArray[Any] = (
            np.memmap(self._aside, self._dtype, "r+", offset=self._start, shape=shape)
            if n_rows * n_features
            else np.empty(shape, self._dtype)
        )

    def finish(self, n_rows: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep the first `n_rows` rows of X, add the other arrays, and put the file in its place.

        Takes one pass over X, for its checksum.
        """
        if isinstance(self.X, np.memmap):
            self.X.flush()
        header = _array_header((n_rows, self._n_features), self._dtype)
        size = len(header) + n_rows * self._n_features * self._dtype.itemsize
        end = self._start - len(header) + size
        self._stream.truncate(end)
        with self._aside.open("r+b") as stream:
            stream.seek(self._start - len(header))
            stream.write(header)
            stream.seek(self._start - len(header))
            checksum = 0
            while block := stream.read(_COPY_BYTES):
                checksum = zlib.crc32(block, checksum)
            stream.seek(0)
            stream.write(_local_header(checksum, size))
        with zipfile.ZipFile(self._aside, "a") as archive:  # goes on behind X
            member = _member(checksum, size)
            archive.filelist.append(member)
            archive.NameToInfo[_MEMBER] = member
            for name, array in arrays.items():
                buffer = BytesIO()
                np.save(buffer, array, allow_pickle=False)
                archive.writestr(zipfile.ZipInfo(f"{name}.npy", _EPOCH), buffer.getbuffer())
        self._aside.replace(self._path)
        self._is_finished = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._is_finished:  # else the name may be another run's by now
            self._aside.unlink(missing_ok=True)
        self._stream.close()


def _reserve(stream: BinaryIO, n_bytes: int) -> None:
    """Let a file grow, and take its space: a full disk under a memory map ends the process."""
    stream.truncate(n_bytes)
    if n_bytes and hasattr(os, "posix_fallocate"):
        os.posix_fallocate(stream.fileno(), 0, n_bytes)


def _array_header(shape: tuple[int, int], dtype: np.dtype[Any]) -> bytes:
    """Return a .npy header; numpy leaves room for the number of rows, so its length is fixed."""
    buffer = BytesIO()
    described = {"descr": dtype.str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, described)  # type: ignore[no-untyped-call]
    return buffer.getvalue()


def _member(checksum: int, size: int) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(_MEMBER, _EPOCH)
    member.header_offset = 0
    member.CRC, member.file_size, member.compress_size = checksum, size, size
    return member


def _local_header(checksum: int, size: int) -> bytes:
    return _member(checksum, size).FileHeader(zip64=True)
