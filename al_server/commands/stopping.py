"""SIGTERM ends a command in the orderly way of Ctrl-C: what was written aside is taken away."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def stopped_in_order() -> Iterator[None]:
    """Turn SIGTERM into SystemExit(143) for as long as this lasts; also a decorator."""
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _stop(number: int, _: object) -> None:
    raise SystemExit(128 + number)
