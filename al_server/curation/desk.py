"""Builds what curation needs to know of a campaign, once, and answers by it quickly.

One is built at a time on a server, and the last few stay in memory.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from al_server.curation.answers import KEEP_BY, Amounts, CurationInfo, CurationQuery
from al_server.curation.quick import CHAIN, Quick, quick, run
from al_server.curation.snapshot import Snapshot, mark_of, snapshot_of
from al_server.errors import ALError, BadInput, Busy, NotReady

if TYPE_CHECKING:
    from al_server.campaign.campaign import Campaign
    from al_server.curation.curated import Curated
    from al_server.curation.pipeline import Pipeline

N_BUILT: Final = 2
"""So many campaigns' trees are kept: at a million samples each holds about a GB."""
MOST_SAMPLES: Final = 1_000_000
MOST_FOR_ADJACENCY: Final = 100_000
"""It takes seconds at 50,000 samples and minutes at a million: too long for who waits."""
WAITS_S = 10.0
"""So long a question waits for the one before it."""
MOST_WAITING: Final = 2
"""So many questions wait, for all campaigns together: each holds a thread of the server."""
_N_ANSWERS = 8
_SHARE_OF_NEIGHBORS = 0.4  # of the time that a build takes
_STOPS_WITHIN_S = 30.0
_log = logging.getLogger(__name__)


class Stopped(Exception):
    """Ends a build from inside of it."""


@dataclass
class _Job:
    began: float
    stop: threading.Event = field(default_factory=threading.Event)
    is_over: threading.Event = field(default_factory=threading.Event)
    progress: float = 0.0
    message: str = "copying the vectors"
    error: str | None = None
    built_in_s: float | None = None
    snapshot: Snapshot | None = None
    pipeline: "Pipeline | None" = None
    answers: "OrderedDict[Amounts, Curated]" = field(default_factory=OrderedDict)
    answering: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_stopping(self) -> bool:
        return self.stop.is_set() and not self.is_over.is_set()


