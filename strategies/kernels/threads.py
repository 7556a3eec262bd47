"""How many threads a kernel is worth."""

from collections.abc import Iterator
from contextlib import contextmanager

from numba import get_num_threads, set_num_threads

# Below this, waking and joining threads costs more than they save. On a busy machine it costs far
# more: the join waits until the system has given every thread its turn.
ROWS_PER_THREAD = 131_072


@contextmanager
def threads_for(n_rows: int) -> Iterator[int]:
    """Let the parallel kernels called inside use as many threads as `n_rows` are worth.

    Gives that number. It holds for the calling thread alone, and no longer than the block.
    """
    available = get_num_threads()
    n_threads = max(1, min(available, n_rows // ROWS_PER_THREAD))
    set_num_threads(n_threads)
    try:
        yield n_threads
    finally:
        set_num_threads(available)
