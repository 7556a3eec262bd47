"""Answers and predictions as files that other programs read: CSV, JSON Lines, Parquet.

Every format has the same columns, in the order of `COLUMNS`:

sample_id
label : a class name; in multi-label campaigns a list of names (in CSV as JSON text)
annotator : empty for predictions
time : when the answer was given, UTC; ISO 8601 in text formats
lead_time_s : seconds from showing to answer, where the annotator's program told them
source : `annotator`, `known` (came with the samples) or `prediction`
probability : of the label, for predictions
random : true for answers on samples that were drawn at random, not by the strategy: a fair sample
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from io import StringIO
from itertools import islice
from typing import IO, TYPE_CHECKING, Literal, NamedTuple

import orjson

if TYPE_CHECKING:
    import pyarrow as pa

    from al_server.campaign.campaign import Campaign

Label = str | list[str]
Format = Literal["csv", "jsonl", "parquet"]
ROWS_AT_ONCE = 5_000

CONTENT_TYPES: dict[Format, str] = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}


class ExportRow(NamedTuple):
    """One answer or prediction; `label` of None is a skip."""

    sample_id: str
    label: Label | None
    annotator: str | None
    time: datetime | None
    lead_time_s: float | None
    source: Literal["annotator", "known", "prediction"]
    probability: float | None
    random: bool = False


COLUMNS = ExportRow._fields


def export_rows(
    campaign: "Campaign", *, predictions: bool = False, skips: bool = False
) -> Iterator[ExportRow]:
    """Rows of a campaign: its answers in order of time, then predictions for the rest if wanted.

    Parameters
    ----------
    predictions : add a row for every sample without an answer
    skips : keep answers without a label
    """
    for answer in campaign.answer_rows():
        if answer.label is None and not skips:
            continue
        yield ExportRow(
            sample_id=answer.sample_id,
            label=answer.label,
            annotator=answer.annotator,
            time=datetime.fromtimestamp(answer.at, UTC),
            lead_time_s=answer.lead_time_s,
            source="known" if answer.known else "annotator",
            probability=None,
            random=answer.random,
        )
    if predictions:
        for one in campaign.prediction_rows():
            yield ExportRow(
                one.sample_id, one.label, None, None, None, "prediction", float(one.probability)
            )


def csv_parts(rows: Iterable[ExportRow], *, spreadsheet_safe: bool = True) -> Iterator[bytes]:
    """Write CSV (RFC 4180, UTF-8 without a byte order mark), some thousand rows a part.

    Parameters
    ----------
    spreadsheet_safe : put an apostrophe before every text that a spreadsheet would run as a
        formula, and before texts that begin with an apostrophe, so that taking one leading
        apostrophe off gives the text back. Plain numbers (`-1`) and lone signs (`+`) stay as they
        are: they are no formulas, and common class names.
    """
    written = StringIO()
    writer = csv.writer(written)
    writer.writerow(COLUMNS)
    for part in _parts(rows):
        writer.writerows(_csv_cells(row, spreadsheet_safe) for row in part)
        yield written.getvalue().encode()
        written.seek(0)
        written.truncate()
    if written.tell():
        yield written.getvalue().encode()


def jsonl_parts(rows: Iterable[ExportRow]) -> Iterator[bytes]:
    """Write one JSON object a line, some thousand a part."""
    for part in _parts(rows):
        objects = (
            dict(zip(COLUMNS, (*row[:3], _iso(row.time), *row[4:]), strict=True)) for row in part
        )
        yield b"".join(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in objects)


def write_parquet(rows: Iterable[ExportRow], target: IO[bytes], *, multi: bool) -> None:
    """Write Parquet, one row group for some thousand rows.

    Parameters
    ----------
    target : file open for writing
    multi : labels are lists of names
    """
    import pyarrow as pa
    from pyarrow import parquet

    schema = _schema(multi=multi)
    with parquet.ParquetWriter(target, schema) as writer:
        for part in _parts(rows):
            columns = [
                pa.array(column, type=field.type)
                for column, field in zip(zip(*part, strict=True), schema, strict=True)
            ]
            writer.write_batch(pa.record_batch(columns, schema=schema))


def _schema(*, multi: bool) -> "pa.Schema":
    import pyarrow as pa

    label = pa.list_(pa.string()) if multi else pa.string()
    types = {"label": label, "time": pa.timestamp("us", tz="UTC")}
    types |= dict.fromkeys(("lead_time_s", "probability"), pa.float64())
    types["random"] = pa.bool_()
    return pa.schema([(name, types.get(name, pa.string())) for name in COLUMNS])


def _parts(rows: Iterable[ExportRow]) -> Iterator[Sequence[ExportRow]]:
    remaining = iter(rows)
    while part := list(islice(remaining, ROWS_AT_ONCE)):
        yield part


def _iso(time: datetime | None) -> str | None:
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z") if time else None


def _csv_cells(row: ExportRow, spreadsheet_safe: bool) -> list[object]:
    label = json.dumps(row.label, ensure_ascii=False) if isinstance(row.label, list) else row.label
    cells: list[object] = [row.sample_id, label, row.annotator, _iso(row.time), *row[4:-1]]
    cells.append("true" if row.random else "")
    if not spreadsheet_safe:
        return cells
    return [inert(cell) if isinstance(cell, str) else cell for cell in cells]


# full-width signs too: some spreadsheets take them for the plain ones
_FORMULA = re.compile("['\t\r\n]|\\s*[=+\\-@\uff1d\uff0b\uff0d\uff20]")
_HARMLESS = re.compile(r"[=+\-@]|[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")


def inert(text: str) -> str:
    """Keep a spreadsheet from running a text."""
    if _FORMULA.match(text) and not _HARMLESS.fullmatch(text):
        return f"'{text}"
    return text
