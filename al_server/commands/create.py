"""`al-server campaign create` and `add-samples`: send a source, wait until it is embedded."""

import time
from pathlib import Path
from typing import Any

import click

from al_server.answers import CampaignInfo
from al_server.commands.connection import Connection, campaign_path, url_option
from al_server.commands.output import as_json_option, bar, examples, print_failures, print_json
from al_server.commands.source_options import (
    absolute,
    make_source,
    pop_source_options,
    source_options,
)
from al_server.errors import BadInput, NotReady

POLL_S = 0.3
labels_option = click.option(
    "--labels", is_flag=True, help="Take the known labels of the source over."
)
wait_option = click.option(
    "--no-wait", is_flag=True, help="Return at once; the server goes on by itself."
)


@click.command(
    epilog=examples(
        "al-server campaign create fruits photos/ --classes fresh,rotten --budget 500",
        "al-server campaign create tweets tweets.csv --column text --classes bad,good",
        "al-server campaign create cells photos/ --boxes voc --annotations xml/ --classes RBC,WBC",
        "al-server campaign create vectors pool.npz --classes-file classes.txt --no-wait",
    )
)
@click.argument("name")
@source_options
@labels_option
@click.option("--classes", help="Class names, separated by commas.")
@click.option(
    "--classes-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="File with one class name a line.",
)
@click.option("--task", type=click.Choice(["single", "multi"]), help="Classes per sample [single].")
@click.option(
    "--embedder",
    help="`pixels`, `tfidf`, `timm:NAME`, `layer:...`, `text`, `ssl:FOLDER` [what works here].",
)
@click.option("--checkpoint", type=click.Path(path_type=Path), help="Local weights.")
@click.option(
    "--reduce",
    help="Fewer dimensions, as pca:64, or none [pca:64 where an embedder gives over 128].",
)
@click.option("--k", type=int, help="Neighbors that vote [10].")
@click.option("--strategy", help="See `al-server strategies` [default].")
@click.option("--budget", type=int, help="Answers we can pay for [no limit].")
@click.option("--holdout", type=click.Path(path_type=Path), help="Labeled samples to measure on.")
@click.option("--overlap", type=int, help="Answers wanted for each sample [1].")
@click.option(
    "--classifier",
    type=click.Choice(["propagated", "knn"]),
    help="[propagated; for several labels a sample knn].",
)
@click.option("--random-share", type=float, help="Share of the picks drawn at random [0.1].")
@click.option("--lease-s", type=float, help="Seconds that an annotator has for a sample [600].")
@click.option("--seed", type=int, help="Seed of everything that is drawn [0].")
@wait_option
@url_option
@as_json_option
def create(
    name: str,
    classes: str | None,
    classes_file: Path | None,
    checkpoint: Path | None,
    holdout: Path | None,
    no_wait: bool,
    url: str,
    as_json: bool,
    **options: Any,
) -> None:
    """Make the campaign NAME from SOURCE: images, videos, a table, or ready embeddings.

    Paths are those of the server's machine, under one of its roots; relative ones count from the
    current folder.
    """
    source = make_source(
        options.pop("source"), labels=options.pop("labels"), **pop_source_options(options)
    )
    spec = {
        "name": name,
        "classes": _class_names(classes, classes_file),
        "source": source.model_dump(exclude_defaults=True),
        "checkpoint": None if checkpoint is None else absolute(checkpoint),
        "holdout": None if holdout is None else absolute(holdout),
        **options,
    }
    with Connection(url) as server:
        body = {key: value for key, value in spec.items() if value is not None}
        info = CampaignInfo.model_validate(server.post("campaigns", body))
        if not no_wait:
            info = _wait(server, info)
    _say(info, as_json, f"{url.rstrip('/')}/campaigns/{name}/annotate")


@click.command("add-samples", epilog=examples("al-server campaign add-samples fruits more_photos/"))
@click.argument("name")
@source_options
@labels_option
@wait_option
@url_option
@as_json_option
def add_samples(name: str, no_wait: bool, url: str, as_json: bool, **options: Any) -> None:
    """Add the samples of SOURCE to the campaign NAME while it runs."""
    source = make_source(options.pop("source"), **options)
    with Connection(url) as server:
        body = {"source": source.model_dump(exclude_defaults=True)}
        answer = server.post(campaign_path(name, "samples"), body)
        info = CampaignInfo.model_validate(answer)
        if not no_wait:
            info = _wait(server, info)
    _say(info, as_json, f"{url.rstrip('/')}/campaigns/{name}/annotate")


def _class_names(classes: str | None, file: Path | None) -> list[str]:
    if (classes is None) == (file is None):
        raise click.UsageError("say what the classes are: --classes a,b,c or --classes-file FILE")
    if file is None:
        names = str(classes).split(",")
    else:
        try:
            names = file.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"{file} cannot be read: {error}", "one class a line, UTF-8") from error
    return [name.strip() for name in names if name.strip()]


def _wait(server: Connection, info: CampaignInfo) -> CampaignInfo:
    """Show how far the server is until it has taken every sample in."""
    with bar(info.name, unit="%", total=100) as shown:
        while _is_working(info):
            time.sleep(POLL_S)
            info = CampaignInfo.model_validate(server.get(campaign_path(info.name)))
            doing = info.message if _is_working(info) else None
            shown.set_description_str(doing or info.name, refresh=False)
            share = info.progress if info.adding is None else info.adding
            shown.update(round(100 * share, 1) - shown.n)
    if info.state == "failed":
        raise NotReady(f"{info.name} failed: {info.error}", "mend that, and create it again")
    if info.error is not None:
        raise NotReady(f"{info.name}: {info.error}", "mend that, and add them again")
    return info


def _is_working(info: CampaignInfo) -> bool:
    # a running campaign stays ready while samples are added
    return info.state == "preparing" or info.adding is not None


def _say(info: CampaignInfo, as_json: bool, address: str) -> None:
    if as_json:
        print_json(info)
        return
    print_failures([(one.sample, one.reason) for one in info.failures], n=info.n_failures)
    if info.message:
        click.echo(info.message, err=True)
    click.echo(f"{info.name} is {info.state}: {info.n_samples:,} samples. Label at {address}")
