"""What comes in is checked, and what is wrong is named."""

from io import BytesIO
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from al_server.campaign.campaign import Campaign
from tests.api.conftest import MakeApp

BASE = "/api/v1/campaigns/fruits"
SPEC = {"name": "new", "classes": ["a"], "source": {"kind": "npz", "path": "x.npz"}}


def error(answer: TestResponse, status: int) -> dict[str, str]:
    """The error of an answer, after checking that it has the shape of all errors."""
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/json"
    assert set(answer.json) == {"error"}
    assert set(answer.json["error"]) == {"code", "message", "remedy"}
    found: dict[str, str] = answer.json["error"]
    assert found["code"] and found["message"] and found["remedy"]
    return found


def post(client: FlaskClient, path: str, body: str | bytes) -> TestResponse:
    return client.post(path, data=body, content_type="application/json")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"budjet": 5}, ["budjet", "did you mean budget?", "lease_s"]),
        ({"budget": "5"}, ["budget: ", "integer", "'5'"]),
        ({"budget": 1.5}, ["budget: ", "integer", "1.5"]),
        ({"budget": True}, ["budget: ", "integer"]),
        ({"name": "../up"}, ["name: ", "'../up'"]),
        ({"name": None}, ["name: "]),
        ({"classes": []}, ["classes: ", "at least 1"]),
        ({"classes": ["a", ""]}, ["classes[1]: "]),
        ({"classes": ["a", " \t"]}, ["classes[1]: Name should have a visible character"]),
        ({"classes": ["a\nb"]}, ["classes[0]: Name should have no control characters", "a\\nb"]),
        ({"source": {"kind": "npz", "path": "x", "lables": True}}, ["source.lables", "labels?"]),
        ({"source": {"kind": "zip", "path": "x"}}, ["source.kind: ", "'images'", "'zip'"]),
        ({"source": {"kind": "npz"}}, ["source.path: is missing"]),
        ({"task": "many", "overlap": 0}, ["task: ", "overlap: "]),
    ],
)
def test_a_wrong_field_is_named(
    client: FlaskClient, changes: dict[str, Any], words: list[str]
) -> None:
    found = error(client.post("/api/v1/campaigns", json={**SPEC, **changes}), 422)
    assert found["code"] == "bad_input"
    for word in words:
        assert word in found["message"]


def test_a_label_that_is_neither_name_nor_list_is_named_once(client: FlaskClient) -> None:
    labels = [{"sample_id": "a", "label": "pear"}, {"sample_id": "a", "label": 5}]
    found = error(client.post(f"{BASE}/labels", json={"labels": labels}), 422)
    assert found["message"].startswith("labels[1].label: ")
    assert found["message"].count("labels[1]") == 1


def test_of_many_wrong_fields_the_first_are_named_and_the_rest_counted(
    client: FlaskClient,
) -> None:
    labels = [{"sample_id": "a"}] * 12
    found = error(client.post(f"{BASE}/labels", json={"labels": labels}), 422)
    assert "labels[4].label: is missing; and 7 more" in found["message"]


@pytest.mark.parametrize("body", ["[1]", '"text"', "null", "5"])
def test_a_body_that_is_no_object_is_refused(client: FlaskClient, body: str) -> None:
    assert "the body" in error(post(client, f"{BASE}/labels", body), 422)["message"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_numbers_that_are_not_finite_are_refused_with_their_place(
    client: FlaskClient, number: str
) -> None:
    body = f'{{"embeddings":\n[[1, {number}]]}}'
    found = error(post(client, f"{BASE}/predict", body), 422)
    assert "line 2" in found["message"]
    assert "finite" in found["remedy"]


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b'{"labels": [', "line 1"),
        (b"{'labels': []}", "line 1"),
        (b"\xff\xfe", "UTF-8"),
        (b"[" * 100_000, "depth"),
        (b'{"labels": [{"sample_id": "\\ud800"}]}', "surrogate"),
    ],
)
def test_what_is_not_json_is_refused_with_its_place(
    client: FlaskClient, body: bytes, word: str
) -> None:
    found = error(post(client, f"{BASE}/labels", body), 400)
    assert found["code"] == "bad_json"
    assert word in found["message"]


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_of_another_type_is_refused(client: FlaskClient, kind: str | None) -> None:
    answer = client.post(f"{BASE}/labels", data=b'{"labels": []}', content_type=kind)
    assert "application/json" in error(answer, 415)["remedy"]


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("n=0", "n: "),
        ("n=1001", "n: "),
        ("n=x", "n: "),
        ("n=1&n=2", "twice"),
        ("annotator=", "annotator: "),
        ("annotator=%20", "annotator: Name should have a visible character"),
        ("annotator=a%0Ab", "annotator: Name should have no control characters"),
        ("anotator=ann", "did you mean annotator?"),
    ],
)
def test_a_wrong_query_parameter_is_named(client: FlaskClient, query: str, word: str) -> None:
    assert word in error(client.get(f"{BASE}/next?{query}"), 422)["message"]


def test_a_query_parameter_that_nobody_reads_is_refused(client: FlaskClient) -> None:
    assert "dry_run" in error(client.get(f"{BASE}?dry_run=1"), 422)["message"]


def test_next_gives_as_many_as_asked_for(client: FlaskClient) -> None:
    assert len(client.get(f"{BASE}/next").json["samples"]) == 1
    assert len(client.get(f"{BASE}/next?n=3&annotator=ann").json["samples"]) == 3


def test_errors_of_the_service_keep_their_status_and_remedy(client: FlaskClient) -> None:
    found = error(client.get("/api/v1/campaigns/nuts"), 404)
    assert found["code"] == "unknown_campaign"
    assert "fruits" in found["remedy"]
    labels = [{"sample_id": "a", "label": "plum"}]
    assert error(client.post(f"{BASE}/labels", json={"labels": labels}), 422)["code"] == (
        "unknown_class"
    )
    taken = {**SPEC, "name": "fruits", "source": {"kind": "images", "path": "."}}
    assert error(client.post("/api/v1/campaigns", json=taken), 409)["code"] == "already_exists"


def test_addresses_and_methods_that_do_not_exist_are_errors_of_the_same_shape(
    client: FlaskClient,
) -> None:
    assert error(client.get("/api/v1/nothing"), 404)["code"] == "not_found"
    wrong = client.patch(BASE)
    assert error(wrong, 405)["code"] == "method_not_allowed"
    assert "GET" in wrong.headers["Allow"]


def test_a_fault_of_the_server_is_an_error_without_its_details(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(self: Campaign) -> None:
        raise RuntimeError("inner detail")

    monkeypatch.setattr(Campaign, "progress", fails)
    answer = client.get(f"{BASE}/progress")
    assert error(answer, 500)["code"] == "internal"
    assert "inner detail" not in answer.text
    assert "inner detail" in caplog.text


def test_a_body_over_the_limit_is_refused(make_app: MakeApp) -> None:
    client = make_app(max_body_bytes=2000).test_client()
    found = error(post(client, f"{BASE}/labels", b" " * 2001), 413)
    assert found["code"] == "too_large"
    assert "2,000" in found["message"]
    assert error(post(client, f"{BASE}/labels", b" " * 2000), 400)


def test_a_body_of_unknown_length_over_the_limit_is_refused(make_app: MakeApp) -> None:
    client = make_app(max_body_bytes=2000).test_client()
    answer = client.post(
        f"{BASE}/labels",
        input_stream=BytesIO(b" " * 5000),
        headers={"Transfer-Encoding": "chunked"},
        content_type="application/json",
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert error(answer, 413)
