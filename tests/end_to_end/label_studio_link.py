"""Our side of a connection to Label Studio, seen from outside: the HTTP API and the commands."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from integrations.label_studio.local_server import LocalLabelStudio
from tests.end_to_end.label_studio_server import Host

CONNECTIONS = "/api/v1/integrations/label-studio/connections"
PATIENCE_S = 90.0
_POLL_S = 0.1
Answers = dict[tuple[str, str], str | None]


class Ours:
    """A server of ours, as those who connect projects to it see it.

    Parameters
    ----------
    url : address of the server
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.Client(base_url=url, timeout=60, trust_env=False)

    def close(self) -> None:
        self._client.close()

    def begin_to_connect(self, theirs: LocalLabelStudio, project: int, **wanted: Any) -> str:
        """Ask for a connection; return the name of its campaign."""
        body = {"url": theirs.url, "token": theirs.token, "project": project, **wanted}
        answer = self._client.post(CONNECTIONS, json=body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["campaign"])

    def connect(self, theirs: Host, project: int, **wanted: Any) -> str:
        """Connect a project; return the name of its campaign when the queue is filled."""
        name = self.begin_to_connect(theirs.server, project, **wanted)
        self._wait(name, lambda info: info["state"] != "connecting")
        info = self.info(name)
        assert (info["state"], info["problems"]) == ("connected", []), info
        return name

    def info(self, name: str) -> Any:
        return self._client.get(f"{CONNECTIONS}/{name}").json()

    def wait_until_reconciled(self, name: str) -> Any:
        """Wait until the server, just started, has made good what it missed."""
        self._wait(name, lambda info: info["state"] == "connected" and info["reconciled_at"])
        return self.info(name)

    def wait_until_well(self, name: str) -> None:
        """Wait until nothing is wrong: Label Studio, on SQLite, may be locked for a moment."""
        self._wait(name, lambda info: info["problems"] == [])

    def reconcile(self, name: str) -> Any:
        before = self.info(name)["reconciled_at"]
        answer = self._client.post(f"{CONNECTIONS}/{name}/reconcile")
        assert answer.status_code == 202, answer.text
        self._wait(name, lambda info: info["reconciled_at"] != before)
        return self.info(name)

    def disconnect(self, name: str) -> None:
        answer = self._client.delete(f"{CONNECTIONS}/{name}")
        assert answer.status_code == 200, answer.text

    def answers(self, name: str) -> Answers:
        """All answers of the campaign by task and annotator; None is a skip."""
        params = {"format": "jsonl", "skips": "true"}
        export = self._client.get(f"/api/v1/campaigns/{name}/export", params=params).text
        rows = [json.loads(line) for line in export.splitlines()]
        # `7~2` is the second task that was given the number 7
        found = {
            (row["sample_id"].partition("~")[0], row["annotator"]): row["label"] for row in rows
        }
        assert len(found) == len(rows), "an answer stands twice"
        return found

    def wait_for(self, name: str, answers: Answers) -> Answers:
        """Wait until the campaign has these answers; return what it has in the end."""
        deadline = time.monotonic() + 15
        while (found := self.answers(name)) != answers and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        return found

    def sample(self, name: str, task: int | str) -> Any:
        return self._client.get(f"/api/v1/campaigns/{name}/samples/{task}").json()

    def text(self, name: str, task: int | str) -> str:
        return self._client.get(f"/api/v1/campaigns/{name}/samples/{task}/media").text

    def believed(self, name: str, task: int) -> Any:
        """The label that the campaign believes a task to have: a list where it may have several."""
        prediction = self.sample(name, task)["prediction"]
        return prediction and prediction["label"]

    def wait_until(self, name: str, condition: Callable[[Any], bool]) -> None:
        """Wait until the campaign is as a test wants it."""
        deadline = time.monotonic() + 15
        while not condition(campaign := self.campaign(name)):
            assert time.monotonic() < deadline, campaign
            time.sleep(_POLL_S)

    def campaign(self, name: str) -> Any:
        return self._client.get(f"/api/v1/campaigns/{name}").json()

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `al-server label-studio` on this server."""
        program = str(Path(sys.executable).with_name("al-server"))
        line = [program, "label-studio", *arguments, "--server", self.url]
        return subprocess.run(line, capture_output=True, text=True, timeout=120)

    def _wait(self, name: str, condition: Any) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition(info := self.info(name)):
            assert time.monotonic() < deadline, info
            time.sleep(_POLL_S)
