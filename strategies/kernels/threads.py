"""As many threads as are worth it: waking and joining them costs more than a small job saves."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

from numba import get_num_threads, set_num_threads

STEPS_PER_THREAD = 2**18
"""Elementary steps (a multiplication, a comparison) below which another thread does not pay; on a
busy machine, where a thread may have to wait for its turn, it would cost much more."""
STEPS_A_TURN = 2**31
"""After about so many, some tens of milliseconds, long work should let others have a turn."""

# two campaigns at once would only fight for the cores, and where numba finds no OpenMP its own
# thread layer aborts the process
_one_at_a_time = RLock()


@contextmanager
def threads_for(n_steps: int) -> Iterator[int]:
    """Let the kernels called inside use few threads for a small job, and say how many.

    Others wait meanwhile, those that somebody labels in among them: long work comes back for each
    `STEPS_A_TURN`. What a kernel computes never depends on the number of threads.
    """
    with _one_at_a_time:
        available = get_num_threads()
        n_threads = max(1, min(available, n_steps // STEPS_PER_THREAD))
        set_num_threads(n_threads)
        try:
            yield n_threads
        finally:
            set_num_threads(available)
