"""A peer that stays: another library in its own environment, asked over pipes as often as needed.

    with Peer("peer_strategies", ENVIRONMENT) as peer:
        answer = peer.ask({"ask": "query"}, {"labels": labels})
        answer.told["seconds"], answer.arrays["rows"]

Beside `peers.call`, which starts a process for each question, this one suits thousands of small
ones. The file `peer_strategies.py` beside this one has a class `Session`, whose `answer(told,
arrays)` returns the same two; one session answers all that is asked. It runs inside the peers'
environment and imports numpy and its libraries, nothing of ours.

A frame is one line of JSON, `{"told": {...}, "arrays": {name: bytes}}`, and then that many bytes
of .npy for each array, in order. Nothing is pickled: the versions of numpy on both sides differ.
"""

import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
TOLD = 2000  # last characters of a peer's trouble
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

Told = dict[str, Any]
Arrays = Mapping[str, NDArray[Any]]


class PeerStopped(RuntimeError):
    """The peer could not answer, or ended."""


class Frame(NamedTuple):
    """What goes over a pipe in one piece."""

    told: Told
    arrays: dict[str, NDArray[Any]]


class Session(Protocol):
    """What a file that answers has under this name."""

    def answer(self, told: Told, arrays: dict[str, NDArray[Any]]) -> tuple[Told, Arrays]:
        """Answer a question."""
        ...


def send(stream: IO[bytes], told: Told, arrays: Arrays) -> None:
    """Write a frame."""
    parts = {name: _as_npy(values) for name, values in arrays.items()}
    head = {"told": told, "arrays": {name: len(part) for name, part in parts.items()}}
    stream.write(json.dumps(head).encode() + b"\n")
    for part in parts.values():
        stream.write(part)
    stream.flush()


def receive(stream: IO[bytes]) -> Frame:
    """Read a frame.

    Raises
    ------
    EOFError
        If the other side has closed the pipe.
    """
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError("the pipe was closed")
    head = json.loads(line)
    return Frame(
        head["told"],
        {name: _from_npy(stream.read(n_bytes)) for name, n_bytes in head["arrays"].items()},
    )


class Peer:
    """A process in another environment, with one thread, that answers until it is closed.

    Parameters
    ----------
    name : of the file beside this one that answers, without .py; or a path
    environment : the folder of a virtual environment
    """

    def __init__(self, name: str, environment: Path) -> None:
        self._trouble = tempfile.TemporaryFile()
        # -P: this folder holds names, data.py among them, that a library might mean otherwise
        self._process = subprocess.Popen(
            [str(environment / "bin" / "python"), "-P", __file__, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._trouble,
            env=os.environ | dict.fromkeys(THREADS, "1"),
        )

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def ask(self, told: Told, arrays: Arrays) -> Frame:
        """Ask, and wait for the answer.

        Raises
        ------
        PeerStopped
            With the end of what the peer printed.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            send(self._process.stdin, told, arrays)
            answer = receive(self._process.stdout)
        except (OSError, EOFError) as error:
            self._end()
            raise PeerStopped(f"exit code {self._process.returncode}: {self._last()}") from error
        if "error" in answer.told:
            raise PeerStopped(answer.told["error"][-TOLD:])
        return answer

    def close(self) -> None:
        """End the process."""
        self._end()
        self._trouble.close()

    def _end(self) -> None:
        # it stops when nobody can ask any more
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:  # it had ended before it read everything
                pass
        self._process.wait()

    def _last(self) -> str:
        self._trouble.seek(0)
        return self._trouble.read().decode(errors="replace")[-TOLD:].strip()


def _as_npy(values: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(values), allow_pickle=False)
    return buffer.getvalue()


def _from_npy(part: bytes) -> NDArray[Any]:
    values: NDArray[Any] = np.load(io.BytesIO(part), allow_pickle=False)
    return values


# -- inside the peers' environment ------------------------------------------------------------


def _session(name: str) -> Session:
    path = HERE / f"{name}.py" if os.sep not in name else Path(name)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    found: Session = module.Session()
    return found


def _serve(name: str) -> None:
    # Ctrl-C goes to the whole group; this one ends when its pipe is closed
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not get into a frame
    session = _session(name)
    while True:
        try:
            asked = receive(sys.stdin.buffer)
        except EOFError:
            return
        told: Told
        try:
            told, arrays = session.answer(asked.told, asked.arrays)
        except Exception:  # whatever it is, the one who asked must be told
            told, arrays = {"error": traceback.format_exc()}, {}
        send(answers, told, arrays)


if __name__ == "__main__":
    _serve(sys.argv[1])
