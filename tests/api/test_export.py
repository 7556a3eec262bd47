"""Labels as files over HTTP."""

import csv
import json
from collections.abc import Iterator
from io import BytesIO, StringIO

import pytest
from flask.testing import FlaskClient
from pyarrow import parquet

from al_server.campaign.campaign import AnswerRow, Campaign
from al_server.errors import StorageFull
from tests.api.conftest import SAMPLE_IDS, MakeCampaign

LABELS = [
    {"sample_id": "a/media", "label": "pear", "annotator": "ann", "lead_time_s": 2.0},
    {"sample_id": "後藤/😀", "label": "apple", "annotator": "=bob"},
    {"sample_id": "a", "label": None, "annotator": "ann"},
]
UNANSWERED = set(SAMPLE_IDS) - {"a/media", "後藤/😀"}


@pytest.fixture
def url(client: FlaskClient, make_campaign: MakeCampaign) -> str:
    """Of a campaign with two answers and a skip."""
    base = f"/api/v1/campaigns/{make_campaign()}"
    assert client.post(f"{base}/labels", json={"labels": LABELS}).status_code == 200
    return f"{base}/export"


def test_labels_come_as_csv_unless_asked_otherwise(client: FlaskClient, url: str) -> None:
    answer = client.get(url)
    assert answer.content_type == "text/csv; charset=utf-8"
    name = url.split("/")[-2]
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}-labels.csv"'
    rows = list(csv.DictReader(StringIO(answer.text)))
    assert [(row["sample_id"], row["label"], row["annotator"]) for row in rows] == [
        ("a/media", "pear", "ann"),
        ("後藤/😀", "apple", "'=bob"),
    ]
    assert [(row["lead_time_s"], row["source"]) for row in rows] == [
        ("2.0", "annotator"),
        ("", "annotator"),
    ]


def test_csv_for_programs_is_untouched(client: FlaskClient, url: str) -> None:
    assert ",=bob," in client.get(f"{url}?spreadsheet_safe=false").text


def test_jsonl_and_parquet_hold_the_same_rows(client: FlaskClient, url: str) -> None:
    jsonl = client.get(f"{url}?format=jsonl&predictions=true&skips=true")
    assert jsonl.content_type == "application/x-ndjson"
    as_parquet = client.get(f"{url}?format=parquet&predictions=true&skips=true")
    assert as_parquet.headers["Content-Disposition"].endswith('-labels.parquet"')
    lines = [json.loads(line) for line in jsonl.text.splitlines()]
    table = parquet.read_table(BytesIO(as_parquet.data)).to_pylist()
    for one in table:
        if one["time"] is not None:
            one["time"] = one["time"].isoformat(timespec="microseconds")[:-6] + "Z"
    assert lines == table
    assert {one["sample_id"] for one in lines} == set(SAMPLE_IDS)


def test_predictions_are_added_for_the_rest_on_request(client: FlaskClient, url: str) -> None:
    lines = client.get(f"{url}?format=jsonl&predictions=true").text.splitlines()
    rows = [json.loads(line) for line in lines]
    predicted = [one for one in rows if one["source"] == "prediction"]
    assert {one["sample_id"] for one in predicted} == UNANSWERED
    for one in predicted:
        assert one["label"] in ("apple", "pear")
        assert 0 < one["probability"] <= 1
        assert one["annotator"] is None
        assert one["time"] is None


def test_skips_are_left_out_unless_asked_for(client: FlaskClient, url: str) -> None:
    rows = [json.loads(one) for one in client.get(f"{url}?format=jsonl&skips=1").text.splitlines()]
    assert [one["label"] for one in rows] == ["pear", "apple", None]


def test_labels_that_came_with_the_samples_are_told_apart(
    client: FlaskClient, make_campaign: MakeCampaign
) -> None:
    name = make_campaign(known=["pear"] * len(SAMPLE_IDS))
    lines = client.get(f"/api/v1/campaigns/{name}/export?format=jsonl").text.splitlines()
    rows = [json.loads(line) for line in lines]
    assert {one["sample_id"] for one in rows} == set(SAMPLE_IDS)
    assert {(one["label"], one["source"]) for one in rows} == {("pear", "known")}


def test_labels_of_multi_label_campaigns_are_lists(
    client: FlaskClient, make_campaign: MakeCampaign
) -> None:
    base = f"/api/v1/campaigns/{make_campaign(task='multi')}"
    labels = [{"sample_id": "a", "label": ["pear", "apple"]}, {"sample_id": "plain", "label": []}]
    client.post(f"{base}/labels", json={"labels": labels})
    table = parquet.read_table(BytesIO(client.get(f"{base}/export?format=parquet").data))
    first, second = table.column("label").to_pylist()
    assert (set(first), second) == ({"apple", "pear"}, [])
    rows = list(csv.DictReader(StringIO(client.get(f"{base}/export").text)))
    assert [set(json.loads(row["label"])) for row in rows] == [{"apple", "pear"}, set()]
    everything = client.get(f"{base}/export?format=jsonl&predictions=1").text.splitlines()
    assert all(isinstance(json.loads(line)["label"], list) for line in everything)


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_a_campaign_without_labels_gives_an_empty_file(
    client: FlaskClient, make_campaign: MakeCampaign, format: str
) -> None:
    answer = client.get(f"/api/v1/campaigns/{make_campaign()}/export?format={format}")
    assert answer.status_code == 200
    if format == "parquet":
        assert parquet.read_table(BytesIO(answer.data)).num_rows == 0
    else:
        assert len(answer.text.splitlines()) == (format == "csv")


def test_a_failure_at_the_start_is_an_error_and_no_file(
    client: FlaskClient, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: Campaign) -> Iterator[AnswerRow]:
        raise StorageFull("the disk is full", "free some space")
        yield

    monkeypatch.setattr(Campaign, "answer_rows", fails)
    answer = client.get(url)
    assert (answer.status_code, answer.json["error"]["code"]) == (507, "storage_full")


def test_an_unknown_format_is_refused_with_the_known_ones(client: FlaskClient, url: str) -> None:
    answer = client.get(f"{url}?format=xlsx")
    assert answer.status_code == 422
    assert "'csv', 'jsonl' or 'parquet'" in answer.json["error"]["message"]
