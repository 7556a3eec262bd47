"""The files of a report: for people, for slides, for spreadsheets, for programs."""

import csv
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from al_server.lab.chart import Drawing, draw_curves
from al_server.lab.page import render
from al_server.lab.png import png
from al_server.lab.results import Results
from al_server.lab.svg import inline_svg, standalone_svg
from al_server.lab.verdict import METRIC_NAMES
from embeddings.plain_file import check_replaceable

if TYPE_CHECKING:
    from al_server.lab.comparison import Comparison

REPORT_FILE = "report.json"


def write_report(
    comparison: "Comparison", folder: Path, *, results: Results, probed: Results | None
) -> None:
    """Write everything but the raw curves; each file is whole, or as it was."""
    report = comparison.report
    title = f"Strategies on {report.protocol.data}"
    curves = _drawing(comparison, results, legend=False)
    probe = None if probed is None else _drawing(comparison, probed, legend=False)
    page = render(
        report,
        curves=inline_svg(curves, title=title),
        probe_curves=None if probe is None else inline_svg(probe, title=f"{title}, linear model"),
    )
    alone = _drawing(comparison, results, legend=True)
    write_whole(folder / "report.html", page.encode())
    write_whole(folder / "curves.svg", standalone_svg(alone, title=title).encode())
    write_whole(folder / "curves.png", png(alone))
    write_whole(folder / "summary.csv", _summary(comparison))
    # last: where it is, all the others are
    write_whole(folder / REPORT_FILE, report.model_dump_json(indent=1).encode() + b"\n")


def _drawing(comparison: "Comparison", results: Results, *, legend: bool) -> Drawing:
    protocol = comparison.report.protocol
    return draw_curves(
        {arm: each[protocol.metric] for arm, each in results.curves.items()},
        results.n_labeled,
        targets=protocol.plan.targets,
        metric=METRIC_NAMES[protocol.metric],
        legend=legend,
    )


def _summary(comparison: "Comparison") -> bytes:
    rows = comparison.summary
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def write_whole(file: Path, content: bytes) -> None:
    """Write all or nothing; raise OSError where something else than a file is there."""
    check_replaceable(file)
    aside = file.with_name(f".{file.name}.{os.getpid()}.part")
    aside.write_bytes(content)
    aside.replace(file)
