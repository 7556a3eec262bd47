"""`al-server label-studio`: connect projects of Label Studio to a running server."""

import os
import time
from datetime import datetime
from typing import Any
from urllib.parse import quote

import click

from al_server.commands.connection import Connection
from al_server.commands.output import (
    as_json_option,
    bar,
    examples,
    print_failures,
    print_json,
    print_table,
)
from al_server.errors import BadInput, NotReady
from integrations.label_studio.models import FAILING, ConnectionInfo, Connections

PATH = "integrations/label-studio/connections"
POLL_S = 0.3
RECONCILED_WITHIN_S = 900.0
server_option = click.option(
    "--server",
    envvar="AL_URL",
    default="http://127.0.0.1:9090",
    show_default=True,
    show_envvar=True,
    help="Address of our server. Its token, where it has one, is read from AL_TOKEN.",
)


@click.group("label-studio", epilog=examples("al-server label-studio status"))
def label_studio() -> None:
    """Let Label Studio show its annotators what the server picks."""


@label_studio.command(
    epilog=examples(
        "al-server label-studio connect --url http://127.0.0.1:8080 --token TOKEN --project 7",
        "LABEL_STUDIO_API_KEY=... al-server label-studio connect --url http://10.0.0.5:8080 "
        "--project 7 --budget 500 --embedder timm:mobilenetv2_100",
    )
)
@click.option("--url", required=True, help="Address of Label Studio.")
@click.option(
    "--token",
    envvar="LABEL_STUDIO_API_KEY",
    show_envvar=True,
    help="Legacy or personal access token of a user who may change the project.",
)
@click.option("--project", type=int, required=True, help="Number of the project.")
@click.option("--name", help="Name of the campaign [label-studio-PROJECT].")
@click.option("--control", help="Name of the control tag, where the label config has several.")
@click.option("--backend-url", help="Our server as Label Studio reaches it [its host and port].")
@click.option(
    "--embedder",
    help="`pixels`, `tfidf`, `timm:NAME`, `layer:...`, `text`, `ssl:FOLDER` [what works here].",
)
@click.option("--checkpoint", help="Local weights, on the server's machine.")
@click.option(
    "--classifier",
    type=click.Choice(["knn", "propagated"]),
    help="[propagated; for several labels a task knn].",
)
@click.option("--k", type=int, help="Neighbors that vote, with knn [10].")
@click.option("--random-share", type=float, help="Share of the picks drawn at random [0.1].")
@click.option("--strategy", help="See `al-server strategies` [default].")
@click.option("--budget", type=int, help="Answers we can pay for [no limit].")
@click.option("--holdout", help="Labeled samples to measure on, on the server's machine.")
@click.option("--seed", type=int, help="Seed of everything that is drawn [0].")
@server_option
@as_json_option
def connect(server: str, as_json: bool, token: str | None, **options: Any) -> None:
    """Connect a project: take its tasks in, set it up, fill the queue."""
    if not token:
        raise BadInput(
            "Label Studio's token is missing",
            "copy it from Account & Settings, and give --token or LABEL_STUDIO_API_KEY",
        )
    for key in ("checkpoint", "holdout"):
        if options[key] is not None:
            options[key] = os.path.abspath(options[key])
    body = {key: value for key, value in options.items() if value is not None}
    with Connection(server) as ours:
        answer = ours.post(PATH, {**body, "token": token})
        info = wait_until_connected(ours, ConnectionInfo.model_validate(answer))
    if as_json:
        print_json(info)
        return
    print_failures([(one.sample, one.reason) for one in info.failures], n=info.n_failures)
    click.echo(f"connected: project {info.project} of {info.url} as campaign {info.campaign}")
    click.echo(f"annotators open {info.label_at} and click `Label All Tasks`")


def wait_until_connected(server: Connection, info: ConnectionInfo) -> ConnectionInfo:
    """Show how far connecting is until it is done.

    Raises
    ------
    NotReady
        If it failed.
    """
    with bar(info.campaign, unit="%", total=100) as shown:
        while info.state in ("connecting", "waiting"):
            time.sleep(POLL_S)
            info = ConnectionInfo.model_validate(server.get(_path(info.campaign)))
            shown.set_description_str(info.message or info.campaign, refresh=False)
            shown.update(round(100 * info.progress, 1) - shown.n)
    if info.state != "connected":
        raise NotReady(f"not connected: {info.error}", info.remedy or "")
    return info


