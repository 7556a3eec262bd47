"""Each way in which Label Studio can fail becomes one clear line."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from al_server.errors import ALError, BadInput
from integrations.label_studio.client import Client
from integrations.label_studio.errors import LabelStudioDown, LabelStudioRefused
from integrations.label_studio.wire import Wire
from tests.integrations.label_studio.answering import Answer, Asked, answering

TOKEN = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def asking(*answers: Answer) -> Iterator[tuple[Client, list[Asked]]]:
    left = list(answers)
    with answering(lambda _path: left.pop(0) if len(left) > 1 else left[0]) as (url, asked):
        client = Client(url, TOKEN)
        try:
            yield client, asked
        finally:
            client.close()


def body(content: Any) -> bytes:
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (Answer(401, body({"detail": "Invalid token."})), LabelStudioRefused, "not accept the tok"),
        (Answer(404, body({"detail": "No Project"})), LabelStudioRefused, "has nothing at /api/pr"),
        (Answer(500, b"<html>oops</html>"), LabelStudioDown, "answers 500"),
        (Answer(403, body({"detail": "reserved network address"})), LabelStudioRefused, "refuses"),
        (
            Answer(400, body({"detail": "Can't connect to ML backend http://al, why: <a href>"})),
            LabelStudioRefused,
            "Label Studio cannot reach this server under the address it was given",
        ),
        (
            Answer(400, body({"validation_errors": {"score": ["too high"]}})),
            LabelStudioRefused,
            "score: too high",
        ),
        (Answer(200, b"<html>hello</html>"), ALError, "is no Label Studio"),
        (Answer(200, b"[1]"), ALError, "is no Label Studio"),
    ],
)
def test_every_error_is_one_line_with_its_cause(
    answer: Answer, error: type[ALError], said: str
) -> None:
    with asking(answer) as (client, asked), pytest.raises(error, match=said) as raised:
        client.project(7)
    assert "\n" not in raised.value.message
    assert TOKEN not in raised.value.message + raised.value.remedy
    assert len(asked) == 1  # nothing is tried again behind our back


def test_the_remedy_of_a_private_address_names_label_studios_switches() -> None:
    answer = Answer(403, body({"detail": "reserved network address"}))
    with asking(answer) as (client, _), pytest.raises(LabelStudioRefused) as raised:
        client.add_backend({})
    assert "SSRF_PROTECTION_ENABLED=false" in raised.value.remedy


@pytest.mark.parametrize(
    ("answer", "remedy"),
    [
        (Answer(301, b"", (("Location", "https://ls.example.org/"),)), "https://ls.example.org/"),
        (Answer(403, body({"detail": "no permission"})), "who may change the project"),
        (Answer(400, body({"detail": "the locale is not known"})), "its own log says why"),
    ],
)
def test_every_refusal_has_a_remedy_of_its_own(answer: Answer, remedy: str) -> None:
    with asking(answer) as (client, _), pytest.raises(LabelStudioRefused) as refused:
        client.project(7)
    assert remedy in refused.value.remedy
    assert "SSRF" not in refused.value.remedy


def test_nobody_there_and_nobody_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client("http://127.0.0.1:1", TOKEN)
    with pytest.raises(LabelStudioDown, match="no Label Studio answers at"):
        client.whoami()
    client.close()
    release = threading.Event()

    def slow(_path: str) -> Answer:
        release.wait(10)
        return Answer()

    monkeypatch.setattr(
        Wire.ask, "__kwdefaults__", {"params": None, "body": None, "timeout_s": 0.1}
    )
    with answering(slow) as (url, _):
        client = Client(url, TOKEN)
        with pytest.raises(LabelStudioDown, match="does not answer in time"):
            client.whoami()
        release.set()
        client.close()


@pytest.mark.parametrize("url", ["", "localhost:8080", "ftp://x", "http://me:pw@x", "http://"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(BadInput, match="is no address"):
        Client(url, TOKEN)


def test_a_legacy_token_is_shown_as_it_is() -> None:
    with asking(Answer()) as (client, asked):
        client.whoami()
    assert asked[0].authorization == f"Token {TOKEN}"


@pytest.mark.filterwarnings("ignore:The `parse_obj` method")  # of the SDK
def test_a_personal_token_is_traded_for_a_fresh_one_and_never_sent_itself() -> None:
    import time

    import jwt

    key = "k" * 32
    personal = jwt.encode({"exp": time.time() + 1000, "token_type": "refresh"}, key)
    access = jwt.encode({"exp": time.time() + 300, "token_type": "access"}, key)
    with answering(lambda _path: Answer(200, body({"access": access}))) as (url, asked):
        client = Client(url, personal)
        client.whoami()
        client.close()
    assert asked[0].path == "/api/token/refresh/"
    assert asked[1].authorization == f"Bearer {access}"


def test_an_expired_personal_token_is_a_wrong_token() -> None:
    import jwt

    client = Client("http://127.0.0.1:1", jwt.encode({"exp": 1}, "k" * 32))
    with pytest.raises(LabelStudioRefused, match="does not accept the token"):
        client.whoami()


def test_listings_go_on_by_id_until_a_page_is_empty_however_small_the_pages_are() -> None:
    pages: list[list[dict[str, int]]] = [[{"id": 1}, {"id": 2}], [{"id": 5}], []]
    answers = [Answer(200, body({"tasks": page})) for page in pages]
    with asking(*answers) as (client, asked):
        assert list(client.task_ids(7)) == [1, 2, 5]
    assert len(asked) == 3
    assert "%22value%22%3A+2" in asked[1].path or "%22value%22%3A%202" in asked[1].path


def test_what_is_gone_already_is_as_good_as_deleted() -> None:
    with asking(Answer(404)) as (client, _):
        client.drop_prediction(3)
    with asking(Answer(500)) as (client, _), pytest.raises(LabelStudioDown):
        client.drop_prediction(3)


def test_a_task_that_is_gone_has_no_predictions() -> None:
    gone = body({"validation_errors": {"task": ["Select a valid choice."]}})
    with asking(Answer(400, gone)) as (client, _):
        assert client.predictions_of(3) == []
    with asking(Answer(500)) as (client, _), pytest.raises(LabelStudioDown):
        client.predictions_of(3)
