"""`make run-label-studio`, with a small Label Studio in place of the real one."""

import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from al_server.errors import NotReady
from integrations.label_studio import admission, demo
from integrations.label_studio import hub as hubs
from integrations.label_studio.local_server import LocalLabelStudio
from tests.integrations.label_studio.answering import Answer, answering
from tests.integrations.label_studio.small_label_studio import SmallLabelStudio
from tests.web.serving import digits, serving

N = 12
CONNECTIONS = "integrations/label-studio/connections"


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    return Path(digits(tmp_path / "files", n=N).path)


@pytest.fixture
def theirs(pool: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallLabelStudio]:
    """One without a project, that serves the pictures."""

    def serve(path: str) -> Answer:
        file = pool / path.rpartition("/")[2]
        return Answer(200, file.read_bytes(), (("Content-Type", "image/png"),))

    with answering(serve) as (url, _):
        theirs = SmallLabelStudio("<View/>", [])
        theirs.url = url
        for module in (admission, hubs, demo):
            monkeypatch.setattr(module, "Client", lambda _url, token: theirs.client(token))
        yield theirs


def test_the_demonstration_connects_its_project_once_and_goes_on_with_it(
    theirs: SmallLabelStudio, pool: Path, tmp_path: Path
) -> None:
    there: Any = SimpleNamespace(url=theirs.url, token="t")
    process: Any = SimpleNamespace(poll=lambda: None)
    with serving(tmp_path / "data") as ours:
        info = demo._connected(there, pool, ours.url, process)
        assert (info.state, info.problems, info.n_failures) == ("connected", [], 0)
        assert info.label_at == f"{theirs.url}/projects/1/data"
        assert len(theirs.queued()) == 7
        again = demo._connected(there, pool, ours.url, process)
        assert (again.campaign, len(theirs.tasks())) == (info.campaign, N)
        # what was interrupted goes on in the same project
        with demo.Connection(ours.url) as server:
            server.delete(f"{CONNECTIONS}/{info.campaign}")
        again = demo._connected(there, pool, ours.url, process)
        assert (again.state, again.campaign) == ("connected", info.campaign)
        assert len(theirs.tasks()) == N


def test_somebody_else_at_the_port_is_not_taken_for_our_label_studio(tmp_path: Path) -> None:
    program = tmp_path / "label-studio"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    with socket.create_server(("127.0.0.1", 0)) as foreign:
        there = LocalLabelStudio(program, tmp_path / "theirs", port=foreign.getsockname()[1])
        with pytest.raises(NotReady, match="is in use"):
            there.start()
