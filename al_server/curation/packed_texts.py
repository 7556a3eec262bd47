"""Texts as two arrays, for an .npz: as long as they are together, not as n times the longest."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Packed(NamedTuple):
    """Texts behind each other.

    Attributes
    ----------
    text : uint8 array, all of them in UTF-8
    ends : int64 array of shape (n_texts,), the byte after each
    """

    text: NDArray[np.uint8]
    ends: NDArray[np.int64]


def pack(texts: Sequence[str]) -> Packed:
    """Put texts behind each other; time and memory: their bytes."""
    # names of files may hold bytes that are no text, as lone surrogates
    parts = [text.encode("utf-8", "surrogatepass") for text in texts]
    ends = np.cumsum([len(part) for part in parts], dtype=np.int64)
    return Packed(np.frombuffer(b"".join(parts), np.uint8), ends)


def unpack(packed: Packed) -> list[str]:
    """Undo `pack`.

    Raises
    ------
    ValueError
        If these are no packed texts; the arrays may come from anywhere.
    """
    text, ends = packed
    bounds = np.append(0, ends)
    fits = text.dtype == np.uint8 and ends.dtype == np.int64 and text.ndim == ends.ndim == 1
    if not fits or (np.diff(bounds) < 0).any() or bounds[-1] != len(text):
        raise ValueError("these are no packed texts: uint8 bytes, and int64 ends in them")
    data = text.tobytes()
    return [
        data[start:end].decode("utf-8", "surrogatepass") for start, end in pairwise(bounds.tolist())
    ]
