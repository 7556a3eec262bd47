"""Labels as files over HTTP."""

import csv
import json
from collections.abc import Iterator
from io import BytesIO, StringIO

import pytest
from flask.testing import FlaskClient
from pyarrow import parquet

from al_server.errors import NotReady
from tests.api.conftest import SAMPLE_IDS, toy_campaign
from tests.api.toy_registry import ToyAnswerRow, ToyCampaign, ToyRegistry

URL = "/api/v1/campaigns/fruits/export"
ANSWERS = [
    ToyAnswerRow("a/media", "ann", "pear", 1.5, 2.0, False),
    ToyAnswerRow("後藤/😀", "=bob", "apple", 2.5, None, True),
    ToyAnswerRow("a", "ann", None, 3.5, None, False),
]


@pytest.fixture(autouse=True)
def answered(campaign: ToyCampaign) -> None:
    campaign.answers += ANSWERS


def test_labels_come_as_csv_unless_asked_otherwise(client: FlaskClient) -> None:
    answer = client.get(URL)
    assert answer.content_type == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="fruits-labels.csv"'
    rows = list(csv.DictReader(StringIO(answer.text)))
    assert [(row["sample_id"], row["label"], row["source"]) for row in rows] == [
        ("a/media", "pear", "annotator"),
        ("後藤/😀", "apple", "known"),
    ]
    assert rows[0]["time"] == "1970-01-01T00:00:01.500000Z"
    assert rows[1]["annotator"] == "'=bob"


def test_csv_for_programs_is_untouched(client: FlaskClient) -> None:
    assert ",=bob," in client.get(f"{URL}?spreadsheet_safe=false").text


def test_jsonl_and_parquet_hold_the_same_rows(client: FlaskClient) -> None:
    jsonl = client.get(f"{URL}?format=jsonl&predictions=true&skips=true")
    assert jsonl.content_type == "application/x-ndjson"
    as_parquet = client.get(f"{URL}?format=parquet&predictions=true&skips=true")
    assert as_parquet.headers["Content-Disposition"].endswith('"fruits-labels.parquet"')
    lines = [json.loads(line) for line in jsonl.text.splitlines()]
    table = parquet.read_table(BytesIO(as_parquet.data)).to_pylist()
    for one in table:
        if one["time"] is not None:
            one["time"] = one["time"].isoformat(timespec="microseconds")[:-6] + "Z"
    key = "sample_id"
    assert sorted(lines, key=lambda one: one[key]) == sorted(table, key=lambda one: one[key])
    assert {one["sample_id"] for one in lines} == set(SAMPLE_IDS)


def test_predictions_are_added_for_the_rest_on_request(client: FlaskClient) -> None:
    lines = client.get(f"{URL}?format=jsonl&predictions=true").text.splitlines()
    rows = [json.loads(line) for line in lines]
    predicted = [one for one in rows if one["source"] == "prediction"]
    assert {one["sample_id"] for one in predicted} == set(SAMPLE_IDS) - {"a/media", "後藤/😀", "a"}
    assert predicted[0]["probability"] == 0.5
    assert predicted[0]["annotator"] is None


def test_skips_are_left_out_unless_asked_for(client: FlaskClient) -> None:
    rows = [
        json.loads(line) for line in client.get(f"{URL}?format=jsonl&skips=1").text.splitlines()
    ]
    assert [one["label"] for one in rows] == ["pear", "apple", None]


def test_labels_of_multi_label_campaigns_are_lists(client: FlaskClient, toys: ToyRegistry) -> None:
    several = toy_campaign("several", task="multi")
    several.answers.append(ToyAnswerRow("a", "ann", ["apple", "pear"], 1.0, None, False))
    toys.campaigns["several"] = several
    url = "/api/v1/campaigns/several/export"
    assert json.loads(client.get(f"{url}?format=jsonl").text)["label"] == ["apple", "pear"]
    table = parquet.read_table(BytesIO(client.get(f"{url}?format=parquet").data))
    assert table.column("label").to_pylist() == [["apple", "pear"]]


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_a_campaign_without_labels_gives_an_empty_file(
    client: FlaskClient, campaign: ToyCampaign, format: str
) -> None:
    campaign.answers.clear()
    answer = client.get(f"{URL}?format={format}")
    assert answer.status_code == 200
    if format == "parquet":
        assert parquet.read_table(BytesIO(answer.data)).num_rows == 0
    else:
        assert len(answer.text.splitlines()) == (format == "csv")


def test_a_failure_at_the_start_is_an_error_and_no_file(
    client: FlaskClient, campaign: ToyCampaign
) -> None:
    def fails() -> Iterator[ToyAnswerRow]:
        raise NotReady("the campaign is being closed", "try again")
        yield

    campaign.answer_rows = fails  # type: ignore[method-assign]
    answer = client.get(URL)
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "not_ready")


def test_an_unknown_format_is_refused_with_the_known_ones(client: FlaskClient) -> None:
    answer = client.get(f"{URL}?format=xlsx")
    assert answer.status_code == 422
    assert "'csv', 'jsonl' or 'parquet'" in answer.json["error"]["message"]
