"""Label Studio's API: the few calls we need, each with a time-out and one clear error."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from al_server.errors import BadInput
from integrations.label_studio.errors import (
    LabelStudioDown,
    LabelStudioRefused,
    refusal,
    stranger,
)

if TYPE_CHECKING:
    import httpx

USUAL_S = 20.0
BULK_S = 300.0
PAGE = 1000
_ANNOTATION_KEYS = "id,completed_by,result,was_cancelled,created_at,updated_at,lead_time"


class Client:
    """One Label Studio, seen by one of its users. Safe for several threads.

    Parameters
    ----------
    url : address of Label Studio
    token : the user's legacy token or personal access token; the SDK tells them apart
    """

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise BadInput(f"{url} is no address", "such as http://127.0.0.1:8080")
        self.url = url.rstrip("/")
        self._token = token
        self._sdk_client: Any = None

    def close(self) -> None:
        """Let go of the connections."""
        if self._sdk_client is not None:
            self._sdk_client.httpx_client.httpx_client.close()

    # -- project -------------------------------------------------------------------------------

    def whoami(self) -> dict[str, Any]:
        """Return the user that the token belongs to."""
        try:
            return self._dict("GET", "api/current-user/whoami")
        except LabelStudioRefused as refused:
            if refused.http_status == 404:
                raise stranger(self.url) from refused
            raise

    def n_users(self) -> int:
        """Count the users that may annotate."""
        return len(self._ask("GET", "api/users/"))

    def project(self, project: int) -> dict[str, Any]:
        """Return a project."""
        return self._dict("GET", f"api/projects/{project}")

    def update_project(self, project: int, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Change settings of a project."""
        return self._dict("PATCH", f"api/projects/{project}", body=changes)

    def make_project(self, title: str, label_config: str) -> int:
        """Make a project; return its number."""
        body = {"title": title, "label_config": label_config}
        return int(self._dict("POST", "api/projects", body=body)["id"])

    def serve_files(self, project: int, folder: Path) -> None:
        """Let the tasks of a project show the pictures of a folder on Label Studio's machine."""
        body = {"project": project, "path": str(folder), "title": folder.name}
        self._ask("POST", "api/storages/localfiles", body={**body, "use_blob_urls": True})

    def import_tasks(self, project: int, data: Sequence[Mapping[str, Any]]) -> None:
        """Add tasks, each given by its data."""
        self._ask("POST", f"api/projects/{project}/import", body=data, timeout_s=BULK_S)

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

    def annotated(self, project: int, *, since: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield id, time of change and annotations of the tasks that have any.

        `since` leaves out what was not changed after that time, and brings tasks that have lost
        their annotations as well.
        """
        fields = f"annotations,{_ANNOTATION_KEYS}"
        if since is not None:
            changed = [_filter("tasks:updated_at", "greater", "Datetime", since)]
            yield from self._tasks(project, changed, fields)
            return
        seen: set[int] = set()
        for column in ("tasks:total_annotations", "tasks:cancelled_annotations"):
            some = [_filter(column, "greater", "Number", 0)]
            for task in self._tasks(project, some, fields):
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
            if len(found) < PAGE:
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
        answer = self._ask("GET", "api/tasks", params=asked, timeout_s=BULK_S)
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
        """Return all predictions of a task."""
        found: list[dict[str, Any]] = self._ask("GET", "api/predictions/", params={"task": task})
        return found

    def add_prediction(self, prediction: Mapping[str, Any]) -> int:
        """Add one prediction; return its id."""
        return int(self._dict("POST", "api/predictions/", body=prediction)["id"])

    def change_prediction(self, prediction: int, changes: Mapping[str, Any]) -> None:
        """Change a prediction."""
        self._ask("PATCH", f"api/predictions/{prediction}/", body=changes)

    def drop_prediction(self, prediction: int) -> None:
        """Delete a prediction; one that is gone already is as good."""
        self._drop(f"api/predictions/{prediction}/")

    def drop_version(self, project: int, model_version: str) -> None:
        """Delete all predictions of one version."""
        body = {"model_version": model_version}
        self._ask("DELETE", f"api/projects/{project}/model-versions/", body=body, timeout_s=BULK_S)

    def model_versions(self, project: int) -> list[str]:
        """List the versions that predictions of a project have."""
        return list(self._dict("GET", f"api/projects/{project}/model-versions/"))

    # -- backend and webhook -------------------------------------------------------------------

    def backends(self, project: int) -> list[dict[str, Any]]:
        """List the backends of a project; Label Studio asks each of them how it is."""
        found: list[dict[str, Any]] = self._ask("GET", "api/ml/", params={"project": project})
        return found

    def add_backend(self, backend: Mapping[str, Any]) -> int:
        """Add a backend, which Label Studio tries at once; return its id."""
        return int(self._dict("POST", "api/ml/", body=backend)["id"])

    def drop_backend(self, backend: int) -> None:
        """Delete a backend."""
        self._drop(f"api/ml/{backend}")

    def webhooks(self, project: int) -> list[dict[str, Any]]:
        """List the webhooks of a project."""
        found: list[dict[str, Any]] = self._ask("GET", "api/webhooks/", params={"project": project})
        return found

    def add_webhook(self, webhook: Mapping[str, Any]) -> int:
        """Add a webhook; return its id."""
        return int(self._dict("POST", "api/webhooks/", body=webhook)["id"])

    def change_webhook(self, webhook: int, changes: Mapping[str, Any]) -> None:
        """Change a webhook."""
        self._ask("PATCH", f"api/webhooks/{webhook}/", body=changes)

    def drop_webhook(self, webhook: int) -> None:
        """Delete a webhook."""
        self._drop(f"api/webhooks/{webhook}/")

    # -- the wire ------------------------------------------------------------------------------

    def authorization(self) -> str:
        """Return the header that shows who we are, fresh where tokens expire."""
        with self._translated():
            return str(self._sdk().get_headers()["Authorization"])

    def _sdk(self) -> Any:
        """Return the part of the SDK that signs and sends requests."""
        if self._sdk_client is None:
            import httpx
            from label_studio_sdk import LabelStudio

            wire = httpx.Client(timeout=USUAL_S, trust_env=not _is_here(self.url))
            # its typed calls refuse what other editions answer, and cost seconds for 10,000 tasks
            make: Any = LabelStudio  # its constructor carries no types
            sdk = make(base_url=f"{self.url}/", api_key=self._token, httpx_client=wire)
            self._sdk_client = sdk._client_wrapper
        return self._sdk_client

    def _drop(self, path: str) -> None:
        try:
            self._ask("DELETE", path)
        except LabelStudioRefused as refused:
            if refused.http_status != 404:
                raise

    def _dict(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        answer = self._ask(method, path, **content)
        if not isinstance(answer, dict):
            raise stranger(self.url)
        return answer

    def _ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | Sequence[Any] | None = None,
        timeout_s: float = USUAL_S,
    ) -> Any:
        with self._translated():
            answer: httpx.Response = self._sdk().httpx_client.request(
                path,
                method=method,
                params=params,
                json=body,
                # an annotator may be waiting, and what failed is made good by reconciliation
                request_options={"timeout": timeout_s, "max_retries": 0},
            )
        if not answer.is_success:
            raise refusal(answer, self.url)
        if not answer.content:
            return None
        try:
            return answer.json()
        except ValueError as error:
            raise stranger(self.url) from error

    @contextmanager
    def _translated(self) -> Iterator[None]:
        import httpx
        from label_studio_sdk.core.api_error import ApiError

        try:
            yield
        except ApiError as error:  # a personal token that cannot be traded for a fresh one
            raise LabelStudioRefused(
                f"{self.url} does not accept the token",
                "copy it anew from Account & Settings in Label Studio",
                http_status=error.status_code or 401,
            ) from error
        except httpx.TimeoutException as error:
            raise LabelStudioDown(
                f"Label Studio at {self.url} does not answer in time", "try again when it is back"
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise LabelStudioDown(
                f"no Label Studio answers at {self.url}: {error}", "start it, or mend the address"
            ) from error


def _filter(column: str, operator: str, kind: str, value: Any) -> dict[str, Any]:
    return {"filter": f"filter:{column}", "operator": operator, "type": kind, "value": value}


def _is_here(url: str) -> bool:
    from al_server.security.hosts import is_loopback

    return is_loopback(urlsplit(url).hostname or "")
