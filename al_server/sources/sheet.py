"""A CSV, JSONL or Parquet file as one pyarrow table."""

from collections.abc import Sequence
from csv import Error, reader
from io import BytesIO, TextIOWrapper
from itertools import count, islice
from pathlib import Path
from typing import Any, NamedTuple

from al_server.answers import Failure
from al_server.errors import BadSource

CSV_SUFFIXES = {".csv": ",", ".tsv": "\t"}
JSONL_SUFFIXES = (".jsonl", ".ndjson")
PARQUET_SUFFIXES = (".parquet", ".pq")
BLOCK_BYTES = 64 * 2**20


class Sheet(NamedTuple):
    """The rows of a file.

    Attributes
    ----------
    table : pyarrow.Table; every column of a CSV is text
    row_numbers : where each row of the table stands in the file, from 0, the header not counted
    failures : rows that could not be read, and why
    """

    table: Any
    row_numbers: Sequence[int]
    failures: list[Failure]


def read_sheet(file: Path) -> Sheet:
    """Read a file by its suffix. A row that cannot be read is left out and listed.

    Raises
    ------
    BadSource
        If the file as a whole cannot be read, or is not UTF-8; it names the line and the byte.
    """
    suffix = file.suffix.lower()
    if suffix in CSV_SUFFIXES:
        sheet = _read_csv(file, CSV_SUFFIXES[suffix])
    elif suffix in JSONL_SUFFIXES:
        sheet = _read_jsonl(file)
    elif suffix in PARQUET_SUFFIXES:
        sheet = _read_parquet(file)
    else:
        known = ", ".join([*CSV_SUFFIXES, *JSONL_SUFFIXES, *PARQUET_SUFFIXES])
        raise BadSource(f"{file} is not a table", f"tables end in {known}")
    if not sheet.table.num_rows:
        why = f"; {sheet.failures[0].sample}: {sheet.failures[0].reason}" if sheet.failures else ""
        raise BadSource(f"{file} holds no rows{why}", "give a table with at least one sample")
    names = sheet.table.column_names
    if len(set(names)) < len(names):
        raise BadSource(f"{file} has two columns of one name: {', '.join(names)}", "rename one")
    return sheet


def row_name(number: int) -> str:
    """Say how a row is called in messages."""
    return f"row {number}"


def _read_csv(file: Path, delimiter: str) -> Sheet:
    import pyarrow
    from pyarrow import csv

    data = _utf8(file)
    content = pyarrow.BufferReader(data)
    unfit: dict[int, Failure] = {}

    def skip(row: Any) -> str:
        number = row.number - 2  # pyarrow counts from 1, and the header too
        reason = f"{row.actual_columns} cells where the header has {row.expected_columns}"
        unfit[number] = Failure(sample=row_name(number), reason=reason)
        return "skip"

    layout = csv.ParseOptions(
        delimiter=delimiter, newlines_in_values=True, invalid_row_handler=skip
    )
    # one thread, else rows are not numbered; a row must fit into a block
    one_thread = csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES)
    try:
        header = _header(data, delimiter)
        # all text: an id of 007 must not become 7
        as_text = csv.ConvertOptions(
            column_types=dict.fromkeys(header, pyarrow.string()),
            null_values=[""],
            strings_can_be_null=True,
        )
        table = csv.read_csv(
            content, read_options=one_thread, parse_options=layout, convert_options=as_text
        )
    except (pyarrow.ArrowInvalid, Error) as error:
        remedy = "give a CSV file whose first line names the columns"
        raise BadSource(f"{file} cannot be read: {error}", remedy) from error
    numbers = list(islice((row for row in count() if row not in unfit), table.num_rows))
    return Sheet(table, numbers, list(unfit.values()))


def _header(data: bytes, delimiter: str) -> list[str]:
    # not by pyarrow's open_csv: a thread of it outlives the process at times, which then aborts
    lines = TextIOWrapper(BytesIO(data), "utf-8-sig", newline="")
    return next((row for row in reader(lines, delimiter=delimiter) if row), [])


def _read_jsonl(file: Path) -> Sheet:
    import orjson
    import pyarrow

    rows: dict[int, dict[str, Any]] = {}
    failures = []
    for number, line in enumerate(_utf8(file).removeprefix(b"\xef\xbb\xbf").splitlines()):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            failures.append(Failure(sample=row_name(number), reason=f"not JSON: {error}"))
            continue
        if isinstance(row, dict):
            rows[number] = row
        else:
            failures.append(Failure(sample=row_name(number), reason="not a JSON object"))
    names = dict.fromkeys(name for row in rows.values() for name in row)
    columns = {name: _column([row.get(name) for row in rows.values()]) for name in names}
    return Sheet(pyarrow.table(columns), list(rows), failures)


def _column(values: list[Any]) -> Any:
    import orjson
    import pyarrow

    try:
        return pyarrow.array(values)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, OverflowError):
        # 7 and "7b" in one column: text holds both
        texts = (v if isinstance(v, str | None) else orjson.dumps(v).decode() for v in values)
        return pyarrow.array(list(texts), type=pyarrow.string())


def _read_parquet(file: Path) -> Sheet:
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.read_table(file, partitioning=None)
    except (OSError, pyarrow.ArrowException) as error:
        raise BadSource(f"{file} cannot be read: {error}", "write it again") from error
    return Sheet(table, range(table.num_rows), [])


def _utf8(file: Path) -> bytes:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise BadSource(f"{file} cannot be opened: {error.strerror}", "make it readable") from error
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadSource(
            f"{file} is not UTF-8: byte 0x{content[error.start]:02x} in line {line}, "
            f"at position {error.start} of the file",
            f"convert it: iconv -f LATIN1 -t UTF-8 {file.name} > utf8_{file.name}",
        ) from error
    return content
