from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from tests.api.conftest import SAMPLE_IDS

BASE = "/api/v1/campaigns/fruits"


@pytest.mark.parametrize("sample_id", SAMPLE_IDS)
def test_any_id_written_as_one_segment_reaches_its_sample(
    client: FlaskClient, sample_id: str
) -> None:
    segment = quote(sample_id, safe="")
    shown = client.get(f"{BASE}/samples/{segment}")
    assert shown.status_code == 200, shown.text
    assert shown.json["sample_id"] == sample_id
    text = client.get(f"{BASE}/samples/{segment}/media")
    assert text.data.decode() == f"text of {sample_id}"
    similar = client.get(f"{BASE}/samples/{segment}/similar?k=100").json["samples"]
    assert {one["sample_id"] for one in similar} == set(SAMPLE_IDS) - {sample_id}


@pytest.mark.parametrize("sample_id", SAMPLE_IDS)
def test_an_answer_about_any_id_can_be_taken_back(client: FlaskClient, sample_id: str) -> None:
    labels = [{"sample_id": sample_id, "label": "pear", "annotator": "ann"}]
    assert client.post(f"{BASE}/labels", json={"labels": labels}).json["accepted"] == 1
    undone = client.delete(f"{BASE}/labels/{quote(sample_id, safe='')}?annotator=ann")
    assert (undone.json["sample_id"], undone.json["label"]) == (sample_id, "pear")


@pytest.mark.parametrize("sample_id", ["train/x y/ü%.jpg", "../../etc/passwd", "a//b", "/absolute"])
def test_plain_slashes_are_understood_too(client: FlaskClient, sample_id: str) -> None:
    shown = client.get(f"{BASE}/samples/{quote(sample_id)}")
    assert shown.json["sample_id"] == sample_id


def test_a_plain_slash_before_a_view_is_the_view(client: FlaskClient) -> None:
    assert client.get(f"{BASE}/samples/a/media").data == b"text of a"
    assert client.get(f"{BASE}/samples/a%2fmedia/media").data == b"text of a/media"


def test_ids_survive_a_prefix_that_the_server_is_mounted_under(client: FlaskClient) -> None:
    shown = client.get(
        f"{BASE}/samples/a/media",
        environ_overrides={
            "SCRIPT_NAME": "/under/here",
            "REQUEST_URI": f"/under/here{BASE}/samples/a%2Fmedia",
        },
    )
    assert shown.json["sample_id"] == "a/media"


def test_a_path_that_a_proxy_has_rewritten_is_taken_as_it_came(client: FlaskClient) -> None:
    shown = client.get(
        f"{BASE}/samples/plain", environ_overrides={"REQUEST_URI": "/elsewhere%2F/samples/a"}
    )
    assert shown.json["sample_id"] == "plain"


def test_an_encoded_slash_elsewhere_is_a_slash(client: FlaskClient) -> None:
    assert client.get("/api/v1%2Fcampaigns").status_code == 200
