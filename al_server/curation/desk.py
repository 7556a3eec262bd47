"""Builds what curation needs to know of a campaign, once, and answers by it quickly.

One is built at a time on a server, and the last few stay in memory.
"""

import logging
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from al_server.curation.answers import KEEP_BY, Amounts, CurationInfo, CurationQuery
from al_server.curation.quick import CHAIN, Quick, quick, run
from al_server.errors import ALError, BadInput, Busy, NotReady
from strategies.pool import Rows

if TYPE_CHECKING:
    from al_server.campaign.campaign import Campaign
    from al_server.curation.curated import Curated
    from al_server.curation.pipeline import Pipeline

N_BUILT: Final = 2
"""So many campaigns' trees are kept: at a million samples each holds about a GB."""
MOST_SAMPLES: Final = 1_000_000
_N_ANSWERS = 8
_SHARE_OF_NEIGHBORS = 0.4  # of the time that a build takes
_STOPS_WITHIN_S = 30.0
_log = logging.getLogger(__name__)


class Stopped(Exception):
    """Ends a build from inside of it."""


class Snapshot(NamedTuple):
    """The pool when the build began; retired samples are not in it.

    Attributes
    ----------
    vectors : float32 array of shape (n, n_features)
    classes : int64 array of shape (n,), class of each labeled sample, -1 else; None without labels
    mark : the arrays they were taken from, and how many rows and retired samples there were
    """

    sample_ids: list[str]
    vectors: NDArray[np.float32]
    classes: NDArray[np.int64] | None
    class_names: list[str]
    mark: tuple[int, int, int]


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


class CurationDesk:
    """The curations of all campaigns. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: OrderedDict[str, _Job] = OrderedDict()
        self._running: tuple[str, _Job] | None = None

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
                raise Busy(
                    f"the curation of campaign {self._running[0]!r} is being built",
                    "wait until it is done, or stop it",
                )
            job = _Job(time.monotonic())
            self._keep(name, job)
            self._running = name, job
        work = threading.Thread(
            target=self._guarded, args=(campaign, job), name="curation", daemon=True
        )
        work.start()
        return self.info(campaign)

    def info(self, campaign: "Campaign") -> CurationInfo:
        """Say how the curation of a campaign stands."""
        job = self._jobs.get(campaign.spec.name)
        if job is None:
            return CurationInfo(state="not_built", n_samples=campaign.info().n_samples)
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
            is_stale=job.snapshot.mark != _mark(campaign),
        )

    def curated(self, campaign: "Campaign", amounts: Amounts) -> "tuple[Curated, Snapshot]":
        """Return what stays and goes, with all receipts; the last few answers are remembered.

        Raises
        ------
        NotReady
            If it was not built.
        BadInput
            If the amounts come to more than there is.
        """
        job, pipeline, snapshot = self._built(campaign)
        with job.answering:  # the filters use all cores by themselves
            if amounts not in job.answers:
                job.answers[amounts] = run(pipeline, amounts)
                while len(job.answers) > _N_ANSWERS:
                    job.answers.popitem(last=False)
            return job.answers[amounts], snapshot

    def quick(self, campaign: "Campaign", asked: CurationQuery) -> Quick:
        """Return what stays and goes, with receipts of those that are shown; as `curated`."""
        job, pipeline, _ = self._built(campaign)
        amounts = asked.amounts()
        with job.answering:
            return quick(pipeline, amounts, n=asked.n, order=asked.order)

    def _built(self, campaign: "Campaign") -> "tuple[_Job, Pipeline, Snapshot]":
        job = self._jobs.get(campaign.spec.name)
        if job is None or job.pipeline is None or job.snapshot is None:
            state = self.info(campaign).state
            raise NotReady(
                f"the curation of campaign {campaign.spec.name!r} is {state.replace('_', ' ')}",
                "wait until it is ready" if state == "building" else "begin it by POST",
            )
        return job, job.pipeline, job.snapshot

    def forget(self, campaign: "Campaign") -> CurationInfo:
        """Stop a build that is running, or free the memory of a finished one."""
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
            snapshot = _snapshot(campaign)
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


def _snapshot(campaign: "Campaign") -> Snapshot:
    def copied() -> Snapshot:
        pool, names, ledger = campaign.loop.pool, campaign.loop.names, campaign.loop.ledger
        retired = ledger.retired
        n = len(pool.embeddings)
        rows: Rows = np.array([row for row in range(n) if row not in retired], np.int64)
        labels = pool.book.labels[rows]
        is_labeled = pool.book.targets is None and bool((labels >= 0).any())
        return Snapshot(
            [names.sample_ids[row] for row in rows.tolist()],
            np.array(pool.embeddings[rows], np.float32),
            labels.copy() if is_labeled else None,
            list(names.classes),
            _mark(campaign),
        )

    return campaign.on_writer(copied)


def _mark(campaign: "Campaign") -> tuple[int, int, int]:
    loop = campaign.loop
    return id(loop.pool), len(loop.names.sample_ids), len(loop.ledger.retired)


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
    pipeline.points  # noqa: B018 made at the first look
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
        told(0.0)
        amounts = Amounts(outliers=5, similars=10, keep=50, keep_by=keep_by)
        quick(pipeline, amounts, n=1, order="last")
    pipeline.progress = None
    return pipeline
