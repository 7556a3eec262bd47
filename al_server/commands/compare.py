"""`al-server compare`: strategies against random sampling, on labels that are known."""

import re
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from al_server.commands.embed import embed
from al_server.commands.output import (
    as_json_option,
    bar,
    examples,
    follow,
    print_json,
    print_table,
)
from al_server.commands.source_options import guess_kind
from al_server.config import Settings
from al_server.errors import BadInput

if TYPE_CHECKING:
    from al_server.lab import Comparison
    from al_server.lab.data import LabeledData
    from al_server.lab.report import Arm, Report

INTERRUPTED = 130
_METRICS = ("accuracy", "balanced_accuracy", "macro_f1")


@click.command(
    epilog=examples(
        "al-server compare fruits.npz --strategies default,margin --group --out fruits_report",
        "al-server compare photos/ --embedder timm:mobilenetv2_100 --checkpoint mobilenet.pth \\",
        "    --out photos_report",
        "al-server compare digits --budget 100 --repeats 50 --out digits_report",
        "al-server compare a.npz b.npz c.npz --imbalance 1:16 --out three_reports",
    )
)
@click.argument("data", nargs=-1, required=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for the report; a comparison that was stopped goes on there.",
)
@click.option(
    "--strategies",
    multiple=True,
    default=("default",),
    show_default=True,
    help="Names, separated by commas; uniform always runs.",
)
@click.option("--repeats", type=int, help="Paired repeats [30; with --folds one a fold].")
@click.option("--budget", type=int, default=300, show_default=True, help="Labels in all.")
@click.option("--batch", type=int, default=1, show_default=True, help="Labels at a time.")
@click.option(
    "--holdout", type=float, default=0.2, show_default=True, help="Share that is measured on."
)
@click.option("--folds", type=int, help="Each of so many folds is the holdout once.")
@click.option("--group", "by_group", is_flag=True, help="Keep samples of one `group` together.")
@click.option("--imbalance", help="Thin the pool until the rarest class is so rare, such as 1:16.")
@click.option("--metric", type=click.Choice(_METRICS), help="[accuracy; thinned: balanced].")
@click.option(
    "--targets", default="0.8,0.9", show_default=True, help="Of the metric, to count labels to."
)
@click.option(
    "--classifier",
    type=click.Choice(["knn", "propagated"]),
    help="In all arms [that of the campaign; else propagated].",
)
@click.option(
    "--k", type=int, help="Neighbours that vote, with knn [that of the campaign; else 10]."
)
@click.option(
    "--shared-start",
    "n_shared",
    type=int,
    default=0,
    show_default=True,
    help="First labels drawn at random, the same for all; 0: every strategy begins by itself.",
)
@click.option("--probe/--no-probe", default=True, help="Judge by a linear model, too [yes].")
@click.option("--seed", type=int, default=0, show_default=True, help="Of all that is drawn.")
@click.option("--workers", "n_workers", type=click.IntRange(1), help="Processes [one a core].")
@click.option(
    "--data",
    "data_folder",
    type=click.Path(path_type=Path),
    default=Settings.model_fields["data"].default,
    show_default=True,
    envvar="AL_DATA",
    help="Data folder of the server whose campaign is named; also where vectors are cached.",
)
@click.option("--embedder", help="For images and texts, as for `al-server embed`.")
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Local weights for the embedder.",
)
@click.option("--column", help="Table: the column that holds the samples.")
@click.option("--label-column", default="label", show_default=True, help="Table: their labels.")
@as_json_option
@click.pass_context
def compare(
    context: click.Context,
    /,
    data: tuple[str, ...],
    out: Path,
    n_workers: int | None,
    data_folder: Path,
    as_json: bool,
    **options: Any,
) -> None:
    """Replay strategies on the labels of DATA, against random sampling.

    DATA is an .npz of X and y, a folder of images in one folder a class, a table with a column of
    labels, or the name of a campaign. Of several the strategies are ranked, too.
    """
    from al_server.lab.several import write_ranking

    source_keys = ("embedder", "checkpoint", "column", "label_column")
    source = {key: options.pop(key) for key in source_keys}
    asked = {key: options.pop(key) for key in ("classifier", "k")}
    plan = _plan(**options, **{key: one for key, one in asked.items() if one is not None})
    folders = _folders(out, data)
    reports: dict[str, Report] = {}
    for one, folder in folders.items():
        labeled = _read(context, one, folder, data_folder, source)
        theirs = {"classifier": labeled.classifier, "k": labeled.k}
        own = {key: one for key, one in theirs.items() if one is not None and asked[key] is None}
        found = _compare(labeled, plan.model_copy(update=own), folder, n_workers)
        reports[folder.name] = found.report
        if not as_json:
            _say(found, folder)
    ranking = write_ranking(reports, out) if len(reports) > 1 else None
    if as_json:
        print_json(reports if len(reports) > 1 else next(iter(reports.values())))
    elif ranking is not None:
        rows = [[name, f"{mean:.2f}"] for name, mean in ranking.mean_ranks.items()]
        print_table(["strategy", f"mean rank over {len(reports)} data sets"], rows)
        click.echo(f"wrote {out / 'report.html'}")


