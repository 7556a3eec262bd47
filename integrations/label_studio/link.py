"""A connected project while the server runs: what Label Studio calls, and what follows."""

import logging
import time
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from al_server.answers import Failure, Prediction
from al_server.campaign.campaign import Campaign
from integrations.label_studio.answers import result_of
from integrations.label_studio.client import Client
from integrations.label_studio.config_parser import Control, parse_config
from integrations.label_studio.connection import LIVE_PREFIX, Record
from integrations.label_studio.intake import Intake
from integrations.label_studio.media import MediaFetcher
from integrations.label_studio.project_settings import WANTED, problems_of
from integrations.label_studio.queue import Queue
from integrations.label_studio.samples import sample_of
from integrations.label_studio.sync import Sync
from integrations.label_studio.worker import Worker

CHECK_S = 60.0
"""Between two looks for missed events."""
N_VERSIONS = 64
_SLACK_S = 5.0
_BLOCK = 1000
_N_TIMES = 1000
_log = logging.getLogger(__name__)


class Link:
    """One connected project. Every method may be called from any thread.

    Parameters
    ----------
    record : what is remembered of the connection
    control : the control tag that is answered
    campaign : where the answers go
    client : Label Studio
    folder : where samples are kept
    fetch_hosts : hosts with private addresses that media may be fetched from
    """

    def __init__(
        self,
        record: Record,
        control: Control,
        campaign: Campaign,
        client: Client,
        *,
        folder: Path,
        fetch_hosts: Sequence[str] = (),
    ) -> None:
        self.record = record
        self.campaign = campaign
        self.client = client
        self.sync = Sync(campaign, control)
        self.queue = Queue(campaign, client, control, record.project)
        self.problems: list[str] = []
        self.n_events = 0
        self.n_missed = 0
        self.lag_s: float | None = None
        self.reconciled_at: float | None = None
        self.handled_s: deque[float] = deque(maxlen=_N_TIMES)
        self._prune: deque[int] = deque()
        self._watermark: str | None = None
        self._n_disagreed = 0
        self.worker = Worker(
            f"label-studio-{record.campaign}",
            {
                "tidy": self._tidy,
                "tasks": self.bring_new_tasks,
                "settings": self._look_at_settings,
                "retry": self.retry_failures,
                "reconcile": self.reconcile,
                "check": self.check,
            },
            every={"check": CHECK_S},
        )
        media = MediaFetcher(
            folder / "media",
            client,
            fetch_hosts=fetch_hosts,
            should_stop=lambda: self.worker.is_stopping,
        )
        self._intake = Intake(
            campaign,
            client,
            record.project,
            folder=folder,
            media=media,
            failures=record.failures,
            # annotators empty the queue while an embedding elsewhere is waited for
            meanwhile=lambda: self.worker.let_pass("tidy"),
        )

    @property
    def control(self) -> Control:
        """The control tag that is answered."""
        return self.sync.control

    @property
    def failures(self) -> list[Failure]:
        """The tasks that could not be taken in, and why."""
        return list(self._intake.failures.values())

    # -- what Label Studio calls ---------------------------------------------------------------

    def live_version(self) -> str:
        """Return the version of a prediction made now; a new one after everything that happens.

        Again and again the same few: Label Studio lists them all, and deletes them one by one.
        """
        return f"{LIVE_PREFIX}{self.campaign.loop.seq % N_VERSIONS}"

    def predict(self, tasks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Predict tasks, one answer each: of another length, Label Studio would drop them all."""
        version = self.live_version()
        sample_ids = [sample_of(self.campaign, task.get("id")) for task in tasks]
        if len(sample_ids) == 1:  # somebody opens it
            self.queue.served(sample_ids[0])
            if self.queue.is_short():
                self.worker.want("tidy")
        believed: dict[str, Prediction | None] = {}
        known = [one for one in sample_ids if self.campaign.has_sample(one)]
        for start in range(0, len(known), _BLOCK):
            block = known[start : start + _BLOCK]
            believed.update(zip(block, self.campaign.believed(block), strict=True))
        answers = []
        for sample_id in sample_ids:
            said = believed.get(sample_id)
            answers.append(
                {
                    "model_version": version,
                    "score": 0.0 if said is None else said.probability,
                    "result": result_of(None if said is None else said.label, self.control),
                }
            )
        return answers

    def event(self, news: Mapping[str, Any]) -> None:
        """Take in what a webhook tells."""
        began = time.perf_counter()
        self.n_events += 1
        try:
            self._take_in(news.get("action"), news)
        finally:
            self.handled_s.append(time.perf_counter() - began)

    def _take_in(self, action: Any, news: Mapping[str, Any]) -> None:
        if action in ("ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_CREATED"):
            self._written(news)
        elif action == "ANNOTATIONS_DELETED":
            if self.sync.erased([int(one["id"]) for one in news["annotations"]]):
                self.worker.want("reconcile")
        elif action == "TASKS_CREATED":
            self.worker.want("tasks")
        elif action == "TASKS_DELETED":
            self._let_go(int(one["id"]) for one in news["tasks"])
            self.worker.want("tidy")
        elif action == "PROJECT_UPDATED":
            self.worker.want("settings")
        elif action == "START_TRAINING":  # nothing is trained: a person asks to look again
            self.worker.want("reconcile")

    def _written(self, news: Mapping[str, Any]) -> None:
        given = news["annotation"]
        annotations = given if isinstance(given, list) else [given]
        self._remember_lag(annotations)
        samples = self.sync.written(annotations)
        n_left = self.queue.leave(samples)
        tasks = news.get("task")
        for task in tasks if isinstance(tasks, list) else [tasks or {}]:
            if task.get("total_predictions", 0) > 2:  # opened several times
                self._prune.append(int(task["id"]))
        if self.sync.waiting:
            self.worker.want("tasks")
        self.worker.want("tidy")
        if n_left == 1:
            self.queue.add_pick()

    def _remember_lag(self, annotations: Sequence[Mapping[str, Any]]) -> None:
        times = [datetime.fromisoformat(one["updated_at"]).timestamp() for one in annotations]
        if times:
            self.lag_s = max(0.0, time.time() - max(times))

    # -- in the background ---------------------------------------------------------------------

    def _tidy(self) -> None:
        self.queue.tidy()
        while self._prune:
            rows = self.client.predictions_of(self._prune[0])
            live = [row for row in rows if str(row["model_version"]).startswith(LIVE_PREFIX)]
            for row in sorted(live, key=lambda one: int(one["id"]))[:-1]:
                self.client.drop_prediction(int(row["id"]))
            self._prune.popleft()

    def bring_new_tasks(self, *, missing: Collection[int] = ()) -> None:
        """Take in tasks that the campaign does not have, and their annotations."""
        came = set(self._intake.bring(self.control, missing=missing))
        if came:
            self.sync.tasks_came(came)
            since = self.sync.clock
            listed = self.client.annotated(self.record.project, after=min(came) - 1)
            found = [task for task in listed if int(task["id"]) in came]
            samples = {sample_of(self.campaign, one) for one in came}
            self.sync.listed(found, since=since, samples=samples)
        self.sync.follow_waiting()

    def _let_go(self, tasks: Iterable[int]) -> None:
        gone = list(tasks)
        self.queue.leave([sample_of(self.campaign, one) for one in gone])
        self._intake.forget(gone)
        self.sync.tasks_gone(gone)

    def check(self) -> None:
        """Look for what was missed lately, and at large where the numbers do not agree."""
        project = self.client.project(self.record.project)
        # once may be an answer that came while we were asking
        self._n_disagreed = 0 if self._counts_agree(project) else self._n_disagreed + 1
        if self._watermark is None or self._n_disagreed > 1:
            self.reconcile()
            return
        since, watermark = self.sync.clock, self._find_watermark()
        tasks = list(self.client.annotated(self.record.project, since=self._watermark))
        self.n_missed += self.sync.listed(
            tasks, since=since, samples={sample_of(self.campaign, task["id"]) for task in tasks}
        )
        self._watermark = watermark
        self._look_for_problems(project)
        self.queue.n_annotators = self.client.n_users()
        self.queue.renew()
        self.queue.tidy()

    def _find_watermark(self) -> str | None:
        """Return what to look for changes from, next time, by Label Studio's own clock."""
        newest = self.client.newest_change(self.record.project)
        if newest is None:
            return None
        back = datetime.fromisoformat(newest).astimezone(UTC) - timedelta(seconds=_SLACK_S)
        return back.isoformat(timespec="microseconds").replace("+00:00", "Z")

    def _counts_agree(self, project: Mapping[str, Any]) -> bool:
        n_theirs = int(project["total_annotations_number"]) + int(
            project["skipped_annotations_number"]
        )
        n_tasks = len(self._intake.known())
        return n_theirs == len(self.sync.book) and int(project["task_number"]) == n_tasks

    def reconcile(self, *, compare_tasks: bool = True) -> None:
        """Make the campaign equal to Label Studio, and the queue to the campaign's picks.

        Reading the number of every task takes most of a minute for 100,000: not needed where they
        have just been read.
        """
        self._look_at_settings()
        self.bring_new_tasks()
        if compare_tasks:
            self._compare_tasks()
        since, watermark = self.sync.clock, self._find_watermark()
        tasks = list(self.client.annotated(self.record.project))
        self.n_missed += self.sync.listed(tasks, since=since)
        self._watermark = watermark
        self.queue.n_annotators = self.client.n_users()
        self.queue.renew()
        self.queue.rebuild()
        self.reconciled_at = time.time()

    def _compare_tasks(self) -> None:
        known = self._intake.known()
        n_there = int(self.client.project(self.record.project)["task_number"])
        there = set(self.client.task_ids(self.record.project))
        if len(there) >= n_there:  # a listing cut short must not let samples go for good
            self._let_go(sorted(known - there))
        # two imports at a time may be finished in the wrong order
        if missing := there - known:
            self.bring_new_tasks(missing=missing)

    def _look_at_settings(self) -> None:
        project = self.client.project(self.record.project)
        self._look_for_problems(project)
        control = parse_config(str(project["label_config"]), control=self.control.name)
        # another kind of question is a problem, and its answers would be no answers to ours
        if control != self.control and control == replace(self.control, classes=control.classes):
            self.sync.add_classes(control.classes)
            self.sync.control = control
            self.queue.control_changed(control)

    def _look_for_problems(self, project: Mapping[str, Any]) -> None:
        spec = self.campaign.spec
        found = problems_of(project, self.control, overlap=spec.overlap, name=spec.name)
        for one in found:
            if one not in self.problems:
                _log.warning("%s: %s", spec.name, one)
        self.problems = found

    def retry_failures(self) -> None:
        """Try the tasks again that could not be taken in."""
        self.bring_new_tasks(missing=self._intake.give_up_failures())

    # -- beginning and end ---------------------------------------------------------------------

    def apply_settings(self) -> None:
        """Set what makes Label Studio serve the picks."""
        self.client.update_project(self.record.project, WANTED)

    def start(self) -> None:
        """Begin the background work."""
        self.worker.start()

    def close(self) -> None:
        """End the background work; what is under way in Label Studio is finished at a restart."""
        self.worker.close()
        self.queue.close()
        self.client.close()
