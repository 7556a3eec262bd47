"""`al-server filter`: which samples are worth keeping, and a receipt for each of the others."""

from pathlib import Path
from typing import Any

import click

from al_server.commands.embedding import EMBEDDER_OPTIONS, embedder_options
from al_server.commands.output import as_json_option, examples
from al_server.commands.source_options import SOURCE_OPTIONS, source_options
from al_server.commands.stopping import stopped_in_order

GATE_HELP = (
    "Write gate.npz, for `al-server gate`; of files and texts, name a pretrained --embedder."
)
ISSUE_NAMES = "dark, bright, blurred, low_information, odd_size, odd_aspect"


@click.command(
    "filter",
    epilog=examples(
        "al-server filter photos/ --outliers 5% --similars 10% --keep 50% --out kept/",
        "al-server filter pool.npz --exact-duplicates --similars 2000 --out kept/",
        "al-server filter photos/ --per-class labels --keep 80% --keep-by similars --out kept/",
        "al-server filter photos/ --filter 'semantic_dedup?eps=0.1=auto' --drop dark,blurred \\",
        "    --out kept/ --copy photos_kept/",
        "al-server filter photos/ --outliers 5% --similars 10% --gate --out kept/ \\",
        "    --embedder timm:mobilenetv2_100 --checkpoint mobilenet.pth",
    ),
)
@source_options
@embedder_options
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write.")
@click.option("--exact-duplicates", is_flag=True, help="Of equal contents one stays.")
@click.option("--near-duplicates", is_flag=True, help="Of one picture cropped, mirrored, ... too.")
@click.option("--outliers", metavar="AMOUNT", help="Remove what is far from all else: 5%, or 50.")
@click.option("--similars", metavar="AMOUNT", help="Remove what another one stands for.")
@click.option(
    "--filter",
    "more",
    multiple=True,
    metavar="FILTER=AMOUNT",
    help="Another filter, after these; `auto`: as many as its threshold says. Repeatable.",
)
@click.option("--keep", metavar="AMOUNT", help="Keep so many, exactly, after the filters.")
@click.option("--keep-by", default="coreset", show_default=True, help="Filter that reaches --keep.")
@click.option(
    "--per-class",
    type=click.Choice(["labels", "predicted"]),
    help="Class by class: by known labels, or by an array or column `predicted`.",
)
@click.option(
    "--metric",
    type=click.Choice(["cosine", "euclidean", "geodesic"]),
    default="cosine",
    show_default=True,
    help="What distances mean; geodesic: along the neighbors.",
)
@click.option(
    "--images",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of the files that the ids of an .npz or a table of vectors name.",
)
@click.option("--copy", type=click.Path(path_type=Path), help="Copy the kept files to this folder.")
@click.option("--link", type=click.Path(path_type=Path), help="Link the kept files from there.")
@click.option("--checks", is_flag=True, help=f"Write checks.csv: images that are {ISSUE_NAMES}.")
@click.option("--drop", metavar="ISSUES", default="", help="Remove these first: dark,blurred.")
@click.option("--gate", "with_gate", is_flag=True, help=GATE_HELP)
@click.option("--insights/--no-insights", default=True, show_default=True, help="insights.html.")
@click.option(
    "--projection",
    type=click.Choice(["pca", "umap", "tsne"]),
    default="pca",
    show_default=True,
    help="How the page draws the samples; umap needs the extra of that name.",
)
@click.option("--overwrite", is_flag=True, help="Replace the files of an earlier run in --out.")
@as_json_option
@stopped_in_order()
def filter_(as_json: bool, **options: Any) -> None:
    """Curate SOURCE: say which samples to keep, and why each of the others goes.

    Amounts are shares of all samples, such as 5%, or counts. Writes kept.txt (one name a line),
    removed.csv (file, reason, because_of, distance, score), manifest.json and insights.html.
    """
    # imported late: numba takes seconds
    from al_server.commands.filter_run import Wanted, run

    source = {name: options.pop(name) for name in ("source", *SOURCE_OPTIONS)}
    embedding = {name: options.pop(name) for name in EMBEDDER_OPTIONS}
    run(Wanted(**options), source, embedding, as_json=as_json)
