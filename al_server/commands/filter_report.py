"""What `al-server filter` says when it is done: how many stay, and what could not be looked at."""

from pathlib import Path
from typing import NamedTuple

import click

from al_server.answers import Failure
from al_server.commands.output import print_failures, print_json
from al_server.curation.curated import Curated
from al_server.curation.figures import Figures
from al_server.curation.gate import Gate
from al_server.curation.near_duplicates import NearDuplicates, NearDuplicatesTree
from al_server.curation.pipeline import Pipeline
from al_server.curation.writing import CHECKS, NOT_COPIED


class Troubles(NamedTuple):
    """Samples that something could not be done with, and why.

    Attributes
    ----------
    left_out : what cannot be embedded or copied
    not_checked : pictures that the checks cannot read, and so have no issues
    not_compared : pictures that near-duplicates cannot read, and so are like no other
    """

    left_out: list[Failure]
    not_checked: list[Failure]
    not_compared: list[Failure]


class Copied(NamedTuple):
    """How many of the kept files went to a folder, as copies or links."""

    n: int
    folder: Path
    how: str


class Besides(NamedTuple):
    """What was made besides the lists; None where it was not asked for.

    Attributes
    ----------
    copied : how many files, to which folder
    n_by_issue : how many pictures have each issue of the checks
    gate : of `al-server gate`
    """

    copied: Copied | None
    n_by_issue: dict[str, int] | None
    gate: Gate | None


def not_compared(pipeline: Pipeline) -> list[Failure]:
    """Return the pictures that near-duplicates could not read, in the order of the source."""
    if NearDuplicates.reason not in pipeline.chain:
        return []
    tree = pipeline.tree(NearDuplicates.reason)
    assert isinstance(tree, NearDuplicatesTree)
    order = pipeline.points.order.tolist()
    reasons = {order[place]: reason for place, reason in tree.pictures.unreadable.items()}
    return [
        Failure(sample=pipeline.sample_ids[row], reason=reasons[row]) for row in sorted(reasons)
    ]


def say(
    curated: Curated,
    measured: Figures,
    troubles: Troubles,
    *,
    out: Path,
    metric: str,
    besides: Besides,
    as_json: bool,
) -> None:
    """Print what was kept and why the others go, or the same as JSON."""
    n, n_kept = len(curated.sample_ids), len(curated.kept)
    if as_json:
        print_json(
            {
                "out": str(out),
                "n_samples": n,
                "n_kept": n_kept,
                **measured._asdict(),
                "failures": troubles.left_out,
                "not_checked": troubles.not_checked,
                "not_compared": troubles.not_compared,
                "n_copied": None if besides.copied is None else besides.copied.n,
                "n_by_issue": besides.n_by_issue,
                "gate": None if besides.gate is None else besides.gate.thresholds(),
            }
        )
        return
    for said, failures in troubles._asdict().items():
        told = [(one.sample, one.reason) for one in failures]
        print_failures(told, n=len(told), said=said.replace("_", " "))
    click.echo(f"kept {n_kept:,} of {n:,} samples ({n_kept / n:.1%}); see {out}")
    for step in curated.steps:
        click.echo(f"  {step.n_removed:,} {step.reason}, by {step.name}")
    if besides.copied is not None:
        n_copied, folder, how = besides.copied
        others = "" if n_copied == n_kept else f"; the others are in {out / NOT_COPIED}"
        click.echo(f"{how} {n_copied:,} of {n_kept:,} to {folder}{others}")
    if besides.n_by_issue is not None:
        found = [f"{n_flagged:,} {issue}" for issue, n_flagged in besides.n_by_issue.items()]
        click.echo(f"checked: {', '.join(found)}; see {out / CHECKS}")
    if measured.cover_radius is not None:
        click.echo(
            f"the farthest that one is from the kept sample that covers it: "
            f"{measured.cover_radius:.3g} ({metric})"
        )
    if measured.recall < 1:
        click.echo(f"the graph holds {measured.recall:.1%} of the true neighbors")
    if measured.uncertified_share:
        click.echo(
            f"uncertified: {measured.uncertified_share:.2%} of the samples, whose neighbors may "
            "not be the nearest"
        )
    if besides.gate is not None:
        click.echo(f"the gate: {besides.gate.described()}")
