"""A connected project while the server runs: what Label Studio calls, and what follows."""

import time
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from al_server.campaign.campaign import Campaign
from al_server.errors import ALError
from al_server.models import Failure, Prediction
from integrations.label_studio.answers import result_of
from integrations.label_studio.client import Client
from integrations.label_studio.config_parser import Control, parse_config
from integrations.label_studio.connection import LIVE_PREFIX, QUEUE_VERSION, UNCERTAINTY, Record
from integrations.label_studio.media import MediaFetcher
from integrations.label_studio.queue import Queue
from integrations.label_studio.samples import write_samples
from integrations.label_studio.sync import Sync
from integrations.label_studio.worker import Worker

CHECK_S = 60.0
"""Between two looks for missed events."""
_SLACK_S = 5.0
_BLOCK = 1000
_N_TIMES = 1000


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
        self.failures: dict[str, Failure] = {one.sample: one for one in record.failures}
        self.n_events = 0
        self.n_missed = 0
        self.lag_s: float | None = None
        self.reconciled_at: float | None = None
        self.handled_s: deque[float] = deque(maxlen=_N_TIMES)
        self._folder = folder
        self._prune: deque[int] = deque()
        self._watermark: str | None = None
        self._n_disagreed = 0
        self.worker = Worker(
            f"label-studio-{record.campaign}",
            {
                "tidy": self._tidy,
                "tasks": self.bring_new_tasks,
                "settings": self._look_at_settings,
                "reconcile": self.reconcile,
                "check": self.check,
            },
            every={"check": CHECK_S},
        )
        self._media = MediaFetcher(
            folder / "media",
            client,
            fetch_hosts=fetch_hosts,
            should_stop=lambda: self.worker.is_stopping,
        )

    @property
    def control(self) -> Control:
        """The control tag that is answered."""
        return self.sync.control

    # -- what Label Studio calls ---------------------------------------------------------------

    def live_version(self) -> str:
        """Return the version of a prediction made now; a new one after everything that happens."""
        return f"{LIVE_PREFIX}{self.campaign.loop.seq}"

    def predict(self, tasks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Predict tasks, one answer each: of another length, Label Studio would drop them all."""
        version = self.live_version()
        sample_ids = [str(task.get("id")) for task in tasks]
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
        action = news.get("action")
        if action in ("ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_CREATED"):
            self._written(news)
        elif action == "ANNOTATIONS_DELETED":
            if self.sync.erased([int(one["id"]) for one in news["annotations"]]):
                self.worker.want("reconcile")
        elif action == "TASKS_CREATED":
            self.worker.want("tasks")
        elif action == "TASKS_DELETED":
            gone = [str(int(one["id"])) for one in news["tasks"]]
            self.queue.leave(gone)
            self.sync.tasks_gone(gone)
            self.worker.want("tidy")
        elif action == "PROJECT_UPDATED":
            self.worker.want("settings")
        elif action == "START_TRAINING":  # nothing is trained: a person asks to look again
            self.worker.want("reconcile")
        self.handled_s.append(time.perf_counter() - began)

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
        if n_left == 1:
            self.queue.add_pick()
        self.worker.want("tidy")

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

    def bring_new_tasks(self) -> None:
        """Take tasks in that the campaign does not have, and their annotations."""
        known = max(map(int, [*self._task_ids(), *self.failures]), default=0)
        tasks = list(self.client.tasks(self.record.project, after=known))
        tasks = [one for one in tasks if not self.campaign.has_sample(str(one["id"]))]
        if tasks:
            self.take_in(tasks)
            since = self.sync.clock
            ids = {str(one["id"]) for one in tasks}
            listed = self.client.annotated(self.record.project)
            found = [task for task in listed if str(task["id"]) in ids]
            self.sync.listed(found, since=since, samples=ids)
        self.sync.follow_waiting()

    def _task_ids(self) -> list[str]:
        # samples that were added here, by another source, are no tasks
        return [one for one in self.campaign.sample_ids() if one.isdecimal()]

    def take_in(self, tasks: Sequence[Mapping[str, Any]]) -> None:
        """Let tasks join the campaign; what cannot be used is listed with its reason."""
        written = write_samples(
            tasks, self.control, self._folder, self._media, progress=lambda _done, _all: None
        )
        self.failures.update((one.sample, one) for one in written.failures)
        if written.source is None:
            return
        self.campaign.take_in(written.source).result()
        lost = {one for one in written.sample_ids if not self.campaign.has_sample(one)}
        reasons = {one.sample: one.reason for one in self.campaign.failures}
        for sample_id in lost:
            reason = reasons.get(sample_id, self.campaign.message or "could not be taken in")
            self.failures[sample_id] = Failure(sample=sample_id, reason=reason)

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
            tasks, since=since, samples={str(task["id"]) for task in tasks}
        )
        self._watermark = watermark
        self.problems = self._problems(project)
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
        n_tasks = len(self._task_ids()) + len(self.failures)
        return n_theirs == len(self.sync.book) and int(project["task_number"]) == n_tasks

    def reconcile(self) -> None:
        """Make the campaign equal to Label Studio, and the queue to the campaign's picks."""
        self._look_at_settings()
        before = set(self._task_ids())
        there = {str(one) for one in self.client.task_ids(self.record.project)}
        gone = sorted(before - there, key=int)
        self.queue.leave(gone)
        self.sync.tasks_gone(gone)
        for sample_id in self.failures.keys() - there:
            del self.failures[sample_id]
        self.bring_new_tasks()
        since, watermark = self.sync.clock, self._find_watermark()
        tasks = list(self.client.annotated(self.record.project))
        self.n_missed += self.sync.listed(tasks, since=since)
        self._watermark = watermark
        self.queue.n_annotators = self.client.n_users()
        self.queue.renew()
        self.queue.rebuild()
        self.reconciled_at = time.time()

    def _look_at_settings(self) -> None:
        project = self.client.project(self.record.project)
        self.problems = self._problems(project)
        control = parse_config(str(project["label_config"]), control=self.control.name)
        if control != self.control:
            self.sync.add_classes(control.classes)
            self.sync.control = control
            self.queue.control_changed(control)

    def _problems(self, project: Mapping[str, Any]) -> list[str]:
        found = []
        remedy = f"run `al-server label-studio reconcile {self.record.campaign}`"
        if project["sampling"] != UNCERTAINTY:
            found.append(f"sampling is {project['sampling']}, not {UNCERTAINTY}: {remedy}")
        if project["model_version"] != QUEUE_VERSION:
            version = project["model_version"]
            found.append(f"the model version is {version!r}, so tasks come at random: {remedy}")
        if not project["show_collab_predictions"]:
            found.append(f"predictions are not shown to annotators: {remedy}")
        wanted = int(project["maximum_annotations"])
        if wanted != self.campaign.spec.overlap:
            found.append(
                f"annotations per task are {wanted}, the campaign was made for "
                f"{self.campaign.spec.overlap}: disconnect, and connect under a new --name"
            )
        try:
            control = parse_config(str(project["label_config"]), control=self.control.name)
            if (control.kind, control.multi) != (self.control.kind, self.control.multi):
                found.append("the label config asks another kind of question now")
        except ALError as error:
            found.append(error.message)
        return found

    # -- beginning and end ---------------------------------------------------------------------

    def apply_settings(self) -> None:
        """Set what makes Label Studio serve the picks; checks that it took effect."""
        self.client.update_project(
            self.record.project,
            {
                "sampling": UNCERTAINTY,
                "model_version": QUEUE_VERSION,
                "show_collab_predictions": True,
            },
        )

    def start(self) -> None:
        """Begin the background work."""
        self.worker.start()

    def close(self) -> None:
        """End the background work; what is under way in Label Studio is finished at a restart."""
        self.worker.close()
        self.queue.close()
        self.client.close()
