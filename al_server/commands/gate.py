"""`al-server gate`: new, duplicate or outlier, for samples that arrive after a curation."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from al_server.commands.embedding import EMBEDDER_OPTIONS, embedder_options
from al_server.commands.output import as_json_option, examples, print_failures, print_json
from al_server.commands.source_options import SOURCE_OPTIONS, source_options
from al_server.errors import BadInput

if TYPE_CHECKING:
    from al_server.curation.gate import Gate


@click.command(
    epilog=examples(
        "al-server filter photos/ --outliers 5% --similars 10% --gate --out kept/ \\",
        "    --embedder timm:mobilenetv2_100 --checkpoint mobilenet.pth",
        "al-server gate arrived/ --against kept/ --out verdicts.csv",
    )
)
@source_options
@embedder_options
@click.option(
    "--against",
    type=click.Path(path_type=Path, exists=True),
    required=True,
    help="Folder that `al-server filter --gate` wrote.",
)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help=".csv to write."
)
@click.option("--overwrite", is_flag=True, help="Replace --out.")
@as_json_option
def gate(against: Path, out: Path, overwrite: bool, as_json: bool, **options: Any) -> None:
    """Judge the samples of SOURCE against those that a curation kept.

    Writes file, verdict (new, duplicate or outlier), the nearest kept sample and its distance.
    What embedded the kept samples embeds these, with the same checkpoint; --checkpoint says where
    that lies now.
    """
    from al_server.commands.filter_source import read
    from al_server.curation import writing
    from al_server.curation.gate import VERDICTS, Gate
    from al_server.lab.writing import write_whole

    writing.check_file(out, overwrite=overwrite)
    door = Gate.load(against / writing.GATE if against.is_dir() else against)
    source = {name: options.pop(name) for name in ("source", *SOURCE_OPTIONS)}
    embedding = {name: options.pop(name) for name in EMBEDDER_OPTIONS}
    data = read(
        source,
        _as_kept(embedding, door),
        check=lambda listing: _check(door, "") if listing.vectors is not None else None,
        check_embedder=lambda made: _check(door, made.id),
    )
    listing = data.listing
    assert listing.vectors is not None
    judged = door.judge(listing.vectors)
    rows = zip(
        listing.sample_ids,
        judged.verdicts,
        [door.sample_ids[row] for row in judged.nearest],
        map(str, judged.distances),
        strict=True,
    )
    text = writing.csv_text(("file", "verdict", "nearest", "distance"), rows)
    with writing.told(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(out, text.encode())
    print_failures([(one.sample, one.reason) for one in listing.failures], n=len(listing.failures))
    found = Counter(judged.verdicts)
    counts = {verdict: found[verdict] for verdict in VERDICTS}
    if as_json:
        n = len(listing.sample_ids)
        print_json({"out": str(out), "n_samples": n, **counts, "gate": door.thresholds()})
    else:
        said = ", ".join(f"{n:,} {verdict}" for verdict, n in counts.items())
        click.echo(f"wrote {out}: {said}")
        click.echo(f"the gate: {door.described()}")


def _as_kept(embedding: dict[str, Any], door: "Gate") -> dict[str, Any]:
    """Fill in what embedded the kept samples, where nothing else is asked for.

    Raises
    ------
    BadInput
        If its weights are not where they were.
    """
    name, checkpoint = embedding["embedder"], embedding["checkpoint"]
    if not door.embedder or name not in (None, door.embedder_name):
        return embedding
    if checkpoint is None and door.checkpoint:
        checkpoint = Path(door.checkpoint)
        if not checkpoint.is_file():
            raise BadInput(
                f"the checkpoint that embedded the kept samples is not at {checkpoint}",
                "say where it is with --checkpoint",
            )
    return {**embedding, "embedder": name or door.embedder_name or None, "checkpoint": checkpoint}


def _check(door: "Gate", embedder_id: str) -> None:
    """Refuse samples that something else embeds."""
    if embedder_id != door.embedder:
        raise BadInput(
            f"the kept samples were embedded by {door.embedder or 'another program'}, these by "
            f"{embedder_id or 'another program'}",
            "name the same --embedder and --checkpoint",
        )
