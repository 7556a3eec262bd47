"""A Ray cluster: the connection to it, its machines, and an executor that runs calls on them."""

import concurrent.futures
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from al_server.errors import BadInput
from embeddings.installing import how_to_install

_P = ParamSpec("_P")
_T = TypeVar("_T")

LOCAL = "local"
_ANSWERS_S = 10.0
_STORE_BYTES = 100_000_000  # of a cluster started here: batches are small


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Be connected to a cluster; a connection that was there before is used, and stays.

    Raises
    ------
    BadInput
        If Ray is not installed, or no cluster answers.
    """
    try:
        import ray
    except ImportError as error:
        raise BadInput(
            "Ray is not installed", f"on every machine: {how_to_install('ray')}"
        ) from error
    if ray.is_initialized():
        yield
        return
    _check_answers(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to anybody
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    options: dict[str, Any] = {"address": address, "log_to_driver": False}
    if address == LOCAL:
        options |= {"object_store_memory": _STORE_BYTES, "include_dashboard": False}
    try:
        ray.init(**options, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise _nobody_at(address, error) from error
    try:
        yield
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Refuse HOST:PORT where nobody listens: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if "://" in address or not (host and port.isdecimal()):
        return
    host = host.removeprefix("[").removesuffix("]")  # of IPv6
    try:
        socket.create_connection((host, int(port)), timeout=_ANSWERS_S).close()
    except (OSError, OverflowError, ValueError) as error:  # ValueError: a name that cannot be one
        raise _nobody_at(address, error) from error


def _nobody_at(address: str, error: Exception) -> BadInput:
    said = (str(error).splitlines() or [type(error).__name__])[0]
    return BadInput(
        f"no Ray cluster answers at {address}: {said}",
        "start one with `ray start --head`, or use the address local",
    )


def alive_nodes() -> list[dict[str, Any]]:
    """Return what Ray says of the machines of the cluster that we are connected to."""
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


class RayExecutor(Executor):
    """A `concurrent.futures.Executor` over a Ray cluster; a call takes one CPU.

    Functions, arguments and results are pickled; paths must mean the same on every machine.

    Parameters
    ----------
    address : str
        HOST:PORT, `auto`, or `local`.
    """

    def __init__(self, address: str) -> None:
        self._connection = connected(address)
        self._connection.__enter__()
        self._lock = threading.Lock()
        self._tasks: dict[Future[Any], Any] = {}
        self._is_open = True

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> "Future[_T]":
        """Run a call somewhere; see `concurrent.futures.Executor`."""
        import ray

        with self._lock:
            if not self._is_open:
                raise RuntimeError("this executor was shut down")
            future: Future[_T] = Future()
            call: Any = ray.remote(max_retries=0)(_call)
            task = call.remote(fn, args, kwargs)
            future.set_running_or_notify_cancel()
            self._tasks[future] = task
        task.future().add_done_callback(lambda done: self._finish(future, done))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; wait for those under way, or cancel them."""
        import ray

        with self._lock:
            self._is_open = False
            futures, tasks = list(self._tasks), list(self._tasks.values())
        if cancel_futures:
            for task in tasks:
                ray.cancel(task, force=True)
        if wait or cancel_futures:
            if tasks:
                ray.wait(tasks, num_returns=len(tasks))
                concurrent.futures.wait(futures, timeout=_ANSWERS_S)  # Ray's thread hands over
            self._connection.__exit__(None, None, None)

    def _finish(self, future: "Future[Any]", done: "Future[Any]") -> None:
        with self._lock:
            self._tasks.pop(future, None)
        error = done.exception()
        if error is None:
            future.set_result(done.result())
        else:
            future.set_exception(getattr(error, "cause", None) or error)


def _call(fn: Callable[..., _T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> _T:
    """Run a call over there; Ray itself takes no builtin and no method for a task."""
    return fn(*args, **kwargs)
