"""`al-server serve`: the server itself."""

import logging
import os
import secrets
import signal
import socket
from pathlib import Path
from types import FrameType
from typing import Any

import click

from al_server import __version__
from al_server.commands.access_log import AccessLog
from al_server.commands.output import examples
from al_server.config import Settings, load_settings
from al_server.errors import BadInput
from al_server.security.hosts import is_loopback

TOKEN_NAME = "token"
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_fields = Settings.model_fields


@click.command(
    epilog=examples(
        "al-server serve --demo",
        "al-server serve --port 8000 --data labels --root photos --root /srv/more_photos",
        "AL_TOKEN=... al-server serve --host 0.0.0.0 --allowed-host labels.example.org",
    )
)
@click.option("--host", help=f"{_fields['host'].description} [127.0.0.1].")
@click.option("--port", type=int, help=f"{_fields['port'].description} [9090].")
@click.option("--data", type=click.Path(path_type=Path), help=f"{_fields['data'].description}.")
@click.option(
    "--root",
    "roots",
    type=click.Path(path_type=Path),
    multiple=True,
    help=f"{_fields['roots'].description}; may be given several times.",
)
@click.option("--demo", is_flag=True, default=None, help=f"{_fields['demo'].description}.")
@click.option("--config", type=click.Path(path_type=Path), help="TOML file of settings.")
@click.option(
    "--allowed-host",
    "allowed_hosts",
    multiple=True,
    help=f"{_fields['allowed_hosts'].description}; may be given several times.",
)
@click.option(
    "--fetch-host",
    "fetch_hosts",
    multiple=True,
    help=f"{_fields['fetch_hosts'].description}; may be given several times.",
)
@click.option(
    "--network",
    "networks",
    multiple=True,
    help=f"{_fields['networks'].description}; may be given several times.",
)
@click.option("--threads", type=int, help=f"{_fields['threads'].description} [8].")
def serve(**arguments: Any) -> None:
    """Serve campaigns until Ctrl-C or SIGTERM.

    Every setting may also be an AL_ variable (AL_PORT=8000), or stand in al_server.toml in the data
    folder. The token has no option, because other users can see a command line: set AL_TOKEN.
    """
    given = {key: value for key, value in arguments.items() if value not in (None, ())}
    # it warns of every request that waits for a thread, which is what the queue is for
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S")
    for ours in ("al_server", "embeddings"):
        logging.getLogger(ours).setLevel(logging.INFO)
    # SIGTERM, as sent by service managers, ends the server in the same orderly way as Ctrl-C;
    # SIGINT is set too because shells start background jobs with it ignored
    for number in STOP_SIGNALS:
        signal.signal(number, _interrupt)
    try:
        run(load_settings(given))
    except KeyboardInterrupt:
        pass
    click.echo("stopped")


def run(settings: Settings) -> None:
    """Open the data folder and serve it; returns when interrupted."""
    # the port first: opening a large store takes seconds
    port = _free_port(settings.host, settings.port)
    from al_server import demo, integration
    from al_server.app import create_app
    from al_server.campaigns import CampaignRegistry
    from al_server.http_server import open_server

    _make_data_folder(settings.data)
    settings = settings.model_copy(update={"port": port, "token": _token(settings)})
    settings = demo.with_root(settings)
    registry = CampaignRegistry(settings, opens=False)
    try:
        app = create_app(settings, registry)
        # after the app: both routes and kernels are compiled by way of Python's `ast`, which may
        # fail in two threads at a time (Python 3.11)
        registry.open_all()
        has_demo = settings.demo and demo.make(registry, settings.data)
        app.wsgi_app = AccessLog(app.wsgi_app)  # type: ignore[method-assign]
        server = open_server(app, settings)
        _announce(settings, has_demo=has_demo)
        with integration.running(app):
            server.run()
            server.close()
    finally:
        # whoever asks again will not wait: the store stands being killed at any moment
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        registry.close()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _free_port(host: str, port: int) -> int:
    """Return the port if it can be listened on, or a free one for 0."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.create_server(address[:2], family=family) as listener:
            return int(listener.getsockname()[1])
    except socket.gaierror as error:
        raise BadInput(
            f"host {host} is not known here", "use an address of this machine"
        ) from error
    except OSError as error:
        raise BadInput(
            f"cannot listen on {host} port {port}: {os.strerror(error.errno or 0)}",
            f"stop what uses it, or choose another port: --port {port + 1}",
        ) from error


def _make_data_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"the data folder {folder} cannot be made: {error.strerror}", "name another with --data"
        ) from error


def _token(settings: Settings) -> str | None:
    """Return the token that clients must show, making one where others can reach the server."""
    if settings.token is not None or is_loopback(settings.host):
        return settings.token
    file = settings.data / TOKEN_NAME
    # a full disk may have left an empty file, and an empty token would let everybody in
    kept = file.read_text("utf-8").strip() if file.is_file() else ""
    if kept:
        click.echo(f"clients need the token in {file}")
        return kept
    token = secrets.token_urlsafe(32)
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(token + "\n")
    click.echo(f"clients need this token, shown once and kept in {file}: {token}")
    return token


def _announce(settings: Settings, *, has_demo: bool) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    click.echo(f"al_server {__version__} at http://{host}:{settings.port}")
    click.echo(f"  data folder  {settings.data}")
    click.echo(f"  sources from {', '.join(str(root) for root in settings.roots)}")
    if has_demo:
        click.echo("  demo         open the address and label the first digit: keys 0 to 9")
    click.echo("  Ctrl-C stops it")
