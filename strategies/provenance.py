"""What something was made from, in words that can be compared: versions, hashes, differences."""

import platform
import sys
from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

PACKAGES: Final = ("al-server", "numpy", "numba", "scipy", "scikit-learn", "torch")
_BLOCK_ROWS: Final = 65_536


def versions() -> dict[str, str]:
    """Return those of Python, of the packages that decide about numbers, and the processor."""
    found = {"python": platform.python_version(), "processor": _processor(), "system": sys.platform}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _processor() -> str:
    """Return what numba compiles for."""
    from llvmlite import binding  # type: ignore[import-untyped]

    return str(binding.get_host_cpu_name())


def hash_array(array: NDArray[Any], order: NDArray[np.int64] | None = None) -> str:
    """Return dtype, shape and SHA-256 of the bytes, lowest byte first.

    Parameters
    ----------
    order : rows, in the order in which they are hashed; None is as they stand
    """
    digest = sha256()
    for start in range(0, len(array), _BLOCK_ROWS):
        rows: Any = slice(start, start + _BLOCK_ROWS)
        block = np.ascontiguousarray(array[rows if order is None else order[rows]])
        digest.update(block.astype(block.dtype.newbyteorder("<"), copy=False).view(np.uint8).data)
    return f"{array.dtype.name}{list(array.shape)} {digest.hexdigest()}"


def differences(what: str, before: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """Return a sentence for every name whose value is another one."""
    return [
        f"{what}.{name} was {before.get(name, 'not there')}, is {now.get(name, 'not there')}"
        for name in {**before, **now}
        if before.get(name) != now.get(name)
    ]
