"""Takes comparisons on, one at a time, and keeps what they found.

Each has a folder of its own below that of its campaign, which holds all that is known of it. One
that did not get to its end is forgotten, with the server or without; finished ones stay.
"""

import logging
import shutil
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from al_server.answers import ComparisonInfo
from al_server.comparisons import kept
from al_server.comparisons.limits import check_enough, plan_of
from al_server.comparisons.process import Job, Process, Start
from al_server.errors import Busy, NotFound
from al_server.lab.writing import write_whole
from al_server.models import ComparisonIn

if TYPE_CHECKING:
    from al_server.campaign.campaign import Campaign
    from al_server.lab.plan import Plan

MOST_S: Final = 3600.0
N_KEPT: Final = 5
_LEAVES_WITHIN_S = 10.0
_log = logging.getLogger(__name__)


@dataclass
class _Running:
    campaign: str
    folder: Path
    job: Job
    is_unwanted: bool = False
    is_over: threading.Event = field(default_factory=threading.Event)


class ComparisonDesk:
    """All comparisons of a server. Every method may be called from any thread.

    Parameters
    ----------
    data_folder : of the server; nobody else writes there
    start : starts one
    """

    def __init__(self, data_folder: Path, *, start: Start = Process) -> None:
        self._data_folder = data_folder
        self._start_job = start
        self._lock = threading.Lock()
        self._running: _Running | None = None
        for folder in data_folder.glob(f"campaigns/*/{kept.FOLDER}/*"):
            if not kept.has_ended(folder):  # the server went down meanwhile
                shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Stop the one that is running."""
        if (running := self._running) is not None:
            _stop(running)

    def start(self, campaign: "Campaign", asked: ComparisonIn) -> ComparisonInfo:
        """Begin a comparison in the background.

        Raises
        ------
        BadInput, UnknownPlugin
            If it cannot be, is too large, or the campaign has too few labels for it.
        Busy
            If another one is running, of whatever campaign.
        """
        plan = plan_of(campaign, asked)
        n_labeled = check_enough(campaign, holdout=asked.holdout)
        known = kept.Asked(asked=asked, n_labeled=n_labeled, started_at=time.time())
        running = self._running
        if running is not None and kept.has_ended(running.folder):
            running.is_over.wait(_LEAVES_WITHIN_S)  # its report is there, it is just leaving
        with self._lock:
            if self._running is not None:
                raise Busy(
                    f"a comparison of campaign {self._running.campaign!r} is running",
                    "wait until it is done, or stop it",
                )
            return self._begin(campaign, known, plan)

    def all(self, campaign: "Campaign") -> list[ComparisonInfo]:
        """Return the comparisons of a campaign, newest first."""
        found = []
        for folder in reversed(kept.folders(_parent(campaign))):
            with suppress(FileNotFoundError):  # removed meanwhile
                found.append(kept.info(folder))
        return found

    def info(self, campaign: "Campaign", number: int) -> ComparisonInfo:
        """Return one comparison.

        Raises
        ------
        NotFound
        """
        try:
            return kept.info(_parent(campaign) / str(number))
        except FileNotFoundError:
            known = ", ".join(one.name for one in kept.folders(_parent(campaign))) or "none yet"
            raise NotFound(
                f"campaign {campaign.spec.name!r} has no comparison {number}", f"there are: {known}"
            ) from None

    def file(self, campaign: "Campaign", number: int, name: str) -> Path:
        """Return a file of a report.

        Raises
        ------
        NotFound
            If there is no such comparison, or no report of it.
        """
        info = self.info(campaign, number)
        if info.state != "done":
            raise NotFound(
                f"comparison {number} of campaign {campaign.spec.name!r} has no report",
                "wait until it is done" if info.state == "running" else f"it failed: {info.error}",
            )
        return _parent(campaign) / str(number) / name

    def remove(self, campaign: "Campaign", number: int) -> None:
        """Forget a comparison; one that is running is stopped.

        Raises
        ------
        NotFound
        """
        self.info(campaign, number)
        folder = _parent(campaign) / str(number)
        running = self._running
        if running is not None and running.folder == folder:
            _stop(running)
        shutil.rmtree(folder, ignore_errors=True)

    def _begin(self, campaign: "Campaign", known: kept.Asked, plan: "Plan") -> ComparisonInfo:
        before = kept.folders(_parent(campaign))
        folder = _parent(campaign) / str(int(before[-1].name) + 1 if before else 1)
        folder.mkdir(parents=True)
        write_whole(folder / kept.ASKED, known.model_dump_json().encode())
        info = kept.info(folder)
        name = campaign.spec.name
        try:
            job = self._start_job(folder, self._data_folder, name, plan)
        except OSError:
            shutil.rmtree(folder)
            raise
        running = self._running = _Running(name, folder, job)
        threading.Thread(
            target=self._follow, args=(running,), name="comparison", daemon=True
        ).start()
        return info

    def _follow(self, running: _Running) -> None:
        try:
            in_time = running.job.wait(MOST_S)
            if not in_time:
                running.job.stop()
                running.job.wait(MOST_S)
            self._put_away(running, in_time=in_time)
        finally:
            with self._lock:
                self._running = None
            running.is_over.set()

    def _put_away(self, running: _Running, *, in_time: bool) -> None:
        """See to it that the folder says how the end came, and that there are not too many."""
        folder = running.folder
        if running.is_unwanted:
            shutil.rmtree(folder, ignore_errors=True)
        elif not kept.has_ended(folder):
            reason = "its process ended before it was done; the server's log may say why"
            if not in_time:
                reason = f"not done after {MOST_S / 60:.0f} minutes; take fewer repeats or labels"
            _log.warning("comparison on campaign %s: %s", running.campaign, reason)
            kept.say_failed(folder, reason)
        for old in kept.folders(folder.parent)[:-N_KEPT]:
            shutil.rmtree(old, ignore_errors=True)


def _stop(running: _Running) -> None:
    running.is_unwanted = True
    running.job.stop()
    running.is_over.wait()


def _parent(campaign: "Campaign") -> Path:
    return campaign.files.folder / kept.FOLDER
