"""Work that threads do on very many things, and whose results come in the things' order."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

MOST_THREADS = 8


def in_order(work: Callable[[T], R], things: Iterable[T]) -> Iterator[R]:
    """Yield `work(thing)` of each thing, done by threads a few things ahead.

    So that of a million neither the things nor the results are all held at a time.
    """
    n_threads = min(MOST_THREADS, os.cpu_count() or 1)
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(n_threads) as threads:
        for thing in things:
            waiting.append(threads.submit(work, thing))
            if len(waiting) > 8 * n_threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
