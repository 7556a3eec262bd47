"""Runs of a comparison, side by side on any executor, and kept as soon as they are finished."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from al_server.errors import StrategyFailed
from al_server.lab.data import LabeledData
from al_server.lab.plan import Plan

if TYPE_CHECKING:
    from al_server.lab.replay import Trace
    from al_server.lab.splits import Split
    from strategies.pool import Strategy

Progress = Callable[[int, int], None]
"""Called with how many repeats are done, and how many there are."""


class Task(NamedTuple):
    """One repeat: what a worker is told. Small, but for the split.

    Attributes
    ----------
    data : file that `save_data` wrote
    arms : those that are still to be run
    own : strategies that have no name by which they could be made
    """

    data: Path
    plan: Plan
    repeat: int
    split: "Split"
    arms: tuple[str, ...]
    own: "Mapping[str, Strategy]"


class ArmResult(NamedTuple):
    """What one arm did; `probe` is None where no linear model is asked for."""

    arm: str
    trace: "Trace"
    probe: "Trace | None"


def run_repeat(task: Task) -> list[ArmResult]:
    """Let every arm label the same pool; a function that processes and machines can be sent."""
    from al_server.campaign.strategy import make_strategy
    from al_server.lab.probe import checkpoints, probe
    from al_server.lab.replay import make_track, replay

    data, plan = load_data(task.data), task.plan
    track = make_track(data, task.split, seed=plan.seed, repeat=task.repeat)
    results = []
    for arm in task.arms:
        strategy = task.own[arm] if arm in task.own else make_strategy(arm)
        try:
            trace = replay(
                track,
                strategy,
                budget=plan.budget,
                batch=plan.batch,
                n_shared=plan.n_shared,
                classifier=plan.classifier,
                k=plan.k,
            )
        except ValueError as error:
            raise StrategyFailed(
                f"{arm} could not choose in repeat {task.repeat}: {error}",
                "mend its settings, or leave it out",
            ) from error
        probed = None
        if plan.probe:
            at = checkpoints(trace.n_labeled, plan.n_checkpoints)
            probed = probe(data, task.split, trace.picks, at)
        results.append(ArmResult(arm, trace, probed))
    return results


def run_all(
    tasks: list[Task],
    *,
    executor: Executor | None,
    n_workers: int | None,
    finished: Callable[[int, list[ArmResult]], None],
    progress: Progress | None,
) -> None:
    """Run tasks, and hand over what each has found as soon as it is there.

    Parameters
    ----------
    executor : where they run; None: in processes of this machine
    n_workers : how many processes; None: one a core
    finished : called in this thread with the repeat and its results
    """
    with _processes(n_workers, len(tasks)) if executor is None else _leave_open(executor) as where:
        futures: dict[Future[list[ArmResult]], int] = {
            where.submit(run_repeat, task): task.repeat for task in tasks
        }
        if progress is not None:
            progress(0, len(tasks))
        try:
            for n_done, future in enumerate(as_completed(futures), start=1):
                finished(futures[future], future.result())
                if progress is not None:
                    progress(n_done, len(tasks))
        except BaseException:
            for future in futures:
                future.cancel()
            raise


def save_data(data: LabeledData, file: Path) -> None:
    """Write data where workers read it."""
    groups = {} if data.groups is None else {"groups": data.groups}
    with file.open("wb") as stream:
        np.savez(
            stream,
            allow_pickle=False,
            embeddings=data.embeddings,
            labels=data.labels,
            classes=np.array(data.classes),
            **groups,
        )
    load_data.cache_clear()  # the file may have held something else


@lru_cache(maxsize=1)
def load_data(file: Path) -> LabeledData:
    """Read what `save_data` wrote; once a process."""
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        return LabeledData(
            name=file.stem,
            embeddings=arrays["embeddings"],
            labels=arrays["labels"],
            classes=tuple(map(str, arrays["classes"])),
            groups=arrays["groups"] if "groups" in arrays else None,
        )


@contextmanager
def _leave_open(executor: Executor) -> Iterator[Executor]:
    """Somebody else's executor: it is theirs to shut down."""
    yield executor


@contextmanager
def _processes(n_workers: int | None, n_tasks: int) -> Iterator[Executor]:
    """Start processes of one thread each; an interruption does not wait for what they do."""
    before = {process.pid for process in multiprocessing.active_children()}
    executor = ProcessPoolExecutor(
        max_workers=max(1, min(n_workers or n_cores(), n_tasks)),
        # a forked process would inherit locks of threads that it does not have
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_be_a_worker,
    )
    try:
        yield executor
    except BaseException:
        for process in multiprocessing.active_children():
            if process.pid not in before:
                process.terminate()
        executor.shutdown(wait=True, cancel_futures=True)
        raise
    executor.shutdown()


def n_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _be_a_worker() -> None:
    """Use one thread: there are as many processes as cores."""
    import numba
    import sklearn.linear_model  # noqa: F401 -- only what is loaded can be limited
    from threadpoolctl import threadpool_limits

    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Ctrl-C goes to the whole group; the one that was asked ends the others
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    numba.set_num_threads(1)
    threadpool_limits(1)


def _end_with_parent() -> None:
    """End when the parent has, even if it was killed: nobody else would tell a waiting worker."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
