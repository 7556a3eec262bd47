"""A relay on loopback that can spoil what passes between two servers."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import httpx
import numpy as np

DROPPED, DOUBLED = 0.3, 0.2
_NOT_PASSED_ON = ("content-length", "connection", "transfer-encoding", "content-encoding", "host")


class Request(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Relay:
    """What one listens to and speaks through.

    Attributes
    ----------
    url, target : its own address, and where it passes requests on to
    holds_news : webhooks are kept back, while their sender is told that all is well
    status : answered to everything instead of passing it on, where it is not None
    delay_s : every answer takes so long
    n_dropped, n_doubled : of the webhooks delivered so far
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self.url = ""
        self.holds_news = False
        self.status: int | None = None
        self.delay_s = 0.0
        self.n_dropped = self.n_doubled = 0
        self._held: list[Request] = []
        self._closing = threading.Event()
        self._client = httpx.Client(timeout=60, trust_env=False)

    def close(self) -> None:
        """Let nobody wait any longer."""
        self._closing.set()
        self._client.close()

    def answer(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        began = time.monotonic()
        while time.monotonic() < began + self.delay_s and not self._closing.wait(0.05):
            pass  # until it is no longer slow, or closes
        if self._closing.is_set():
            return 502, {}, b"closing"
        if self.status is not None:
            return self.status, {}, b"spoiled"
        if self.holds_news and request.path.endswith("/webhook"):
            self._held.append(request)
            return 200, {}, b"{}"
        return self._pass_on(request)

    def deliver(self, rng: np.random.Generator) -> None:
        """Let go of the webhooks held: some never, some twice, in any order."""
        held, self._held = self._held, []
        dropped = rng.random(len(held)) < DROPPED
        doubled = ~dropped & (rng.random(len(held)) < DOUBLED)
        self.n_dropped += int(dropped.sum())
        self.n_doubled += int(doubled.sum())
        n_times = np.where(dropped, 0, 1 + doubled)
        for number in rng.permutation(np.repeat(np.arange(len(held)), n_times)):
            self._pass_on(held[number])

    def _pass_on(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        url = self.target + request.path
        try:
            answer = self._client.request(
                request.method, url, headers=request.headers, content=request.body
            )
        except httpx.TransportError:
            return 502, {}, b"nobody there"
        return answer.status_code, _passed(dict(answer.headers)), answer.content


def _passed(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _NOT_PASSED_ON}


@contextmanager
def relaying(target: str) -> Iterator[Relay]:
    """Pass requests on to `target` from a free port of this machine."""
    relay = Relay(target)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = _passed(dict(self.headers.items()))
            status, headers, body = relay.answer(Request(self.command, self.path, headers, body))
            with suppress(ConnectionError):  # who asked has lost patience
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        do_POST = do_PATCH = do_DELETE = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    relay.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield relay
    finally:
        relay.close()
        server.shutdown()
        server.server_close()
        thread.join()
