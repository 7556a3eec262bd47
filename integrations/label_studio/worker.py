"""A thread that does what is wanted, in order of urgency, and tries again what failed."""

import logging
import threading
import time
from collections.abc import Callable, Mapping

from al_server.errors import ALError

FIRST_RETRY_S = 1.0
LAST_RETRY_S = 60.0
_log = logging.getLogger(__name__)


class Worker:
    """Runs named jobs, one at a time; a job wanted several times before it begins runs once.

    Parameters
    ----------
    name : of the thread
    jobs : what to do, the most urgent first
    every : jobs to be wanted again and again, and after how many seconds
    """

    def __init__(
        self,
        name: str,
        jobs: Mapping[str, Callable[[], None]],
        *,
        every: Mapping[str, float] | None = None,
    ) -> None:
        self._jobs = jobs
        self._every = dict(every or {})
        self._wanted: dict[str, float] = {}  # job -> not before, monotonic seconds
        self._n_failed: dict[str, int] = {}
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)
        self.failure: str | None = None

    def start(self) -> None:
        """Begin."""
        with self._changed:
            for job, seconds in self._every.items():
                self._wanted.setdefault(job, time.monotonic() + seconds)
        self._thread.start()

    def want(self, *jobs: str) -> None:
        """Ask for jobs, now."""
        with self._changed:
            for job in jobs:
                self._wanted[job] = 0.0
            self._changed.notify()

    def stop(self) -> None:
        """Tell it to end after the job that it is at."""
        with self._changed:
            self._closing = True
            self._changed.notify()

    def close(self, *, patience_s: float = 10.0) -> None:
        """Stop, and wait for the job that it is at."""
        self.stop()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(patience_s)

    @property
    def is_stopping(self) -> bool:
        """Whether a long job should give up."""
        return self._closing

    def _loop(self) -> None:
        while (job := self._next()) is not None:
            self._run(job)

    def let_pass(self, job: str) -> None:
        """Do another job first, from within a long one, where it is due."""
        with self._changed:
            due = self._wanted.get(job, time.monotonic() + 1) <= time.monotonic()
            if due:
                del self._wanted[job]
        if due:
            self._run(job)

    def _next(self) -> str | None:
        with self._changed:
            while not self._closing:
                now = time.monotonic()
                due = [job for job in self._jobs if self._wanted.get(job, now + 1) <= now]
                if due:
                    del self._wanted[due[0]]
                    return due[0]
                soonest = min(self._wanted.values(), default=now + LAST_RETRY_S)
                self._changed.wait(max(0.0, soonest - now))
            return None

    def _run(self, job: str) -> None:
        try:
            self._jobs[job]()
        except ALError as error:
            self._again(job, error.message)
        except Exception as error:  # a bug in one job must not end the others
            _log.exception("%s: %s failed", self._thread.name, job)
            self._again(job, f"{type(error).__name__}: {error}")
        else:
            self.failure = None if job in self._n_failed else self.failure
            self._n_failed.pop(job, None)
            if job in self._every:
                with self._changed:
                    self._wanted.setdefault(job, time.monotonic() + self._every[job])

    def _again(self, job: str, reason: str) -> None:
        n_failed = self._n_failed[job] = self._n_failed.get(job, 0) + 1
        seconds = min(LAST_RETRY_S, FIRST_RETRY_S * 2 ** (n_failed - 1))
        self.failure = reason
        if n_failed == 1:
            _log.warning("%s: %s: %s", self._thread.name, job, reason)
        with self._changed:
            self._wanted.setdefault(job, time.monotonic() + seconds)
