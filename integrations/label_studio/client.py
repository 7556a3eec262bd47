"""Label Studio's API: the few calls we need, each with a time-out and one clear error."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from integrations.label_studio.errors import LabelStudioRefused, stranger
from integrations.label_studio.wire import BULK_S, Wire

PAGE = 1000
_ANNOTATION_KEYS = "id,completed_by,result,was_cancelled,created_at,updated_at,lead_time"


class Client:
    """One Label Studio, seen by one of its users. Safe for several threads.

    Parameters
    ----------
    url : address of Label Studio
    token : the user's legacy token or personal access token
    """

    def __init__(self, url: str, token: str) -> None:
        self._wire = Wire(url, token)
        self.url = self._wire.url

    def close(self) -> None:
        """Let go of the connections."""
        self._wire.close()

    # -- project -------------------------------------------------------------------------------

    def whoami(self) -> dict[str, Any]:
        """Return the user that the token belongs to."""
        try:
            return self._wire.ask_dict("GET", "api/current-user/whoami")
        except LabelStudioRefused as refused:
            if refused.http_status == 404:
                raise stranger(self.url) from refused
            raise

    def n_users(self) -> int:
        """Count the users that may annotate."""
        return len(self._wire.ask("GET", "api/users/"))

    def project(self, project: int) -> dict[str, Any]:
        """Return a project."""
        return self._wire.ask_dict("GET", f"api/projects/{project}")

    def update_project(self, project: int, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Change settings of a project."""
        return self._wire.ask_dict("PATCH", f"api/projects/{project}", body=changes)

    def make_project(self, title: str, label_config: str) -> int:
        """Make a project; return its number."""
        body = {"title": title, "label_config": label_config}
        return int(self._wire.ask_dict("POST", "api/projects", body=body)["id"])

    def serve_files(self, project: int, folder: Path) -> None:
        """Let the tasks of a project show the pictures of a folder on Label Studio's machine."""
        body = {"project": project, "path": str(folder), "title": folder.name}
        self._wire.ask("POST", "api/storages/localfiles", body={**body, "use_blob_urls": True})

    def import_tasks(self, project: int, data: Sequence[Mapping[str, Any]]) -> None:
        """Add tasks, each given by its data."""
        self._wire.ask("POST", f"api/projects/{project}/import", body=data, timeout_s=BULK_S)

    # -- tasks ---------------------------------------------------------------------------------

    def tasks(self, project: int, *, after: int = 0) -> Iterator[dict[str, Any]]:
        """Yield id and data of the tasks with a larger id than `after`, in order of id.

        Addresses in the data are such as the host serves them.
        """
        return self._tasks(project, [], "id,data", after=after)

    def task_ids(self, project: int) -> Iterator[int]:
        """Yield the ids of all tasks."""
        return (int(task["id"]) for task in self._tasks(project, [], "id"))

    def newest_change(self, project: int) -> str | None:
        """Return when a task was changed last, by Label Studio's clock; None without tasks."""
        found = self._page(project, [], "id,updated_at", order="-tasks:updated_at", size=1)
        return str(found[0]["updated_at"]) if found else None

    def annotated(
        self, project: int, *, since: str | None = None, after: int = 0
    ) -> Iterator[dict[str, Any]]:
        """Yield id, time of change and annotations of the tasks that have any.

        `since` leaves out what was not changed after that time, and brings tasks that have lost
        their annotations as well; `after` leaves out the tasks up to that id.
        """
        fields = f"annotations,{_ANNOTATION_KEYS}"
        if since is not None:
            changed = [_filter("tasks:updated_at", "greater", "Datetime", since)]
            yield from self._tasks(project, changed, fields, after=after)
            return
        seen: set[int] = set()
        for column in ("tasks:total_annotations", "tasks:cancelled_annotations"):
            some = [_filter(column, "greater", "Number", 0)]
            for task in self._tasks(project, some, fields, after=after):
                if task["id"] not in seen:
                    seen.add(task["id"])
                    yield task

    def _tasks(
        self, project: int, filters: list[dict[str, Any]], fields: str, *, after: int = 0
    ) -> Iterator[dict[str, Any]]:
        # by id rather than by page: pages shift when tasks come and go meanwhile
        while True:
            beyond = _filter("tasks:id", "greater", "Number", after)
            found = self._page(project, [*filters, beyond], fields, order="tasks:id", size=PAGE)
            yield from found
            if not found:  # the host may send smaller pages than were asked for
                return
            after = int(found[-1]["id"])

    def _page(
        self, project: int, filters: list[dict[str, Any]], fields: str, *, order: str, size: int
    ) -> list[dict[str, Any]]:
        query = {"filters": {"conjunction": "and", "items": filters}, "ordering": [order]}
        asked = {
            "project": project,
            "page_size": size,
            "include": fields,
            "query": json.dumps(query),
            "fields": "all" if "annotations" in fields or "predictions" in fields else "task_only",
        }
        answer = self._wire.ask("GET", "api/tasks", params=asked, timeout_s=BULK_S)
        found: list[dict[str, Any]] = answer["tasks"] if isinstance(answer, dict) else answer
        return found

    # -- predictions ---------------------------------------------------------------------------

    def predictions(self, project: int, model_version: str) -> Iterator[dict[str, Any]]:
        """Yield the predictions of a project whose version contains `model_version`."""
        some = [_filter("tasks:predictions_model_versions", "contains", "String", model_version)]
        for task in self._tasks(project, some, "predictions,id,model_version,score,created_at"):
            for prediction in task["predictions"]:
                yield {**prediction, "task": task["id"]}

    def predictions_of(self, task: int) -> list[dict[str, Any]]:
        """Return all predictions of a task; none where the task is gone."""
        found: list[dict[str, Any]]
        try:
            found = self._wire.ask("GET", "api/predictions/", params={"task": task})
        except LabelStudioRefused as refused:
            if refused.http_status != 400:  # "not one of the available choices"
                raise
            return []
        return found

    def add_prediction(self, prediction: Mapping[str, Any]) -> int:
        """Add one prediction; return its id."""
        return int(self._wire.ask_dict("POST", "api/predictions/", body=prediction)["id"])

    def change_prediction(self, prediction: int, changes: Mapping[str, Any]) -> None:
        """Change a prediction."""
        self._wire.ask("PATCH", f"api/predictions/{prediction}/", body=changes)

    def drop_prediction(self, prediction: int) -> None:
        """Delete a prediction; one that is gone already is as good."""
        self._drop(f"api/predictions/{prediction}/")

    def drop_version(self, project: int, model_version: str) -> None:
        """Delete all predictions of one version."""
        body = {"model_version": model_version}
        self._wire.ask(
            "DELETE", f"api/projects/{project}/model-versions/", body=body, timeout_s=BULK_S
        )

    def model_versions(self, project: int) -> list[str]:
        """List the versions that predictions of a project have."""
        return list(self._wire.ask_dict("GET", f"api/projects/{project}/model-versions/"))

    # -- backend and webhook -------------------------------------------------------------------

    def backends(self, project: int) -> list[dict[str, Any]]:
        """List the backends of a project; Label Studio asks each of them how it is."""
        found: list[dict[str, Any]] = self._wire.ask("GET", "api/ml/", params={"project": project})
        return found

    def add_backend(self, backend: Mapping[str, Any]) -> int:
        """Add a backend, which Label Studio tries at once; return its id."""
        return int(self._wire.ask_dict("POST", "api/ml/", body=backend)["id"])

    def drop_backend(self, backend: int) -> None:
        """Delete a backend."""
        self._drop(f"api/ml/{backend}")

    def webhooks(self, project: int) -> list[dict[str, Any]]:
        """List the webhooks of a project."""
        found: list[dict[str, Any]] = self._wire.ask(
            "GET", "api/webhooks/", params={"project": project}
        )
        return found

    def add_webhook(self, webhook: Mapping[str, Any]) -> int:
        """Add a webhook; return its id."""
        return int(self._wire.ask_dict("POST", "api/webhooks/", body=webhook)["id"])

    def change_webhook(self, webhook: int, changes: Mapping[str, Any]) -> None:
        """Change a webhook."""
        self._wire.ask("PATCH", f"api/webhooks/{webhook}/", body=changes)

    def drop_webhook(self, webhook: int) -> None:
        """Delete a webhook."""
        self._drop(f"api/webhooks/{webhook}/")

    # -- more ----------------------------------------------------------------------------------

    def authorization(self) -> str:
        """Return the header that shows who we are, fresh where tokens expire."""
        return self._wire.authorization()

    def _drop(self, path: str) -> None:
        try:
            self._wire.ask("DELETE", path)
        except LabelStudioRefused as refused:
            if refused.http_status != 404:
                raise


def _filter(column: str, operator: str, kind: str, value: Any) -> dict[str, Any]:
    return {"filter": f"filter:{column}", "operator": operator, "type": kind, "value": value}
