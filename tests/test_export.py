"""Rows written and read back by the readers that people use."""

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO, StringIO

import pytest
from pyarrow import parquet

from al_server.export import COLUMNS, ExportRow, csv_parts, jsonl_parts, write_parquet

TIME = datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC)
ISO = "2026-02-03T04:05:06.000789Z"


def answer(sample_id: str = "a", label: str | list[str] | None = "x") -> ExportRow:
    return ExportRow(sample_id, label, "ann", TIME, 1.25, "annotator", None)


PREDICTION = ExportRow("b", "y", None, None, None, "prediction", 0.1)


def read_csv(parts: Iterator[bytes]) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(b"".join(parts).decode(), newline="")))


def test_csv_has_the_columns_in_order_and_a_row_each() -> None:
    text = b"".join(csv_parts([answer(), PREDICTION])).decode()
    assert text.splitlines() == [
        "sample_id,label,annotator,time,lead_time_s,source,probability,random",
        f"a,x,ann,{ISO},1.25,annotator,,",
        "b,y,,,,prediction,0.1,",
    ]


def test_jsonl_has_an_object_a_line() -> None:
    lines = b"".join(jsonl_parts([answer(label=["x", "y"]), PREDICTION])).splitlines()
    assert json.loads(lines[0]) == {
        "sample_id": "a",
        "label": ["x", "y"],
        "annotator": "ann",
        "time": ISO,
        "lead_time_s": 1.25,
        "source": "annotator",
        "probability": None,
        "random": False,
    }
    assert list(json.loads(lines[1])) == list(COLUMNS)


def test_parquet_keeps_types() -> None:
    file = BytesIO()
    write_parquet([answer(), PREDICTION], file, multi=False)
    table = parquet.read_table(file)
    assert table.to_pylist()[0] == answer()._asdict()
    assert table.to_pylist()[1] == PREDICTION._asdict()
    assert str(table.schema.field("time").type) == "timestamp[us, tz=UTC]"


def test_parquet_keeps_label_lists_the_empty_one_too() -> None:
    file = BytesIO()
    write_parquet([answer("a", ["x", "y"]), answer("b", []), answer("c", None)], file, multi=True)
    assert parquet.read_table(file).column("label").to_pylist() == [["x", "y"], [], None]


def test_csv_writes_label_lists_as_json() -> None:
    rows = read_csv(csv_parts([answer("a", ["x,1", 'ü"']), answer("b", []), answer("c", None)]))
    assert [row["label"] for row in rows] == ['["x,1", "ü\\""]', "[]", ""]


@pytest.mark.parametrize("n", [0, 1, 5_000, 5_001, 12_345])
def test_every_format_has_every_row_once_in_order(n: int) -> None:
    rows = [answer(str(row)) for row in range(n)]
    expected = [str(row) for row in range(n)]
    assert [row["sample_id"] for row in read_csv(csv_parts(rows))] == expected
    lines = b"".join(jsonl_parts(rows)).splitlines()
    assert [json.loads(line)["sample_id"] for line in lines] == expected
    file = BytesIO()
    write_parquet(rows, file, multi=False)
    assert parquet.read_table(file).column("sample_id").to_pylist() == expected


def test_text_formats_flow_before_the_last_row_is_known() -> None:
    def rows() -> Iterator[ExportRow]:
        for row in range(6_000):
            yield answer(str(row))
        raise AssertionError("asked for too much")

    assert next(csv_parts(rows())).startswith(b"sample_id,")
    assert next(jsonl_parts(rows())).startswith(b"{")


FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1+1"]


@pytest.mark.parametrize("text", FORMULAS)
def test_csv_texts_that_a_spreadsheet_would_run_are_made_inert(text: str) -> None:
    row = ExportRow(text, text, text, TIME, None, "annotator", None)
    (cells,) = read_csv(csv_parts([row]))
    assert cells["sample_id"] == cells["label"] == cells["annotator"] == f"'{text}"


@pytest.mark.parametrize("text", ["-1", "+1", "-2.5", "1e5", "+", "-", "=", "@", "a=b", "x-1.jpg"])
def test_csv_texts_that_are_no_formulas_stay_as_they_are(text: str) -> None:
    assert read_csv(csv_parts([answer(text, text)]))[0]["label"] == text


@pytest.mark.parametrize("text", [*FORMULAS, "'quoted", "''", "'", "plain", "-1", "line\r\nbreak"])
def test_taking_one_apostrophe_off_gives_the_text_back(text: str) -> None:
    (cells,) = read_csv(csv_parts([answer(text)]))
    assert cells["sample_id"].removeprefix("'") == text


@pytest.mark.parametrize("text", FORMULAS)
def test_programs_can_have_the_texts_untouched(text: str) -> None:
    (cells,) = read_csv(csv_parts([answer(text)], spreadsheet_safe=False))
    assert cells["sample_id"] == text
    assert json.loads(b"".join(jsonl_parts([answer(text)])))["sample_id"] == text
