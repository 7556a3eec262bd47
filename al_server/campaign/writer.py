"""The one thread that records and selects, so that no view ever sees half an update.

Two kinds of work come in. *Writes* (labels, skips, undos) are put into the log at once, in order,
and leave a backlog of array updates. *Reads* (the next sample, a prediction) wait until the backlog
is done, but at most for their patience: then they are answered from the arrays as they stand.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from al_server.errors import NotReady

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class Backlog(Protocol):
    """What the thread does between the jobs."""

    def has_backlog(self) -> bool:
        """Tell whether array updates are waiting."""
        ...

    def work_off_one(self) -> None:
        """Do one of them; short, so that a read is never kept waiting by more than one."""
        ...

    def wake_at(self) -> float | None:
        """Return when `wake` wants to be called, seconds since 1970, or None."""
        ...

    def wake(self) -> None:
        """Do what is due."""
        ...


@dataclass
class _Job:
    run: Callable[[], Any]
    future: "Future[Any]"
    deadline: float = 0.0


class Writer:
    """Runs the jobs of one campaign, one at a time, in a thread of its own."""

    def __init__(self, name: str, backlog: Backlog) -> None:
        self._backlog = backlog
        self._writes: deque[_Job] = deque()
        self._reads: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._loop, name=f"writer-{name}", daemon=True)
        self._thread.start()

    @property
    def failure(self) -> str | None:
        """Why the thread has stopped for good, or None."""
        return None if self._failure is None else repr(self._failure)

    def write(self, run: Callable[[], _T]) -> _T:
        """Run a job in order with the other writes, and return its result."""
        future: Future[_T] = Future()
        self._submit(self._writes, _Job(run, future))
        return future.result()

    def read(self, run: Callable[[], _T], *, patience_s: float) -> _T:
        """Run a job once the backlog is done, or when patience is over."""
        future: Future[_T] = Future()
        self._submit(self._reads, _Job(run, future, time.monotonic() + patience_s))
        return future.result()

    def close(self) -> None:
        """Finish what was submitted, then stop."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _submit(self, queue: deque[_Job], job: _Job) -> None:
        with self._changed:
            if self._failure is not None:
                raise self._stopped(self._failure)
            if self._closing:
                raise NotReady("the server is stopping", "try again when it is back")
            queue.append(job)
            self._changed.notify()

    def _loop(self) -> None:
        try:
            while (queue := self._next_queue()) is not None:
                self._wake_if_due()
                _run(queue.popleft())
        except Exception as error:
            # a bug in an array update: the log is intact, the arrays are not to be trusted
            _log.exception("%s stopped", self._thread.name)
            with self._changed:
                self._failure = error
                for job in (*self._writes, *self._reads):
                    job.future.set_exception(self._stopped(error))

    def _stopped(self, error: BaseException) -> NotReady:
        return NotReady(
            f"this campaign stopped after an error: {error!r}",
            "restart the server; what was acknowledged is in the log",
        )

    def _next_queue(self) -> deque[_Job] | None:
        """Wait for a job, working off the backlog meanwhile, and return the queue it heads.

        It stays in its queue until it is run, so that no error on the way can lose it. None when
        closing and all is done.
        """
        while True:
            with self._changed:
                backlog = self._backlog.has_backlog()
                now = time.monotonic()
                if self._reads and (
                    self._reads[0].deadline <= now or not (backlog or self._writes)
                ):
                    return self._reads
                if self._writes:
                    return self._writes
                if not backlog:
                    if self._closing:
                        return None
                    self._changed.wait(timeout=self._seconds_to_wake())
            if backlog:
                self._backlog.work_off_one()
            else:
                self._wake_if_due()

    def _seconds_to_wake(self) -> float | None:
        at = self._backlog.wake_at()
        return None if at is None else max(0.0, at - time.time())

    def _wake_if_due(self) -> None:
        at = self._backlog.wake_at()
        if at is not None and at <= time.time():
            self._backlog.wake()


def _run(job: _Job) -> None:
    try:
        result = job.run()
    except Exception as error:
        job.future.set_exception(error)
    else:
        job.future.set_result(result)
