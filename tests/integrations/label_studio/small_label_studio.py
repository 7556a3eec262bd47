"""Label Studio in memory: what our client asks of one project, and how it picks the next task.

The real one is met in the end-to-end tests; this one can lose, double and shuffle its webhooks.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from al_server.models import Label
from integrations.label_studio.answers import result_of
from integrations.label_studio.client import Client
from integrations.label_studio.config_parser import parse_config
from integrations.label_studio.errors import LabelStudioDown, LabelStudioRefused

FIRST_TASK = 101


class SmallLabelStudio:
    """One project.

    Attributes
    ----------
    news : webhooks not yet delivered
    url : where media are served
    token : the only one that is accepted; None for any
    is_down : whether the API answers at all
    reuses_numbers : of deleted tasks, as the real one does on SQLite
    """

    def __init__(self, config: str, texts: list[str], *, overlap: int = 1) -> None:
        self.config = config
        self.settings: dict[str, Any] = {
            "sampling": "Sequential sampling",
            "model_version": "",
            "show_collab_predictions": True,
            "maximum_annotations": overlap,
        }
        self.news: list[dict[str, Any]] = []
        self.url = "http://ls"
        self.token: str | None = None
        self.is_down = False
        self.reuses_numbers = False
        self.refuses_backends = False
        self.webhooks: dict[int, dict[str, Any]] = {}
        self.backends: dict[int, dict[str, Any]] = {}
        self._tasks: dict[int, dict[str, Any]] = {}
        self._annotations: dict[int, dict[str, Any]] = {}
        self._predictions: dict[int, dict[str, Any]] = {}
        self._next_id = 1
        self._clock = datetime(2026, 1, 1, tzinfo=UTC)
        for text in texts:
            self.add_task(text)
        self.news.clear()

    # -- what people do ------------------------------------------------------------------------

    def add_task(self, text: str) -> int:
        return self.add_task_of({"text": text})

    def add_task_of(self, data: Mapping[str, Any]) -> int:
        numbers = [t["id"] for t in self.tasks()] if self.reuses_numbers else self._tasks
        number = max(numbers, default=FIRST_TASK - 1) + 1
        self._tasks[number] = {"id": number, "data": dict(data), "updated_at": self._now()}
        self.news.append({"action": "TASKS_CREATED", "tasks": [{"id": number}]})
        return number

    def delete_task(self, task: int) -> None:
        self._tasks[task]["gone"] = True
        for one in [a["id"] for a in self._annotations.values() if a["task"] == task]:
            del self._annotations[one]
        for one in [p["id"] for p in self._predictions.values() if p["task"] == task]:
            del self._predictions[one]
        self.news.append({"action": "TASKS_DELETED", "tasks": [{"id": task}]})

    def annotate(self, task: int, label: Label | None, *, user: int = 1) -> int:
        """Answer, or skip; return the annotation."""
        number, now = self._number(), self._now()
        self._annotations[number] = {
            "id": number,
            "task": task,
            "completed_by": user,
            "result": result_of(label, parse_config(self.config)),
            "was_cancelled": label is None,
            "created_at": now,
            "updated_at": now,
            "lead_time": 1.5,
        }
        self._tell("ANNOTATION_CREATED", number)
        return number

    def change(self, annotation: int, label: Label) -> None:
        self._annotations[annotation] |= {
            "result": result_of(label, parse_config(self.config)),
            "was_cancelled": False,
            "updated_at": self._now(),
        }
        self._tell("ANNOTATION_UPDATED", annotation)

    def erase(self, annotation: int) -> None:
        task = self._annotations.pop(annotation)["task"]
        self._tasks[task]["updated_at"] = self._now()
        self.news.append({"action": "ANNOTATIONS_DELETED", "annotations": [{"id": annotation}]})

    def _tell(self, action: str, annotation: int) -> None:
        told = dict(self._annotations[annotation])
        self._tasks[told["task"]]["updated_at"] = told["updated_at"]
        task = {"id": told["task"], "total_predictions": 1}
        self.news.append({"action": action, "annotation": told, "task": task})

    def next_task(self, *, user: int = 1) -> int | None:
        """Return what "Label All Tasks" shows: the lowest score, if any, of our version."""
        done = {a["task"] for a in self._annotations.values() if a["completed_by"] == user}
        done |= {a["task"] for a in self._annotations.values() if not a["was_cancelled"]}
        rows = [
            p
            for p in self._predictions.values()
            if p["model_version"] == self.settings["model_version"]
            and p["task"] not in done
            # the real one takes no prediction for a task that is gone
            and "gone" not in self._tasks[p["task"]]
        ]
        return min(rows, key=lambda p: p["score"])["task"] if rows else None

    def annotations(self) -> dict[tuple[str, str], Any]:
        """Return what each user says about each task: what was changed last."""
        in_time = sorted(self._annotations.values(), key=lambda a: a["updated_at"])
        return {(str(a["task"]), f"ls:{a['completed_by']}"): a for a in in_time}

    def queued(self) -> list[int]:
        rows = [p for p in self._predictions.values() if p["model_version"] == "al-queue"]
        return [p["task"] for p in sorted(rows, key=lambda p: p["score"])]

    def tasks(self) -> list[dict[str, Any]]:
        return [task for task in self._tasks.values() if "gone" not in task]

    def prediction_of(self, task: int) -> dict[str, Any]:
        return next(p for p in self._predictions.values() if p["task"] == task)

    def _number(self) -> int:
        self._next_id += 1
        return self._next_id

    def _now(self) -> str:
        self._clock += timedelta(seconds=60)
        return self._clock.isoformat().replace("+00:00", "Z")

    # -- what our client asks ------------------------------------------------------------------

    def client(self, token: str = "token") -> "SmallClient":
        return SmallClient(self, token)


class SmallClient(Client):
    """Our client, its wire cut: answers come from a small Label Studio."""

    def __init__(self, theirs: SmallLabelStudio, token: str) -> None:
        super().__init__(theirs.url, token)
        self._theirs = theirs
        self._token = token

    def _there(self) -> SmallLabelStudio:
        if self._theirs.is_down:
            raise LabelStudioDown("Label Studio is down", "start it")
        if self._theirs.token not in (None, self._token):
            raise LabelStudioRefused("the token is not accepted", http_status=401)
        return self._theirs

    def n_users(self) -> int:
        self._there()
        return 1

    def project(self, project: int) -> dict[str, Any]:
        theirs = self._there()
        skipped = sum(a["was_cancelled"] for a in theirs._annotations.values())
        return {
            **theirs.settings,
            "label_config": theirs.config,
            "task_number": len(theirs.tasks()),
            "total_annotations_number": len(theirs._annotations) - skipped,
            "skipped_annotations_number": skipped,
        }

    def update_project(self, project: int, changes: Mapping[str, Any]) -> dict[str, Any]:
        theirs = self._there()
        version = changes.get("model_version")
        known = {"", *self.model_versions(project), *(b["title"] for b in theirs.backends.values())}
        if version not in known and version != theirs.settings["model_version"]:
            raise LabelStudioRefused("Model version doesn't exist", http_status=400)
        theirs.settings |= dict(changes)
        return self.project(project)

    def tasks(self, project: int, *, after: int = 0) -> Iterator[dict[str, Any]]:
        return iter([task for task in self._there().tasks() if task["id"] > after])

    def task_ids(self, project: int) -> Iterator[int]:
        return iter([task["id"] for task in self._there().tasks()])

    def newest_change(self, project: int) -> str | None:
        return max((task["updated_at"] for task in self._there().tasks()), default=None)

    def annotated(
        self, project: int, *, since: str | None = None, after: int = 0
    ) -> Iterator[dict[str, Any]]:
        theirs = self._there()
        found = []
        for task in (one for one in theirs.tasks() if one["id"] > after):
            answers = [dict(a) for a in theirs._annotations.values() if a["task"] == task["id"]]
            if (since is None and answers) or (since is not None and task["updated_at"] > since):
                found.append({**task, "annotations": answers})
        return iter(found)

    def predictions(self, project: int, model_version: str) -> Iterator[dict[str, Any]]:
        return iter([dict(row) for row in self._there()._predictions.values()])

    def predictions_of(self, task: int) -> list[dict[str, Any]]:
        return [dict(p) for p in self._there()._predictions.values() if p["task"] == task]

    def add_prediction(self, prediction: Mapping[str, Any]) -> int:
        theirs = self._there()
        number = theirs._number()
        theirs._predictions[number] = {**prediction, "id": number}
        return number

    def change_prediction(self, prediction: int, changes: Mapping[str, Any]) -> None:
        if "result" in changes and "project" not in changes:  # where predictions are validated
            raise LabelStudioRefused("Project is required for validation", http_status=400)
        self._there()._predictions[prediction] |= dict(changes)

    def drop_prediction(self, prediction: int) -> None:
        self._there()._predictions.pop(prediction, None)

    def make_project(self, title: str, label_config: str) -> int:
        self._there().config = label_config
        return 1

    def serve_files(self, project: int, folder: Path) -> None:
        self._there()

    def import_tasks(self, project: int, data: Sequence[Mapping[str, Any]]) -> None:
        for one in data:
            self._there().add_task_of(one)

    # -- connecting ----------------------------------------------------------------------------

    def whoami(self) -> dict[str, Any]:
        self._there()
        return {"id": 1}

    def webhooks(self, project: int) -> list[dict[str, Any]]:
        return list(self._there().webhooks.values())

    def backends(self, project: int) -> list[dict[str, Any]]:
        return list(self._there().backends.values())

    def add_webhook(self, webhook: Mapping[str, Any]) -> int:
        theirs = self._there()
        number = theirs._number()
        theirs.webhooks[number] = {**webhook, "id": number}
        return number

    def add_backend(self, backend: Mapping[str, Any]) -> int:
        theirs = self._there()
        if theirs.refuses_backends:
            raise LabelStudioRefused("reserved network address", http_status=403)
        number = theirs._number()
        theirs.backends[number] = {**backend, "id": number}
        return number

    def drop_webhook(self, webhook: int) -> None:
        self._there().webhooks.pop(webhook, None)

    def drop_backend(self, backend: int) -> None:
        self._there().backends.pop(backend, None)

    def model_versions(self, project: int) -> list[str]:
        return list({p["model_version"] for p in self._there()._predictions.values()})

    def drop_version(self, project: int, model_version: str) -> None:
        rows = self._there()._predictions
        for one in [key for key, p in rows.items() if p["model_version"] == model_version]:
            del rows[one]
        self._theirs.settings["model_version"] = None  # as the real one does