class CurationDesk:
    """The curations of all campaigns. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: OrderedDict[str, _Job] = OrderedDict()
        self._running: tuple[str, _Job] | None = None
        self._places = threading.Semaphore(MOST_WAITING)

    def close(self) -> None:
        """Stop the build that is running."""
        if (running := self._running) is not None:
            running[1].stop.set()
            running[1].is_over.wait(_STOPS_WITHIN_S)

    def start(self, campaign: "Campaign") -> CurationInfo:
        """Begin to build, in the background; what was built before is forgotten.

        Raises
        ------
        BadInput
            If the campaign is too large, or has a single sample.
        Busy
            If another one is being built.
        """
        name, n = campaign.spec.name, campaign.info().n_samples
        if not 2 <= n <= MOST_SAMPLES:
            raise BadInput(
                f"campaign {name!r} has {n:,} samples; 2 to {MOST_SAMPLES:,} are curated here",
                "for more, use al-server filter",
            )
        with self._lock:
            if self._running is not None:
                raise _busy(*self._running)
            job = _Job(time.monotonic())
            # it may begin before `_running` is set, but ends after: that takes the lock
            threading.Thread(
                target=self._guarded, args=(campaign, job), name="curation", daemon=True
            ).start()
            self._keep(name, job)
            self._running = name, job
        return self.info(campaign)

    def info(self, campaign: "Campaign") -> CurationInfo:
        """Say how the curation of a campaign stands."""
        job = self._job(campaign.spec.name)
        if job is None:
            return CurationInfo(state="not_built", n_samples=campaign.info().n_samples)
        if job.is_stopping:
            return CurationInfo(state="building", progress=job.progress, message="stopping")
        if job.error is not None:
            return CurationInfo(state="failed", error=job.error, progress=job.progress)
        if job.pipeline is None or job.snapshot is None:
            spent = time.monotonic() - job.began
            left = spent / job.progress * (1 - job.progress) if job.progress >= 0.02 else None
            return CurationInfo(
                state="building", progress=job.progress, message=job.message, time_left_s=left
            )
        return CurationInfo(
            state="ready",
            progress=1,
            n_samples=len(job.snapshot.sample_ids),
            built_in_s=job.built_in_s,
            is_stale=job.snapshot.mark != mark_of(campaign),
        )

    def curated(self, campaign: "Campaign", amounts: Amounts) -> "tuple[Curated, Snapshot]":
        """Return what stays and goes, with all receipts; the last few answers are remembered.

        Raises
        ------
        NotReady
            If it was not built.
        BadInput
            If the amounts come to more than there is, or adjacency would take minutes.
        Busy
            If another question takes long, or others wait already.
        """
        job, pipeline, snapshot = self._built(campaign)
        _check_quick(len(snapshot.sample_ids), amounts)
        with self._turn(job):
            if amounts not in job.answers:
                job.answers[amounts] = run(pipeline, amounts)
                while len(job.answers) > _N_ANSWERS:
                    job.answers.popitem(last=False)
            return job.answers[amounts], snapshot

    def quick(self, campaign: "Campaign", asked: CurationQuery) -> Quick:
        """Return what stays and goes, with receipts of those that are shown; as `curated`."""
        job, pipeline, snapshot = self._built(campaign)
        amounts = asked.amounts()
        _check_quick(len(snapshot.sample_ids), amounts)
        with self._turn(job):
            return quick(pipeline, amounts, n=asked.n, order=asked.order)

    @contextmanager
    def _turn(self, job: _Job) -> Iterator[None]:
        """Answer one question of a campaign at a time: the filters use all cores by themselves."""
        if not (job.answering.acquire(blocking=False) or self._waited(job)):
            raise Busy(
                "another question about this curation is being answered",
                "ask again in some seconds",
            )
        try:
            yield
        finally:
            job.answering.release()

    def _waited(self, job: _Job) -> bool:
        """Wait for a turn; false where it does not come, or enough others wait already."""
        if not self._places.acquire(blocking=False):
            return False
        try:
            return job.answering.acquire(timeout=WAITS_S)
        finally:
            self._places.release()

    def _built(self, campaign: "Campaign") -> "tuple[_Job, Pipeline, Snapshot]":
        name = campaign.spec.name
        job = self._job(name)
        if job is not None and job.is_stopping:
            raise NotReady(
                f"the curation of campaign {name!r} is being stopped",
                "wait a moment, then begin it by POST",
            )
        if job is None or job.pipeline is None or job.snapshot is None:
            state = self.info(campaign).state
            raise NotReady(
                f"the curation of campaign {name!r} is {state.replace('_', ' ')}",
                "wait until it is ready" if state == "building" else "begin it by POST",
            )
        return job, job.pipeline, job.snapshot

    def _job(self, name: str) -> _Job | None:
        """Return the job of a campaign; a stopped one as long as its thread runs."""
        with self._lock:
            job = self._jobs.get(name)
            if job is None and self._running is not None and self._running[0] == name:
                return self._running[1]
            return job

    def forget(self, campaign: "Campaign") -> CurationInfo:
        """Stop a build that is running, or free the memory of a finished one.

        A build ends between two of its steps; until then it is "building", and "stopping".
        """
        with self._lock:
            job = self._jobs.pop(campaign.spec.name, None)
        if job is not None:
            job.stop.set()
        return self.info(campaign)

    def _keep(self, name: str, job: _Job) -> None:
        self._jobs.pop(name, None)
        self._jobs[name] = job
        while len(self._jobs) > N_BUILT:
            self._jobs.popitem(last=False)

    def _guarded(self, campaign: "Campaign", job: _Job) -> None:
        try:
            snapshot = snapshot_of(campaign)
            pipeline = _build(snapshot, job)
            job.built_in_s = time.monotonic() - job.began
            job.snapshot, job.pipeline = snapshot, pipeline
        except Stopped:
            job.error = "stopped"
        except (ALError, ValueError) as error:
            remedy = getattr(error, "remedy", "")
            job.error = f"{error}; {remedy}" if remedy else str(error)
        except Exception as error:
            _log.exception("campaign %s could not be curated", campaign.spec.name)
            job.error = f"{type(error).__name__}: {error}"
        finally:
            with self._lock:
                self._running = None
                job.is_over.set()


def _busy(name: str, job: _Job) -> Busy:
    if job.stop.is_set():
        return Busy(f"the curation of campaign {name!r} is being stopped", "wait a moment")
    return Busy(
        f"the curation of campaign {name!r} is being built", "wait until it is done, or stop it"
    )


def _check_quick(n_samples: int, amounts: Amounts) -> None:
    if amounts.keep_by == "adjacency" and n_samples > MOST_FOR_ADJACENCY:
        raise BadInput(
            f"keep_by is adjacency, which takes too long here for {n_samples:,} samples; up to "
            f"{MOST_FOR_ADJACENCY:,} are thinned by it",
            "take coreset or uniqueness, or use al-server filter --keep-by adjacency",
        )


def _build(snapshot: Snapshot, job: _Job) -> "Pipeline":
    from al_server.curation.pipeline import Pipeline
    from strategies.filters.coreset import CoresetTree

    done, share = 0.0, _SHARE_OF_NEIGHBORS

    def told(part: float) -> None:
        if job.stop.is_set():
            raise Stopped
        job.progress = min(1.0, done + share * min(1.0, max(0.0, part)))

    trees = (*CHAIN, *KEEP_BY)
    pipeline = Pipeline(snapshot.vectors, snapshot.sample_ids, chain=trees, progress=told)
    job.message = "finding neighbors"
    told(0.0)
    _ = pipeline.points  # made at the first look
    done, share = share, (1 - share) / len(trees)
    for name in trees:
        job.message = f"building {name}"
        told(0.0)
        tree = pipeline.tree(name)
        if isinstance(tree, CoresetTree):
            tree.first(len(snapshot.sample_ids))  # all of the order, so that any number is quick
        done += share
    job.message = "trying it out"
    for keep_by in KEEP_BY:  # kernels are compiled now, not at the first slide
        if keep_by == "adjacency" and len(snapshot.sample_ids) > MOST_FOR_ADJACENCY:
            continue
        told(0.0)
        amounts = Amounts(outliers=5, similars=10, keep=50, keep_by=keep_by)
        quick(pipeline, amounts, n=1, order="last")
    pipeline.progress = None
    return pipeline
