"""`make run-label-studio`: Label Studio beside the server, with handwritten digits connected."""

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import click

from al_server.commands.connection import Connection, NoServer
from al_server.demo import write_digits
from al_server.errors import ALError
from integrations.label_studio.client import Client
from integrations.label_studio.commands import PATH, wait_until_connected
from integrations.label_studio.local_server import USER, LocalLabelStudio, program_of
from integrations.label_studio.models import ConnectionInfo, Connections

PROJECT_ROOT = Path(__file__).resolve().parents[2]
TITLE = "Handwritten digits"
CONFIG = (
    '<View><Image name="image" value="$image" zoom="false"/>'
    '<Choices name="digit" toName="image" choice="single" showInline="true">'
    + "".join(f'<Choice value="{digit}" hotkey="{digit}"/>' for digit in range(10))
    + "</Choices></View>"
)
WAIT_S = 120.0


def main() -> None:
    """Start both, connect the project, say where to go, and wait for Ctrl-C."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    folder = Path(os.environ.get("AL_DATA", "data")).resolve() / "label-studio-demo"
    digits = folder / "digits"
    folder.mkdir(parents=True, exist_ok=True)
    write_digits(digits)
    port = int(os.environ.get("LABEL_STUDIO_PORT", 8080))
    our_port = int(os.environ.get("AL_PORT", 9091))
    with ExitStack() as stack:
        try:
            click.echo("starting Label Studio; the first time this takes a minute")
            program = program_of(PROJECT_ROOT)
            there = LocalLabelStudio(program, folder / "theirs", port=port, files=digits)
            stack.enter_context(there)
            ours = stack.enter_context(_our_server(folder / "ours", our_port))
            url = f"http://127.0.0.1:{our_port}"
            info = _connected(there, digits / "pool", url, ours)
            click.echo(f"Label Studio  {info.label_at}")
            click.echo(f"  log in as   {USER}, password {there.password}")
            click.echo("  then click  `Label All Tasks`: the first digit is the one to label next")
            click.echo(f"our server    {url}/campaigns/{info.campaign}/progress")
            click.echo("Ctrl-C stops both")
            ours.wait()
        except KeyboardInterrupt:
            click.echo("stopping")
        except ALError as error:
            click.echo(f"error: {error.message}\nremedy: {error.remedy}", err=True)
            sys.exit(1)


def _our_server(data: Path, port: int) -> subprocess.Popen[bytes]:
    data.mkdir(parents=True, exist_ok=True)
    command = [str(Path(sys.executable).with_name("al-server")), "serve"]
    environ = {key: value for key, value in os.environ.items() if not key.startswith("AL_")}
    with (data / "server.log").open("ab") as log:
        return _Stopped(
            [*command, "--data", str(data), "--port", str(port)],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environ,
            start_new_session=True,
        )


class _Stopped(subprocess.Popen[bytes]):
    """A process that is told to end when its context does."""

    def __exit__(self, *_: object) -> None:
        self.terminate()
        super().__exit__(None, None, None)


def _connected(
    there: LocalLabelStudio, pool: Path, url: str, ours: "subprocess.Popen[bytes]"
) -> ConnectionInfo:
    with Connection(url) as server:
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                found = Connections.model_validate(server.get(PATH)).connections
                break
            except NoServer:
                if ours.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        if found and found[0].state in ("connecting", "waiting", "connected"):
            return wait_until_connected(server, found[0])
        # one that was interrupted goes on in its project
        project = found[0].project if found else _make_project(there, pool)
        while any(one.state == "disconnecting" for one in found):
            time.sleep(0.2)
            found = Connections.model_validate(server.get(PATH)).connections
        body = {"url": there.url, "token": there.token, "project": project}
        info = ConnectionInfo.model_validate(server.post(PATH, body))
        return wait_until_connected(server, info)


def _make_project(there: LocalLabelStudio, pool: Path) -> int:
    client = Client(there.url, there.token)
    project = client.make_project(TITLE, CONFIG)
    client.serve_files(project, pool)
    addresses = [f"/data/local-files/?d=pool/{one.name}" for one in sorted(pool.glob("*.png"))]
    client.import_tasks(project, [{"image": one} for one in addresses])
    client.close()
    return project


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
