"""How a comparison is started beside the server."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from al_server.lab.plan import Plan


class Job(Protocol):
    """A comparison that was started."""

    def wait(self, timeout_s: float) -> bool:
        """Wait until it has ended; tell whether it has."""
        ...

    def stop(self) -> None:
        """End it now."""
        ...


Start = Callable[[Path, Path, str, "Plan"], Job]
"""Starts a comparison: its folder, the data folder, the campaign's name, what to compare."""


class Process:
    """A comparison in a process, the leader of a group with all that it starts."""

    def __init__(self, folder: Path, data_folder: Path, campaign: str, plan: "Plan") -> None:
        module = "al_server.lab.background"
        command = [sys.executable, "-m", module, str(folder), str(data_folder), campaign]
        self._process = subprocess.Popen(
            [*command, plan.model_dump_json()],
            # never written to: it closes when this process is gone, however it went
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def wait(self, timeout_s: float) -> bool:
        """Wait until the process has ended; tell whether it has."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._kill_group()  # workers would outlive a leader that was killed
        return True

    def stop(self) -> None:
        """Kill the process and its workers: they hold nothing that has to be saved."""
        if self._process.poll() is None:
            self._kill_group()

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
