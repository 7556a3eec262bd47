"""What may have happened to an .npz that `numpy.savez_compressed` wrote; X is its first array."""

import zipfile
from collections.abc import Callable
from pathlib import Path

_FLAGS, _METHOD = 6, 8  # in the local header; two bytes further in the central one


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-30])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def flipped(file: Path) -> None:
    """Flip all bits of the compressed bytes."""
    content = bytearray(file.read_bytes())
    start = 30 + content[26] + content[28] + 256 * content[29]
    content[start : start + 20] = bytes(255 - byte for byte in content[start : start + 20])
    file.write_bytes(content)


def encrypted(file: Path) -> None:
    _mark(file, _FLAGS, 1)


def packed_in_an_unknown_way(file: Path) -> None:
    _mark(file, _METHOD, 77)


def without_suffix(file: Path) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("X", b"no array")


def _mark(file: Path, place: int, value: int) -> None:
    content = bytearray(file.read_bytes())
    content[place] = value
    content[content.index(b"PK\1\2") + place + 2] = value
    file.write_bytes(content)


DAMAGES: list[Callable[[Path], None]] = [
    cut_short,
    empty,
    flipped,
    encrypted,
    packed_in_an_unknown_way,
    without_suffix,
]
