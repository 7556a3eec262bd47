"""Through a real socket: what the server does before the application sees a request."""

import json
import socket
import threading
from collections.abc import Callable, Iterator

import httpx
import pytest

from al_server.config import Settings
from al_server.http_server import open_server
from tests.api.conftest import MakeApp, make_app, registry

__all__ = ["make_app", "registry"]

API = "/api/v1/campaigns"
LIMIT = 2000
Serve = Callable[[str], int]


@pytest.fixture
def serve(make_app: MakeApp) -> Iterator[Serve]:
    """Serve on a free port of a loopback address; gives the port."""
    running = []

    def start(host: str) -> int:
        settings = Settings(host=host, port=0, max_body_bytes=LIMIT)
        server = open_server(make_app(max_body_bytes=LIMIT), settings)
        thread = threading.Thread(target=server.run)
        thread.start()
        running.append((server, thread))
        return int(server.effective_port)

    yield start
    for server, thread in running:
        server.trigger.pull_trigger(
            server.close
        )  # on its own thread; `run` ends with the last connection
        thread.join(10)
        server.task_dispatcher.shutdown()
        assert not thread.is_alive()


@pytest.fixture
def client(serve: Serve) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{serve('127.0.0.1')}") as client:
        yield client


def speak(client: httpx.Client, sent: bytes) -> tuple[int, dict[str, str], dict[str, str]]:
    """Send bytes that no client library would; gives status, headers and error of the answer."""
    with socket.create_connection((client.base_url.host, client.base_url.port or 0), 10) as line:
        line.sendall(sent)
        answer = b""
        while part := line.recv(65536):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in lines)}
    return int(first.split()[1]), headers, json.loads(body)["error"]


def test_ids_with_encoded_slashes_reach_the_application(client: httpx.Client) -> None:
    assert client.get(f"{API}/fruits/samples/a%2Fmedia").json()["sample_id"] == "a/media"
    assert client.get(f"{API}/fruits/samples/a/media").text == "text of a"


def test_chunked_bodies_have_the_same_limit(client: httpx.Client) -> None:
    def chunks(n: int) -> Iterator[bytes]:
        yield from [b" " * 100] * n

    headers = {"Content-Type": "application/json"}
    url = f"{API}/fruits/labels"
    assert client.post(url, content=chunks(20), headers=headers).json()["error"]["code"] == (
        "bad_json"
    )
    refused = client.post(url, content=chunks(21), headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "too_large")
    far_over = client.post(url, content=chunks(50), headers=headers)
    assert (far_over.status_code, far_over.json()["error"]["code"]) == (413, "too_large")


def test_a_body_far_over_the_limit_is_refused_before_it_is_sent(client: httpx.Client) -> None:
    head = f"POST {API} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n\r\n"
    status, headers, error = speak(client, head.encode())
    assert (status, error["code"]) == (413, "too_large")
    assert headers["content-type"] == "application/json"
    assert error["remedy"]


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nbad header\r\n\r\n", 400, "bad_request"),
        # as long as is read: what stays unread would reset the line before the answer is through
        (
            b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ".ljust(262_144, b"x"),
            431,
            "headers_too_large",
        ),
        (
            b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
            501,
            "not_implemented",
        ),
    ],
)
def test_what_is_hardly_http_gets_an_error_of_the_same_shape(
    client: httpx.Client, sent: bytes, status: int, code: str
) -> None:
    found, headers, error = speak(client, sent)
    assert (found, error["code"]) == (status, code)
    assert headers["content-type"] == "application/json"
    assert set(error) == {"code", "message", "remedy"}


def test_a_request_without_a_host_is_refused(client: httpx.Client) -> None:
    status, _, error = speak(client, b"GET /healthz HTTP/1.0\r\n\r\n")
    assert (status, error["code"]) == (403, "forbidden")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_addresses_of_both_families_can_be_served(serve: Serve, host: str) -> None:
    if host == "::1":
        try:
            socket.create_server((host, 0), family=socket.AF_INET6).close()
        except OSError:
            pytest.skip("this machine has no IPv6 loopback")
    port = serve(host)
    name = f"[{host}]" if ":" in host else host
    assert httpx.get(f"http://{name}:{port}/healthz").json() == {"status": "ok"}


def test_the_export_flows_in_chunks(client: httpx.Client) -> None:
    with client.stream("GET", f"{API}/fruits/export?predictions=true") as answer:
        assert answer.headers["Transfer-Encoding"] == "chunked"
        assert answer.read().startswith(b"sample_id,")
