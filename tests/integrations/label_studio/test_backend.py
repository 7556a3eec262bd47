"""The protocol as Label Studio speaks it: captured requests against our addresses."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from al_server.app import create_app
from al_server.config import Settings
from integrations.label_studio import backend
from integrations.label_studio.hub import Hub
from integrations.label_studio.link import Link
from integrations.label_studio.place import Place
from tests.api.conftest import MakeApp
from tests.integrations.label_studio.conftest import CAPTURES, capture
from tests.integrations.label_studio.small_label_studio import SmallLabelStudio
from tests.security.conftest import TOKEN

CALLS = [
    ("GET", "/health"),
    ("GET", "/"),
    ("GET", "/versions"),
    ("POST", "/setup"),
    ("POST", "/predict"),
    ("POST", "/webhook"),
]
WEBHOOKS = sorted(file.stem for file in CAPTURES.glob("webhook_*.json"))


def of(app: Flask) -> Hub:
    hub = app.extensions["al_server.integrations"][0]._hub
    assert isinstance(hub, Hub)
    return hub


@pytest.fixture
def app(make_app: MakeApp, link: Link) -> Iterator[Flask]:
    """A server that asks for a token, with the link of a project whose secret is `s`."""
    app = make_app(token=TOKEN)
    of(app)._places[link.record.campaign] = Place(link.record, "connected", link)
    yield app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def call(
    client: FlaskClient, method: str, path: str, who: tuple[str, str] | None, body: Any = None
) -> Any:
    json_body = {"json": body if body is not None else {}} if method == "POST" else {}
    return client.open(f"/label-studio{path}", method=method, auth=who, **json_body)


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_only_the_project_with_its_secret_is_answered(
    client: FlaskClient, link: Link, method: str, path: str
) -> None:
    name = link.record.campaign
    for who in (None, (name, "wrong"), ("nobody", "s"), ("", ""), (name, "")):
        answer = call(client, method, path, who)
        assert answer.status_code == 401, who
        assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert call(client, method, path, (name, "s")).status_code == 200


def test_the_secret_of_a_project_opens_nothing_else(client: FlaskClient, link: Link) -> None:
    who = (link.record.campaign, "s")
    for path in ("/api/v1/campaigns", "/api/v1/integrations/label-studio/connections"):
        assert client.get(path, auth=who).status_code == 401


def test_a_foreign_host_name_is_refused_here_too(client: FlaskClient, link: Link) -> None:
    answer = client.get(
        "/label-studio/health", auth=(link.record.campaign, "s"), headers={"Host": "evil.org"}
    )
    assert answer.status_code == 403


def test_health_setup_and_versions_answer_as_documented(client: FlaskClient, link: Link) -> None:
    who = (link.record.campaign, "s")
    assert call(client, "GET", "/health", who).json["status"] == "UP"
    setup = call(client, "POST", "/setup", who, capture("setup_request"))
    assert setup.json == {"model_version": link.live_version()}
    assert call(client, "GET", "/versions", who).json == {
        "versions": ["al-queue", link.live_version()]
    }


def test_the_creators_token_in_a_setup_is_in_no_log(
    client: FlaskClient, link: Link, caplog: pytest.LogCaptureFixture
) -> None:
    body = {**capture("setup_request"), "access_token": "very-secret-token"}
    call(client, "POST", "/setup", (link.record.campaign, "s"), body)
    assert "very-secret-token" not in caplog.text


@pytest.mark.parametrize(
    "name",
    ["predict_request_single", "predict_request_batch30", "predict_request_interactive_context"],
)
def test_captured_predicts_get_one_result_a_task(
    client: FlaskClient, link: Link, name: str
) -> None:
    body = capture(name)
    answer = call(client, "POST", "/predict", (link.record.campaign, "s"), body)
    assert len(answer.json["results"]) == len(body["tasks"])
    for one in answer.json["results"]:
        assert 0 <= one["score"] <= 1
        assert isinstance(one["result"], list)


@pytest.mark.parametrize("name", WEBHOOKS)
def test_every_captured_webhook_is_taken_without_a_word(
    client: FlaskClient, link: Link, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = call(client, "POST", "/webhook", (link.record.campaign, "s"), capture(name))
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})
    assert link.n_events == 1
    assert not [one for one in caplog.records if one.exc_info]


def test_a_captured_annotation_of_our_task_becomes_a_label(client: FlaskClient, link: Link) -> None:
    # task 101 of the capture is a task of ours
    call(
        client,
        "POST",
        "/webhook",
        (link.record.campaign, "s"),
        capture("webhook_ANNOTATION_CREATED"),
    )
    sample = link.campaign.sample("101")
    assert (sample.label, sample.answers[0].annotator) == ("cat", "ls:1")
    assert sample.answers[0].lead_time_s == 1.5


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"action": 7}', b'{"action": "ANNOTATION_CREATED"}', b'{"tasks": 5}'],
)
@pytest.mark.parametrize("path", ["/webhook", "/predict", "/setup"])
def test_nonsense_from_a_known_project_never_fails(
    client: FlaskClient, link: Link, path: str, body: bytes
) -> None:
    answer = client.post(
        f"/label-studio{path}",
        data=body,
        content_type="application/json",
        auth=(link.record.campaign, "s"),
    )
    assert answer.status_code == 200


def test_while_the_campaign_is_not_open_answers_are_empty_but_right(app: Flask, link: Link) -> None:
    of(app)._places[link.record.campaign].link = None
    client, who = app.test_client(), (link.record.campaign, "s")
    body = capture("predict_request_batch30")
    results = call(client, "POST", "/predict", who, body).json["results"]
    assert [one["result"] for one in results] == [[] for _ in body["tasks"]]
    assert call(client, "POST", "/setup", who).json == {"model_version": "al-queue"}
    assert call(client, "POST", "/webhook", who, {"action": "X"}).status_code == 200


def test_each_project_reaches_its_own_campaign_at_one_address(
    app: Flask, link: Link, theirs: SmallLabelStudio
) -> None:
    other = link.record.model_copy(update={"campaign": "other", "secret": "o"})
    of(app)._places["other"] = Place(other, "connected", None)
    client = app.test_client()
    body = capture("webhook_ANNOTATION_CREATED")
    call(client, "POST", "/webhook", ("other", "o"), body)
    assert link.n_events == 0
    assert call(client, "GET", "/health", ("other", "s")).status_code == 401


def test_making_an_app_starts_nothing(registry: Any, tmp_path: Any) -> None:
    import threading

    before = threading.active_count()
    create_app(Settings(data=tmp_path), registry)
    assert threading.active_count() == before
    assert backend.PREFIX == "/label-studio"


def test_status_never_tells_the_secrets(app: Flask, link: Link) -> None:
    client = app.test_client()
    shown = client.get(
        "/api/v1/integrations/label-studio/connections",
        headers={"Authorization": f"Bearer {TOKEN}"},
    )
    (one,) = shown.json["connections"]
    assert one["queue"]["target"] == 7
    assert set(json.dumps(one).split('"')) & {"token", "secret", "t", "s"} == set()
    assert "secret='s'" not in repr(link.record)
