"""How much memory work takes beside what is there already."""

import threading
from collections.abc import Callable
from typing import TypeVar

import psutil

T = TypeVar("T")


def with_peak(work: Callable[[], T]) -> tuple[T, float]:
    """Return what work returns, and by how many MiB the process grew at most."""
    process, done = psutil.Process(), threading.Event()
    before = process.memory_info().rss
    most = [before]

    def watch() -> None:
        while not done.wait(0.005):
            most[0] = max(most[0], process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        return work(), (most[0] - before) / 2**20
    finally:
        done.set()
        watcher.join()
