import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import click.testing
import numpy as np
import pytest
from PIL import Image

from al_server.cli import main
from tests.cli.filtered import N

AL_SERVER = Path(sys.executable).with_name("al-server")
STOPS_WITHIN_S = 30


class Running(NamedTuple):
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    url: str
    data: Path
    said: list[str]

    def stop(self, number: int = signal.SIGINT) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=STOPS_WITHIN_S)
        self.said.extend(rest.splitlines())
        return self.process.returncode


@contextmanager
def running(data: Path, *arguments: str, **variables: str) -> Iterator[Running]:
    """Start `al-server serve` on a free port, wait until it says where it is."""
    command = [str(AL_SERVER), "serve", "--data", str(data), "--port", "0", *arguments]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(data), "OMP_NUM_THREADS": "1", **variables}
    with (data.parent / f"{data.name}.log").open("a") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
        )
    said: list[str] = []
    assert process.stdout is not None
    for line in process.stdout:
        said.append(line.rstrip("\n"))
        if found := re.search(r" at (http://\S+)$", line):
            server = Running(process, found[1], data, said)
            break
    else:
        process.communicate()
        raise AssertionError(f"no server: {said}, {(data.parent / f'{data.name}.log').read_text()}")
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The demonstration, as `make run` serves it."""
    folder = tmp_path_factory.mktemp("served")
    with running(folder / "data", "--root", str(folder), "--demo") as server:
        yield server


class Al:
    """Runs commands in this process, against the server of the tests if there is one."""

    def __init__(self, url: str) -> None:
        self._environment = {"AL_URL": url}

    def __call__(self, *arguments: str | Path) -> click.testing.Result:
        result = click.testing.CliRunner().invoke(
            main, [str(one) for one in arguments], env=self._environment
        )
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def json(self, *arguments: str | Path) -> Any:
        result = self(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@pytest.fixture
def al() -> Callable[..., click.testing.Result]:
    return Al("http://127.0.0.1:1")


@pytest.fixture(scope="session")
def served(server: Running) -> Al:
    al = Al(server.url)
    while al.json("campaign", "show", "digits")["state"] == "preparing":
        pass
    return al


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """Forty vectors of two classes, the first five of them twice."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(N, 6)).astype(np.float32)
    vectors[5:10] = vectors[:5]
    np.savez(
        tmp_path / "pool.npz",
        X=vectors,
        ids=np.array([f"{row:02}.png" for row in range(N)]),
        y=np.repeat([0, 1], [30, 10]),
        classes=np.array(["many", "few"]),
        predicted=np.repeat(["x", "y"], N // 2),
    )
    return tmp_path / "pool.npz"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twelve pictures in two folders, two of them equal, one black, and a broken one."""
    rng = np.random.default_rng(0)
    for number in range(12):
        folder = tmp_path / "photos" / ("even" if number % 2 == 0 else "odd")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels * (number > 0)).save(folder / f"{number}.png")
    (tmp_path / "photos" / "odd" / "copy.png").write_bytes(
        (tmp_path / "photos" / "even" / "4.png").read_bytes()
    )
    (tmp_path / "photos" / "odd" / "broken.png").write_bytes(b"no picture")
    return tmp_path / "photos"
