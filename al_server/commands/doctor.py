"""`al-server doctor`: what works on this machine."""

import sys
from pathlib import Path

import click

from al_server.commands.output import as_json_option, examples, print_json
from al_server.config import load_settings
from al_server.doctor import Check, examine

MARKS = {"ok": "ok", "warning": "WARNING", "broken": "BROKEN"}


@click.command(
    epilog=examples(
        "al-server doctor --port 8000",
    )
)
@click.option("--host", help="Address that the server would listen on.")
@click.option("--port", type=int, help="Port that the server would listen on.")
@click.option("--data", type=click.Path(path_type=Path), help="Data folder of the server.")
@as_json_option
def doctor(host: str | None, port: int | None, data: Path | None, as_json: bool) -> None:
    """Look at what the server needs: compiler, torch, weights, port, disk and more.

    The exit code is 1 if something is broken.
    """
    checks: list[Check] = []
    for check in examine(load_settings({"host": host, "port": port, "data": data})):
        checks.append(check)
        if not as_json:
            click.echo(f"{MARKS[check.state]:<8} {check.name:<12} {check.saw}")
            if check.remedy:
                click.echo(f"{'':<21} {check.remedy}")
    if as_json:
        print_json([check._asdict() for check in checks])
    sys.exit(any(check.state == "broken" for check in checks))