def _plan(
    *,
    strategies: tuple[str, ...],
    repeats: int | None,
    imbalance: str | None,
    targets: str,
    **settings: Any,
) -> Any:
    from al_server.lab.plan import make_plan

    # a comma inside of a strategy's settings is followed by a number
    names = [name for text in strategies for name in re.split(r",\s*(?=[A-Za-z_])", text)]
    return make_plan(
        strategies=tuple(dict.fromkeys(names)),
        repeats=repeats or settings["folds"] or 30,
        imbalance=None if imbalance is None else imbalance.removeprefix("1:"),
        targets=tuple(filter(None, targets.split(","))),
        **settings,
    )


def _folders(out: Path, data: tuple[str, ...]) -> dict[str, Path]:
    """Return where each report goes: with several data sets each has a folder of its own."""
    if len(data) == 1:
        return {data[0]: out}
    folders = {one: out / Path(one).stem for one in data}
    if len(set(folders.values())) < len(data):
        raise BadInput("two data sets have the same name", "rename one, or compare one at a time")
    return folders


def _read(
    context: click.Context, data: str, folder: Path, data_folder: Path, source: dict[str, Any]
) -> "LabeledData":
    from al_server.lab.campaign_data import read_campaign
    from al_server.lab.data import read_data

    path = Path(data)
    if not path.exists():
        if path.suffix or len(path.parts) > 1:
            raise BadInput(f"{data}: no such file or folder", "name one, or a campaign")
        return read_campaign(data_folder, data)
    kind = guess_kind(path)
    if kind == "npz":
        return read_data(path)
    if kind == "npy":
        raise BadInput(f"{data}: an .npy file holds no labels", "use an .npz with X and y")
    if kind == "images":
        source = {key: source[key] for key in ("embedder", "checkpoint")}
    embedded = folder / f"{path.stem or 'data'}.npz"
    # stdout is for the comparison
    with redirect_stdout(sys.stderr):
        context.invoke(embed, source=path, out=embedded, data=data_folder, **source)
    return read_data(embedded)


def _compare(data: "LabeledData", plan: Any, folder: Path, n_workers: int | None) -> "Comparison":
    from al_server.lab import compare

    try:
        with bar(data.name, unit="repeat") as shown:
            return compare(data, plan, out=folder, n_workers=n_workers, progress=follow(shown))
    except KeyboardInterrupt:
        click.echo(f"stopped; the same command goes on with what is in {folder}", err=True)
        raise SystemExit(INTERRUPTED) from None


def _say(found: "Comparison", folder: Path) -> None:
    report = found.report
    click.echo(report.verdict.headline)
    for said in (*report.verdict.losses, report.verdict.linear_model):
        if said:
            click.echo(said)
    for warning in report.warnings:
        click.echo(f"warning: {warning}", err=True)
    ranked = sorted(report.arms.items(), key=lambda one: -one[1].aubc)
    targets = list(ranked[0][1].labels_to)
    header = [
        "strategy",
        report.protocol.metric,
        "against random",
        "",
        *(f"to {t}" for t in targets),
    ]
    print_table(header, [_row(name, arm, targets) for name, arm in ranked])
    click.echo(f"wrote {folder / 'report.html'}")


def _row(name: str, arm: "Arm", targets: list[str]) -> list[str]:
    mean, low, high = (f"{100 * one:+.1f}" for one in arm.aubc_gain)
    is_baseline = arm.against_random == "baseline"
    reached = [arm.labels_to[target].labels for target in targets]
    return [
        name,
        f"{arm.aubc:.1%}",
        "" if is_baseline else f"{mean} ({low} to {high})",
        arm.against_random,
        *("never" if one is None else f"{one:.0f}" for one in reached),
    ]
