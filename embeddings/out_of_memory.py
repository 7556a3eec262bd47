"""Out of memory in the middle of a run: smaller batches, and on."""

import gc
import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import EmbedderUnavailable

log = logging.getLogger(__name__)

_Run = Callable[[Sequence[Any]], NDArray[np.float32]]  # items of any kind -> a row for each

# torch has a type for CUDA alone; elsewhere it raises RuntimeError with one of these
_TOLD = ("out of memory", "can't allocate memory", "not enough memory", "cannot allocate memory",
         "_alloc_failed")  # fmt: skip


def halving(run: _Run, *, what: str) -> _Run:
    """Wrap what turns items into rows, so that it halves its batches where memory runs out.

    The size that worked is kept for the calls after it. Every item gets the row that it would have
    got in a whole batch, up to rounding.

    Parameters
    ----------
    run : callable, a sequence of n items -> float32 array of shape (n, n_features)
    what : str
        What runs, for the message.

    Returns
    -------
    callable like `run`; it raises `EmbedderUnavailable` where one item alone is too much
    """
    limit = sys.maxsize

    def run_in_parts(items: Sequence[Any]) -> NDArray[np.float32]:
        nonlocal limit
        parts: list[NDArray[np.float32]] = []
        start = 0
        while start < len(items) or not parts:
            part = items[start : start + limit]
            rows, reason = _attempt(run, part)
            if rows is not None:
                parts.append(rows)
                start += len(part)
            elif len(part) <= 1:
                raise EmbedderUnavailable(
                    f"{what} runs out of memory with a single sample: {reason}",
                    "end other programs, choose a smaller network, or give it smaller samples",
                )
            else:
                limit = len(part) // 2
                log.warning("%s ran out of memory with %d samples at a time: going on with %d",
                            what, len(part), limit)  # fmt: skip
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    return run_in_parts


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether an error means that memory ran out, on the CPU or on a GPU."""
    if isinstance(error, MemoryError):
        return True
    told = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in told for words in _TOLD)


def _attempt(run: _Run, items: Sequence[Any]) -> tuple[NDArray[np.float32] | None, str]:
    """Return the rows; or None, with the memory of the attempt given back, and why."""
    try:
        return run(items), ""
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
    # only here, where the error and the arrays its frames held are gone
    gc.collect()
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
    return None, reason