@label_studio.command(epilog=examples("al-server label-studio status label-studio-7"))
@click.argument("name", required=False)
@server_option
@as_json_option
def status(name: str | None, server: str, as_json: bool) -> None:
    """Show the connection NAME, or all: queue, lag, missed events, what is wrong."""
    with Connection(server) as ours:
        if name is None:
            found = Connections.model_validate(ours.get(PATH))
        else:
            one = ConnectionInfo.model_validate(ours.get(_path(name)))
            found = Connections(connections=[one])
    if as_json:
        print_json(found)
    elif not found.connections:
        click.echo("no projects yet: connect one with `al-server label-studio connect`")
    elif name is not None:
        _show(found.connections[0])
    else:
        rows = [
            [one.campaign, one.state, f"{one.url} {one.project}", _problem(one)]
            for one in found.connections
        ]
        print_table(["name", "state", "project", "problem"], rows)


def _problem(info: ConnectionInfo) -> str:
    return info.error or next(iter(info.problems), "-")


def _show(info: ConnectionInfo) -> None:
    queue = info.queue
    facts = {
        "name": info.campaign,
        "state": ": ".join(filter(None, (info.state, info.error or info.message))),
        "project": f"{info.project} of {info.url}",
        "label at": info.label_at or "-",
        "queue": "-"
        if queue is None
        else f"{queue.waiting} waiting (target {queue.target}), {queue.opened} opened; next: "
        + (", ".join(map(str, queue.next)) or "none"),
        "annotations": f"{info.n_annotations:,}",
        "events": f"{info.n_events:,}, missed {info.n_missed:,}",
        "lag": _seconds(info.lag_s) + f", handled in {_seconds(info.handled_p95_s)} (p95)",
        "reconciled": "-"
        if info.reconciled_at is None
        else datetime.fromtimestamp(info.reconciled_at).isoformat(" ", "seconds"),
    }
    for key, value in facts.items():
        click.echo(f"{key:<12} {value}")
    for problem in info.problems:
        click.echo(f"{'problem':<12} {problem}")
    print_failures([(one.sample, one.reason) for one in info.failures], n=info.n_failures)


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.3f} s"


@label_studio.command(epilog=examples("al-server label-studio reconcile label-studio-7"))
@click.argument("name")
@server_option
@as_json_option
def reconcile(name: str, server: str, as_json: bool) -> None:
    """Make the campaign of the connection NAME equal to Label Studio, its settings ours."""
    with Connection(server) as ours:
        before = ConnectionInfo.model_validate(ours.get(_path(name)))
        info = ConnectionInfo.model_validate(ours.post(_path(name, "reconcile"), {}))
        deadline = time.monotonic() + RECONCILED_WITHIN_S
        while info.reconciled_at == before.reconciled_at and info.state == "connected":
            if time.monotonic() > deadline:
                raise NotReady(
                    f"{name} has not reconciled within {RECONCILED_WITHIN_S:g} s",
                    "see `al-server label-studio status`",
                )
            time.sleep(POLL_S)
            info = ConnectionInfo.model_validate(ours.get(_path(name)))
            failing = next((one for one in info.problems if one.startswith(FAILING)), None)
            if failing is not None:
                raise NotReady(failing, "see `al-server label-studio status` when it is back")
    if as_json:
        print_json(info)
    else:
        click.echo(f"{name}: {info.n_missed - before.n_missed:,} changes had been missed")
        _show(info)


@label_studio.command(epilog=examples("al-server label-studio disconnect label-studio-7"))
@click.argument("name")
@server_option
@as_json_option
def disconnect(name: str, server: str, as_json: bool) -> None:
    """Leave the project of the connection NAME as it was found; annotations stay."""
    with Connection(server) as ours:
        info = ConnectionInfo.model_validate(ours.delete(_path(name)))
        while info.state == "disconnecting":
            if info.error is not None:
                raise NotReady(
                    f"not disconnected yet: {info.error}",
                    "the server goes on trying; see `al-server label-studio status`",
                )
            time.sleep(POLL_S)
            info = ConnectionInfo.model_validate(ours.get(_path(name)))
    if as_json:
        print_json(info)
    else:
        left = info.message or f"project {info.project} is as it was found"
        click.echo(f"{name} is {info.state}: {left}")


def _path(name: str, *more: str) -> str:
    return "/".join([PATH, *(quote(part, safe="") for part in (name, *more))])
