"""`al-server campaign`: make campaigns on a running server, look at them, take the labels out."""

import os
import sys
from pathlib import Path

import click

from al_server.answers import CampaignInfo, Campaigns, ClassesOut
from al_server.commands.connection import Connection, campaign_path, url_option
from al_server.commands.create import add_samples, create
from al_server.commands.output import (
    as_json_option,
    examples,
    print_failures,
    print_json,
    print_table,
)
from al_server.curation.writing import check_file
from al_server.errors import BadInput

FORMATS = ("csv", "jsonl", "parquet")


@click.group(epilog=examples("al-server campaign list"))
def campaign() -> None:
    """Work with the campaigns of a running server."""


campaign.add_command(create)
campaign.add_command(add_samples)


@campaign.command("list", epilog=examples("al-server campaign list --json"))
@url_option
@as_json_option
def list_campaigns(url: str, as_json: bool) -> None:
    """List the campaigns."""
    with Connection(url) as server:
        found = Campaigns.model_validate(server.get("campaigns"))
    if as_json:
        print_json(found)
        return
    if not found.campaigns:
        click.echo("no campaigns yet: make one with `al-server campaign create`")
        return
    rows = [
        [
            info.name,
            info.state,
            f"{info.n_answers:,}" + (f" of {info.budget:,}" if info.budget is not None else ""),
            f"{info.n_samples:,}",
            _percent(info.holdout_accuracy),
        ]
        for info in found.campaigns
    ]
    print_table(["name", "state", "answers", "samples", "holdout accuracy"], rows)


@campaign.command(epilog=examples("al-server campaign show fruits"))
@click.argument("name")
@url_option
@as_json_option
def show(name: str, url: str, as_json: bool) -> None:
    """Show one campaign."""
    with Connection(url) as server:
        info = CampaignInfo.model_validate(server.get(campaign_path(name)))
    if as_json:
        print_json(info)
        return
    budget = "no limit" if info.budget is None else f"{info.budget:,}"
    facts = {
        "name": info.name,
        "state": ": ".join(filter(None, (info.state, info.error or info.message))),
        "classes": ", ".join(info.classes),
        "samples": f"{info.n_samples:,}: {info.n_labeled:,} labeled, {info.n_pending:,} pending, "
        f"{info.n_skipped:,} skipped",
        "answers": f"{info.n_answers:,}, budget: {budget}",
        "strategy": info.strategy,
        "classifier": info.classifier,
        "embedder": f"{info.embedder or 'none, ready vectors'}, {info.n_features or '?'} features",
        "holdout accuracy": _percent(info.holdout_accuracy),
        "address": f"{url.rstrip('/')}/campaigns/{info.name}/annotate",
    }
    for key, value in facts.items():
        click.echo(f"{key:<17} {value}")
    print_failures([(one.sample, one.reason) for one in info.failures], n=info.n_failures)


@campaign.command("add-classes", epilog=examples("al-server campaign add-classes fruits pear"))
@click.argument("name")
@click.argument("classes", nargs=-1, required=True)
@url_option
@as_json_option
def add_classes(name: str, classes: tuple[str, ...], url: str, as_json: bool) -> None:
    """Append CLASSES to a campaign; those it has keep their places."""
    with Connection(url) as server:
        answer = server.post(campaign_path(name, "classes"), {"classes": list(classes)})
    out = ClassesOut.model_validate(answer)
    if as_json:
        print_json(out)
    else:
        click.echo(f"{name} has the classes {', '.join(out.classes)}")


@campaign.command(
    epilog=examples("al-server campaign export fruits --predictions --out labels.csv")
)
@click.argument("name")
@click.option("--format", "file_format", type=click.Choice(FORMATS), help="Format of the file.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write [stdout].",
)
@click.option("--predictions", is_flag=True, help="Add predictions for the samples without labels.")
@click.option("--skips", is_flag=True, help="Keep skips, as rows without a label.")
@url_option
def export(
    name: str, file_format: str | None, out: Path | None, predictions: bool, skips: bool, url: str
) -> None:
    """Write the labels as CSV, JSON Lines or Parquet.

    The format is told from the file's name when left out; without a file it is CSV.
    """
    if out is not None:
        check_file(out, overwrite=True)
    params = {
        "format": file_format or _format_of(out),
        "predictions": str(predictions).lower(),
        "skips": str(skips).lower(),
    }
    with Connection(url) as server, server.download(campaign_path(name, "export"), params) as parts:
        if out is None:
            for part in parts:
                sys.stdout.buffer.write(part)
            sys.stdout.buffer.flush()
            return
        aside = out.with_name(f".{out.name}.{os.getpid()}.part")
        try:
            with aside.open("wb") as stream:
                stream.writelines(parts)
            aside.replace(out)
        except OSError as error:
            raise BadInput(f"{out} cannot be written: {error.strerror}", "name another") from error
        finally:
            aside.unlink(missing_ok=True)
    click.echo(f"wrote {out}", err=True)


def _format_of(out: Path | None) -> str:
    if out is None:
        return "csv"
    suffix = out.suffix.lower().removeprefix(".")
    if suffix not in FORMATS:
        raise BadInput(f"what format is {out}?", f"say --format {'|'.join(FORMATS)}")
    return suffix


def _percent(accuracy: float | None) -> str:
    return "-" if accuracy is None else f"{accuracy:.1%}"
