"""The server as people run it: a process of its own on loopback, which a test may kill."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

START_S = 60.0
STOP_S = 30.0
_POLL_S = 0.05


class Server:
    """`al-server serve` on one folder and one port, for as many lives as a test wants.

    Parameters
    ----------
    folder : data folder; what the server prints goes to `server.log` in it
    options : more arguments of `al-server serve`
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def pid(self) -> int:
        """The process that runs now."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it was started, and neither stopped nor killed since."""
        return self._process is not None

    def start(self) -> None:
        """Start the process and wait until all its campaigns are open."""
        assert self._process is None, "the server is running"
        command = Path(sys.executable).with_name("al-server")
        place = ["--data", str(self.folder), "--port", str(self.port)]
        # the settings of whoever runs the tests are not those of the test
        environ = {key: value for key, value in os.environ.items() if not key.startswith("AL_")}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [command, "serve", *place, *self._options],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=environ,
            )
        deadline = time.monotonic() + START_S
        with httpx.Client(base_url=self.url, trust_env=False, timeout=START_S) as client:
            while not _is_ready(client):
                assert self._process.poll() is None, f"the server ended:\n{self.said()}"
                assert time.monotonic() < deadline, f"not ready after {START_S} s:\n{self.said()}"
                time.sleep(_POLL_S)

    def kill(self) -> None:
        """End it as a power cut would: SIGKILL, no last words."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to end, as Ctrl-C does, and return its exit status."""
        return self._end(signal.SIGINT)

    def said(self) -> str:
        """Return the end of what it printed, in all its lives."""
        return self._log.read_text("utf-8", errors="replace")[-4000:]

    def _end(self, number: signal.Signals) -> int:
        assert self._process is not None, "the server is not running"
        process, self._process = self._process, None
        process.send_signal(number)
        try:
            return process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"did not stop within {STOP_S} s:\n{self.said()}") from None

    @property
    def _log(self) -> Path:
        return self.folder / "server.log"


@contextmanager
def running(folder: Path, *options: str) -> Iterator[Server]:
    """Start a server, and leave none behind."""
    server = Server(folder, *options)
    try:
        server.start()
        yield server
    finally:
        if server.is_running:
            server.kill()


def wait_until_ready(client: httpx.Client, campaign: str, *, patience_s: float = 60.0) -> None:
    """Wait until the samples of a campaign are taken in."""
    deadline = time.monotonic() + patience_s
    while (info := client.get(f"/api/v1/campaigns/{campaign}").json())["state"] == "preparing":
        assert time.monotonic() < deadline, info
        time.sleep(_POLL_S)
    assert info["state"] == "ready", info


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
