"""`al-server reembed`: other vectors for a running campaign, compared before it takes them."""

import time
from pathlib import Path
from typing import Literal

import click

from al_server.answers import ReembedInfo
from al_server.commands.connection import Connection, campaign_path, url_option
from al_server.commands.output import as_json_option, bar, examples, print_json
from al_server.commands.source_options import absolute
from al_server.errors import BadInput, NotReady

POLL_S = 0.3


@click.command(
    epilog=examples(
        "al-server reembed fruits --embedder timm:mobilenetv2_100 --checkpoint mobilenet.pth",
        "al-server reembed fruits --reduce pca:64 --if-better",
        "al-server reembed fruits --learn-metric --if-better",
    )
)
@click.argument("campaign")
@click.option("--embedder", help="As for a new campaign [the one it has].")
@click.option("--checkpoint", type=click.Path(path_type=Path), help="Local weights of --embedder.")
@click.option(
    "--reduce",
    help="Fewer dimensions, as pca:64; none: all of them [as it is; with another --embedder as in "
    "a new campaign].",
)
@click.option(
    "--learn-metric",
    is_flag=True,
    help="Learn from the labels which directions tell the classes apart; taken only where "
    "cross-validation says that it helps.",
)
@click.option("--status", "look", flag_value="status", help="Only say how the last one stands.")
@click.option("--stop", "look", flag_value="stop", help="Stop the running one.")
@click.option("--if-better", "switch", flag_value="if_better", help="Switch if that is no chance.")
@click.option("--switch", "switch", flag_value="always", help="Switch, whatever the comparison.")
@url_option
@as_json_option
def reembed(
    campaign: str,
    embedder: str | None,
    checkpoint: Path | None,
    reduce: str | None,
    learn_metric: bool,
    switch: str | None,
    look: Literal["status", "stop"] | None,
    url: str,
    as_json: bool,
) -> None:
    """Make other vectors for all samples of CAMPAIGN while it runs, and say which are better.

    Judged by the votes of the nearest labeled samples, each sample left out of its own. Without
    --if-better or --switch nothing changes. Labels, leases and skips stay in any case. Ctrl-C or
    --stop stops it, and the campaign stays as it was.
    """
    asked = {
        "embedder": embedder,
        "checkpoint": None if checkpoint is None else absolute(checkpoint),
        "reduce": reduce,
        "learn_metric": learn_metric or None,
        "switch": switch,
    }
    body = {key: value for key, value in asked.items() if value is not None}
    path = campaign_path(campaign, "reembed")
    if look is not None:
        if body:
            others = ", ".join(f"--{one.replace('_', '-')}" for one in body)
            raise BadInput(f"--{look} goes alone", f"leave out {others}")
        with Connection(url) as server:
            answer = server.get(path) if look == "status" else server.delete(path)
        info = ReembedInfo.model_validate(answer)
        if as_json:
            print_json(info)
        else:
            click.echo(_standing(info, is_stopping=look == "stop"))
        return
    with Connection(url) as server:
        info = ReembedInfo.model_validate(server.post(path, body))
        try:
            info = _wait(server, path, info)
        except KeyboardInterrupt:
            server.delete(path)
            raise
    if info.error is not None:
        raise NotReady(f"{campaign} was not re-embedded: {info.error}", "mend that, and try again")
    if as_json:
        print_json(info)
        return
    if info.metric is not None:
        click.echo(info.metric)
    click.echo(info.message)


def _standing(info: ReembedInfo, *, is_stopping: bool) -> str:
    if info.state == "running":
        return "asked to stop" if is_stopping else f"running, {info.progress:.0%}: {info.message}"
    return f"{info.state}: {info.error or info.message}"


def _wait(server: Connection, path: str, info: ReembedInfo) -> ReembedInfo:
    with bar("re-embedding", unit="%", total=100) as shown:
        while info.state == "running":
            time.sleep(POLL_S)
            info = ReembedInfo.model_validate(server.get(path))
            # at the end the message is the verdict, which is printed below
            doing = info.message if info.state == "running" else "re-embedding"
            shown.set_description_str(doing, refresh=False)
            shown.update(round(100 * info.progress, 1) - shown.n)
    return info
