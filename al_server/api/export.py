"""Export over HTTP: text formats flow as they are made, Parquet goes through a temporary file."""

from collections.abc import Iterator
from itertools import chain
from tempfile import SpooledTemporaryFile

from flask import Blueprint, Response, send_file
from pydantic import Field

from al_server import export
from al_server.api.context import registry
from al_server.api.operation import operation
from al_server.models import Model

bp = Blueprint("export", __name__)
IN_MEMORY = 8 * 2**20


class ExportQuery(Model):
    """What to write, and how."""

    format: export.Format = "csv"
    predictions: bool = Field(False, description="add a row for every sample without an answer")
    skips: bool = Field(False, description="keep skips, as rows without a label")
    spreadsheet_safe: bool = Field(
        True, description="csv: an apostrophe before texts that a spreadsheet would run as formulas"
    )


@bp.get("/campaigns/<name>/export")
@operation(
    produces=tuple(content_type.partition(";")[0] for content_type in export.CONTENT_TYPES.values())
)
def download(name: str, query: ExportQuery) -> Response:
    """Download the labels, and predictions for the rest if wanted."""
    campaign = registry().campaign(name)
    rows = _begun(export.export_rows(campaign, predictions=query.predictions, skips=query.skips))
    if query.format == "parquet":
        sent = _parquet(rows, multi=campaign.spec.task == "multi")
    elif query.format == "jsonl":
        sent = Response(export.jsonl_parts(rows))
    else:
        sent = Response(export.csv_parts(rows, spreadsheet_safe=query.spreadsheet_safe))
    sent.headers["Content-Type"] = export.CONTENT_TYPES[query.format]
    # a campaign's name is letters, digits, `_`, `.` and `-`: nothing to quote
    sent.headers["Content-Disposition"] = f'attachment; filename="{name}-labels.{query.format}"'
    return sent


def _begun(rows: Iterator[export.ExportRow]) -> Iterator[export.ExportRow]:
    """Take the first row now: what fails at the start can still be answered as an error."""
    first = next(rows, None)
    return chain([] if first is None else [first], rows)


def _parquet(rows: Iterator[export.ExportRow], *, multi: bool) -> Response:
    file = SpooledTemporaryFile(max_size=IN_MEMORY)
    export.write_parquet(rows, file, multi=multi)
    file.seek(0)
    return send_file(file, mimetype=export.CONTENT_TYPES["parquet"])
