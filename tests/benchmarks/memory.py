"""How much memory work takes beside what is there already."""

import tracemalloc
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def with_peak(work: Callable[[], T]) -> tuple[T, float]:
    """Return what work returns, and the MiB of its arrays at their peak.

    Counts what Python and numpy allocate, which is all that grows with the pool; compiled kernels
    take some MiB a thread besides. The memory of the process would say less: it keeps what was
    freed.
    """
    tracemalloc.start()
    try:
        return work(), tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()
