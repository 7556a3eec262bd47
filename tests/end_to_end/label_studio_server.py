"""A real Label Studio, and people who work in it by its API."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from integrations.label_studio.demo import CONFIG as DIGITS_CONFIG
from integrations.label_studio.local_server import LocalLabelStudio, program_of
from tests.conftest import ROOT
from tests.end_to_end.server import free_port
from tests.web.serving import digits

REQUIRED = "AL_REQUIRE_LABEL_STUDIO"
N_DIGITS = 130
TOPICS = {
    "food": "bread cheese soup apple oven salt dinner recipe butter taste".split(),
    "sport": "goal match coach ball league team score stadium runner medal".split(),
    "weather": "rain cloud storm wind sunny snow frost thunder forecast fog".split(),
}
TEXT_CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="topic" toName="text">'
    + "".join(f'<Choice value="{topic}"/>' for topic in TOPICS)
    + "</Choices></View>"
)
BOXES_CONFIG = (
    '<View><Image name="image" value="$image"/><RectangleLabels name="box" toName="image">'
    '<Label value="car"/></RectangleLabels></View>'
)
_PASSWORD = "correct-horse-4"
_TIMEOUT_S = 60.0
Json = dict[str, Any]


class Person:
    """Somebody with a token, at work in one project after the other.

    Parameters
    ----------
    url, token : of Label Studio, and of this user
    scheme : `Token` for a legacy token, `Bearer` for what a personal one was traded for
    """

    def __init__(self, url: str, token: str, *, scheme: str = "Token") -> None:
        self.token = token
        headers = {"Authorization": f"{scheme} {token}"}
        self._client = httpx.Client(
            base_url=url, headers=headers, timeout=_TIMEOUT_S, trust_env=False
        )
        self.annotator = f"ls:{self.ask('GET', '/api/current-user/whoami')['id']}"

    def close(self) -> None:
        self._client.close()

    def ask(self, method: str, path: str, **content: Any) -> Any:
        answer = self._client.request(method, path, **content)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.content else None

    def next_task(self, project: int) -> Json:
        """What `Label All Tasks` shows; "no more tasks" is an error here."""
        task = self.next_task_if_any(project)
        assert task is not None, "404: no more tasks"
        return task

    def next_task_if_any(self, project: int) -> Json | None:
        action = {"id": "next_task", "project": project}
        body = {"project": str(project)}
        answer = self._client.post("/api/dm/actions", params=action, json=body)
        if answer.status_code == 404:
            return None
        assert answer.is_success, f"{answer.status_code} {answer.text[:500]}"
        task: Json = answer.json()
        return task

    def versions(self, task: int) -> set[str]:
        """The versions of the predictions that a task has."""
        rows = self.ask("GET", "/api/predictions/", params={"task": task})
        return {str(row["model_version"]) for row in rows}

    def annotate(self, task: int, result: Sequence[Json], **more: Any) -> int:
        body = {"result": result, "lead_time": 1.5, **more}
        return int(self.ask("POST", f"/api/tasks/{task}/annotations/", json=body)["id"])

    def skip(self, task: int) -> int:
        return self.annotate(task, [], was_cancelled=True)

    def change(self, annotation: int, result: Sequence[Json]) -> None:
        self.ask("PATCH", f"/api/annotations/{annotation}/", json={"result": result})

    def erase(self, annotation: int) -> None:
        self.ask("DELETE", f"/api/annotations/{annotation}/")

    # -- what only the owner does ----------------------------------------------------------------

    def make_project(
        self,
        config: str,
        data: Sequence[Mapping[str, str]],
        *,
        title: str = "Texts",
        **settings: Any,
    ) -> int:
        body = {"title": title, "label_config": config, **settings}
        project = int(self.ask("POST", "/api/projects", json=body)["id"])
        self.import_tasks(project, data)
        return project

    def import_tasks(self, project: int, tasks: Sequence[Mapping[str, Any]]) -> None:
        self.ask("POST", f"/api/projects/{project}/import", json=tasks)

    def do_with_tasks(self, action: str, project: int, tasks: Sequence[int], **more: Any) -> None:
        """What the Data Manager does with the tasks that are ticked."""
        selected = {"all": False, "included": list(tasks)}
        body = {"project": str(project), "selectedItems": selected, **more}
        self.ask("POST", "/api/dm/actions", params={"id": action, "project": project}, json=body)

    def make_digits(self, folder: Path, *, n: int) -> int:
        """A project of digits that Label Studio serves from a folder of its machine."""
        names = sorted(file.name for file in folder.glob("*.png"))[:n]
        addresses = [f"/data/local-files/?d={folder.name}/{name}" for name in names]
        project = self.make_project(
            DIGITS_CONFIG, [{"image": one} for one in addresses], title="Handwritten digits"
        )
        storage = {
            "project": project,
            "path": str(folder),
            "title": "digits",
            "use_blob_urls": True,
        }
        self.ask("POST", "/api/storages/localfiles", json=storage)
        return project

    def annotations(self, project: int) -> dict[tuple[str, str], Json]:
        """All annotations by task and annotator; a task is annotated once by a person here."""
        pairs = [
            ((str(task["id"]), f"ls:{one['completed_by']}"), one)
            for task in self.tasks(project)
            for one in task["annotations"]
        ]
        found = dict(pairs)
        assert len(found) == len(pairs), "a person annotated a task twice"
        return found

    def labels(self, project: int) -> dict[tuple[str, str], str | None]:
        """What each annotation says; None is a skip."""
        return {pair: label_in(one["result"]) for pair, one in self.annotations(project).items()}

    def queued(self, project: int) -> list[str]:
        """The tasks that Label Studio will serve, first to last."""
        rows = [
            (row["score"], str(task["id"]))
            for task in self.tasks(project)
            for row in task["predictions"]
            if row["model_version"] == "al-queue"
        ]
        return [task for _, task in sorted(rows)]

    def tasks(self, project: int) -> list[Json]:
        params = {"project": project, "page_size": 1000, "fields": "all"}
        tasks: list[Json] = self.ask("GET", "/api/tasks", params=params)["tasks"]
        return tasks


def choice(control: str, shown: str, label: str) -> list[Json]:
    """The result that chooses a label."""
    value = {"choices": [label]}
    return [{"from_name": control, "to_name": shown, "type": "choices", "value": value}]


def topic(label: str) -> list[Json]:
    return choice("topic", "text", label)


def label_in(result: Sequence[Json]) -> str | None:
    return str(result[0]["value"]["choices"][0]) if result else None


def texts(n: int, *, seed: int = 0) -> list[dict[str, str]]:
    """Tasks of a text each, and beside it what it is about, which the config does not show."""
    rng = np.random.default_rng(seed)
    topics = rng.choice(list(TOPICS), n)
    return [
        {"text": " ".join(rng.choice(TOPICS[one], 5)) + f" {number}", "topic": str(one)}
        for number, one in enumerate(topics)
    ]


class Host:
    """A running Label Studio with its owner and four annotators.

    Attributes
    ----------
    server : the process, its address and the owner's password
    digits : folder of digits that it may serve
    owner, annotators : who works there
    """

    def __init__(self, server: LocalLabelStudio, digits: Path) -> None:
        self.server = server
        self.digits = digits
        self.owner = Person(server.url, server.token)
        invitation = self.owner.ask("GET", "/api/invite")["token"]
        self.annotators = [self._join(invitation, number) for number in range(4)]

    def close(self) -> None:
        for person in (self.owner, *self.annotators):
            person.close()

    def _join(self, invitation: str, number: int) -> Person:
        page = f"/user/signup/?token={invitation}"
        with httpx.Client(base_url=self.server.url, timeout=_TIMEOUT_S, trust_env=False) as browser:
            form = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', browser.get(page).text)
            assert form is not None
            data = {
                "csrfmiddlewaretoken": form[1],
                "email": f"annotator-{number}@example.org",
                "password": _PASSWORD,
                "allow_newsletters": "false",
            }
            browser.post(page, data=data, headers={"Referer": f"{self.server.url}{page}"})
            token = browser.get("/api/current-user/token").json()["token"]
        return Person(self.server.url, token)


@contextmanager
def label_studio(folder: Path) -> Iterator[Host]:
    """Start one where it is installed; without it the tests skip, or fail where it is required."""
    program = program_of(ROOT)
    if not program.exists():
        lacking = f"Label Studio is not installed at {program}: make label-studio"
        if os.environ.get(REQUIRED) == "1":
            pytest.fail(f"{lacking} ({REQUIRED}=1)")
        pytest.skip(lacking)
    files = folder / "files"
    pictures = Path(digits(files, n=N_DIGITS).path)
    with LocalLabelStudio(program, folder / "theirs", port=free_port(), files=files) as server:
        with closing(Host(server, pictures)) as host:
            yield host
