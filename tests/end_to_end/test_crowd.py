"""Many at once, and connections that do not behave."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from threading import Barrier
from typing import TypeVar

import httpx
import numpy as np
import pytest

from tests.end_to_end.annotator import Annotator
from tests.end_to_end.claims import Exported, faults
from tests.end_to_end.server import Server, running, wait_until_ready

N_SAMPLES = 400
CROWD = 100
T = TypeVar("T")
_numbers = count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("data")) as server:
        np.save(_pool(server), np.random.default_rng(0).standard_normal((N_SAMPLES, 8)))
        yield server


@pytest.fixture
def campaign(server: Server) -> Iterator[httpx.Client]:
    """A client at a campaign of its own."""
    name = f"crowd-{next(_numbers)}"
    source = {"kind": "npy", "path": str(_pool(server))}
    with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client:
        spec = {"name": name, "classes": ["a", "b"], "source": source}
        assert client.post("/api/v1/campaigns", json=spec).status_code == 201
        wait_until_ready(client, name)
        client.base_url = f"{server.url}/api/v1/campaigns/{name}"
        # the first question of all may compile the kernels
        client.get("/next", params={"annotator": "the first"})
        yield client


def _pool(server: Server) -> Path:
    return server.folder / "pool.npy"


def _at_once(client: httpx.Client, n: int, ask: Callable[[httpx.Client, int], T]) -> list[T]:
    """Ask over `n` connections in the same moment."""
    barrier = Barrier(n)

    def one(number: int) -> T:
        # verify: there is no TLS here, and reading a hundred times the certificates takes seconds
        with httpx.Client(
            base_url=client.base_url, trust_env=False, timeout=60, verify=False
        ) as line:
            barrier.wait()
            return ask(line, number)

    with ThreadPoolExecutor(n) as threads:
        return list(threads.map(one, range(n)))


def _ask(client: httpx.Client, annotator: str) -> str:
    (sample,) = client.get("/next", params={"annotator": annotator}).json()["samples"]
    return str(sample["sample_id"])


def test_a_hundred_who_ask_at_once_get_a_hundred_samples(campaign: httpx.Client) -> None:
    given = _at_once(campaign, CROWD, lambda line, number: _ask(line, f"annotator {number}"))
    assert len(set(given)) == CROWD


def test_one_who_asks_a_hundred_times_at_once_gets_one_sample(campaign: httpx.Client) -> None:
    assert len(set(_at_once(campaign, CROWD, lambda line, _: _ask(line, "impatient")))) == 1


@pytest.mark.parametrize("key", ["the same", None])
def test_an_answer_sent_a_hundred_times_at_once_stands_once(
    campaign: httpx.Client, key: str | None
) -> None:
    sample_id = _ask(campaign, "impatient")
    answer = {"sample_id": sample_id, "label": "a", "annotator": "impatient", "key": key}

    def send(line: httpx.Client, _: int) -> int:
        return line.post("/labels", json={"labels": [answer]}).status_code

    assert set(_at_once(campaign, CROWD, send)) == {200}
    info = campaign.get("/progress").json()["info"]
    assert (info["n_labeled"], info["n_answers"]) == (1, 1)
    (line,) = campaign.get("/export", params={"format": "jsonl"}).text.splitlines()
    assert (json.loads(line)["sample_id"], json.loads(line)["label"]) == (sample_id, "a")


def test_idle_and_broken_connections_lock_nobody_out(
    server: Server, campaign: httpx.Client
) -> None:
    begun = b"POST /api/v1/campaigns/x/labels HTTP/1.1\r\nContent-Length: 9999\r\n\r\n{"
    with ExitStack() as lines:
        for number in range(3 * CROWD):
            line = socket.create_connection(("127.0.0.1", server.port), timeout=10)
            lines.enter_context(line)
            line.sendall([b"", b"GET /next", begun][number % 3])
        assert len(set(_at_once(campaign, 10, lambda new, n: _ask(new, f"annotator {n}")))) == 10
    assert campaign.get("/progress").status_code == 200


def test_a_server_stopped_among_requests_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    n_annotators, n_labels = 4, 40
    with running(tmp_path) as server, ThreadPoolExecutor(n_annotators) as threads:
        np.save(_pool(server), np.random.default_rng(0).standard_normal((N_SAMPLES, 8)))
        spec = {"classes": ["a", "b"], "source": {"kind": "npy", "path": str(_pool(server))}}
        with httpx.Client(base_url=server.url, trust_env=False) as client:
            client.post("/api/v1/campaigns", json={"name": "stopped", **spec})
            wait_until_ready(client, "stopped")
        people = [
            Annotator(
                f"annotator {number}",
                url=server.url,
                campaign="stopped",
                label_of=lambda sample_id: "ab"[int(sample_id) % 2],
                wrong_label="b",
                seed=number,
            )
            for number in range(n_annotators)
        ]
        working = [threads.submit(one.give, n_labels) for one in people]
        while sum(one.claims.n_labels for one in people) < n_annotators * n_labels / 2:
            assert not any(future.done() for future in working)
            time.sleep(0.01)
        assert server.stop() == 0, server.said()
        server.start()
        for future in working:
            future.result()
        export = f"{server.url}/api/v1/campaigns/stopped/export?format=jsonl&skips=true"
        rows = [json.loads(line) for line in httpx.get(export, trust_env=False).text.splitlines()]
        lines = [Exported(row["sample_id"], row["annotator"], row["label"]) for row in rows]
        assert faults([one.claims for one in people], lines) == []
