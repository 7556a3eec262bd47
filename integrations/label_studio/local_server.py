"""A Label Studio of one's own: on loopback and SQLite, unattended, in one folder.

For the demonstration and for tests; installed by `make label-studio`.
"""

import os
import secrets
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from al_server.errors import NotReady

USER = "annotator@example.org"
START_S = 300.0
STOP_S = 20.0
_POLL_S = 0.25
_SECRETS = ("password", "token")


class LocalLabelStudio:
    """Label Studio in a process of its own; the first start takes a minute, later ones seconds.

    Parameters
    ----------
    program : the `label-studio` command
    folder : where it keeps everything; its log is `label-studio.log` there
    port : where it listens
    files : folder whose pictures it may serve, or None
    """

    def __init__(
        self, program: Path, folder: Path, *, port: int, files: Path | None = None
    ) -> None:
        self.folder = folder
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._program = program
        self._files = files
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        # the token is taken only when the user is first made, so both are kept
        self.password, self.token = (self._secret(name) for name in _SECRETS)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises
        ------
        NotReady
            If it is not installed, its port is taken, it ends at once, or does not answer in time.
        """
        if not self._program.exists():
            raise NotReady(f"Label Studio is not installed at {self._program}", "make label-studio")
        if _is_taken(self.port):  # it would take another, and we somebody else for it
            raise NotReady(f"port {self.port} is in use", "end what listens there, or set another")
        command = [str(self._program), "start", "--no-browser", "--internal-host", "127.0.0.1"]
        with (self.folder / "label-studio.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "-p", str(self.port)],
                env=self._environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # a Ctrl-C is for us; we stop it
            )
        deadline = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                where = self.folder / "label-studio.log"
                raise NotReady(f"Label Studio does not start, see {where}", "mend what it says")
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """End it."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _answers(self) -> bool:
        import httpx

        try:
            return httpx.get(f"{self.url}/health", trust_env=False, timeout=5).is_success
        except httpx.TransportError:
            return False

    def _environment(self) -> dict[str, str]:
        ours = {
            "LABEL_STUDIO_BASE_DATA_DIR": str(self.folder),
            "LABEL_STUDIO_USERNAME": USER,
            "LABEL_STUDIO_PASSWORD": self.password,
            "LABEL_STUDIO_USER_TOKEN": self.token,
            "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
            "LABEL_STUDIO_HOST": self.url,
            "COLLECT_ANALYTICS": "False",
            "LATEST_VERSION_CHECK": "False",
            "SENTRY_DSN": "",
            "FRONTEND_SENTRY_DSN": "",
            # else it refuses to call a server on this machine
            "SSRF_PROTECTION_ENABLED": "false",
            "ML_BLOCK_LOCAL_IP": "false",
        }
        if self._files is not None:
            ours["LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED"] = "true"
            ours["LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT"] = str(self._files)
        foreign = ("AL_", "LABEL_STUDIO_", "DJANGO_")
        environ = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
        return {**environ, **ours}

    def _secret(self, name: str) -> str:
        file = self.folder / name
        if not file.exists():
            with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
                stream.write(secrets.token_hex(20))
        return file.read_text("utf-8")


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def program_of(project: Path) -> Path:
    """Return where `make label-studio` installs the command."""
    return project / ".venv-label-studio" / "bin" / "label-studio"
