"""Who is let in."""

import logging
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from al_server.errors import BadInput
from al_server.security.access import Access
from al_server.security.throttle import Throttle
from tests.api.conftest import MakeApp
from tests.security.conftest import TOKEN, SignIn

API = "/api/v1/campaigns"
LABELS = {"labels": [{"sample_id": "a", "label": "pear"}]}
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_on_loopback_without_a_token_everyone_is_in(make_app: MakeApp) -> None:
    client = make_app().test_client()
    assert client.get(API).status_code == 200
    assert client.post(f"{API}/fruits/labels", json=LABELS).status_code == 200
    assert "Set-Cookie" not in client.get("/", headers=BROWSER).headers


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "labels.example.org"])
def test_beyond_loopback_there_is_no_server_without_a_token(make_app: MakeApp, host: str) -> None:
    with pytest.raises(BadInput) as refused:
        make_app(host=host)
    assert "AL_TOKEN" in refused.value.remedy
    client = make_app(host=host, token=TOKEN).test_client()
    assert client.get(API).status_code == 401
    assert client.get(API, headers=bearer(TOKEN)).status_code == 200


@pytest.mark.parametrize("path", [API, "/metrics", "/openapi.json", "/api/v1/wrong", "/wrong"])
def test_without_the_token_nothing_is_told(guarded: FlaskClient, path: str) -> None:
    answer = guarded.get(path)
    assert answer.status_code == 401
    assert answer.json["error"]["code"] == "not_signed_in"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_probes_need_no_token(guarded: FlaskClient) -> None:
    assert guarded.get("/healthz").json == {"status": "ok"}
    assert guarded.get("/readyz").json == {"ready": True}


def test_the_bearer_token_opens_everything_and_needs_no_csrf(guarded: FlaskClient) -> None:
    assert guarded.get(API, headers=bearer(TOKEN)).status_code == 200
    recorded = guarded.post(f"{API}/fruits/labels", json=LABELS, headers=bearer(TOKEN))
    assert recorded.json["accepted"] == 1
    assert "Set-Cookie" not in recorded.headers


@pytest.mark.parametrize(
    "header",
    ["Bearer wrong", "Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer ü"],
)
def test_anything_but_the_token_is_refused(guarded: FlaskClient, header: str) -> None:
    assert guarded.get(API, headers={"Authorization": header}).status_code == 401


def test_a_token_may_hold_any_characters(make_app: MakeApp) -> None:
    client = make_app(token="pass wörd=/+").test_client()
    assert client.post("/sign-in", data={"token": "pass wörd=/+"}).status_code == 303


def test_a_wrong_bearer_token_is_not_made_good_by_a_cookie(
    guarded: FlaskClient, sign_in: SignIn
) -> None:
    sign_in(guarded)
    assert guarded.get(API, headers=bearer("old")).status_code == 401


def test_a_person_is_led_to_the_sign_in_page_and_back(guarded: FlaskClient) -> None:
    led = guarded.get("/campaigns/fruits/annotate?x=1", headers=BROWSER)
    assert led.status_code == 303
    assert led.location == "/sign-in?next=/campaigns/fruits/annotate?x%3D1"
    page = guarded.get(led.location, headers=BROWSER)
    assert page.status_code == 200
    assert 'value="/campaigns/fruits/annotate?x=1"' in page.text
    assert guarded.get("/", headers=BROWSER).location == "/sign-in?next=/"


def test_who_follows_a_link_from_another_site_is_asked_again_by_a_page_of_ours(
    guarded: FlaskClient, sign_in: SignIn
) -> None:
    # a browser keeps a strict cookie back on the way from there, and sends it from here
    from_there = {**BROWSER, "Sec-Fetch-Site": "cross-site"}
    page = guarded.get('/new?x="<', headers=from_there)
    assert page.status_code == 200
    assert 'content="0;url=/new?x=&#34;&lt;"' in page.text
    assert guarded.get("/new", headers={**BROWSER, "Sec-Fetch-Site": "same-origin"}).location
    path = {"PATH_INFO": "//evil.example/"}
    elsewhere = guarded.get("/", headers=from_there, environ_overrides=path)
    assert 'content="0;url=/evil.example/"' in elsewhere.text  # a path on this server
    sign_in(guarded)
    assert "<form" in guarded.get("/new", headers=from_there).text


def test_the_api_never_answers_with_a_page(guarded: FlaskClient) -> None:
    assert guarded.get(API, headers=BROWSER).status_code == 401


def test_the_files_of_the_pages_are_open_so_that_the_sign_in_page_has_its_look(
    guarded: FlaskClient,
) -> None:
    assert guarded.get("/static/favicon.svg").status_code == 200


def test_after_signing_in_the_cookie_opens_pages_and_api(
    guarded: FlaskClient, sign_in: SignIn
) -> None:
    sign_in(guarded)
    assert guarded.get("/", headers=BROWSER).status_code == 200
    assert guarded.get(API).status_code == 200
    assert guarded.get("/sign-in?next=/new").location == "/new"


def test_the_cookie_is_kept_from_scripts_and_other_sites(guarded: FlaskClient) -> None:
    cookie = guarded.post("/sign-in", data={"token": TOKEN}).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Path=/" in cookie


def test_unsafe_requests_by_cookie_need_the_csrf_token(
    guarded: FlaskClient, sign_in: SignIn
) -> None:
    csrf = sign_in(guarded)
    path = f"{API}/fruits/labels"
    for headers in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": csrf[:-1]}, {"X-CSRF-Token": "ü"}):
        refused = guarded.post(path, json=LABELS, headers=headers)
        assert (refused.status_code, refused.json["error"]["code"]) == (403, "forbidden")
    refused = guarded.delete(f"{path}/a")
    assert refused.status_code == 403
    accepted = guarded.post(path, json=LABELS, headers={"X-CSRF-Token": csrf})
    assert accepted.json["accepted"] == 1


def test_the_csrf_token_of_another_session_does_not_fit(make_app: MakeApp, sign_in: SignIn) -> None:
    app = make_app(token=TOKEN)
    mine, other = app.test_client(), app.test_client()
    sign_in(mine)
    of_other = sign_in(other)
    refused = mine.post(f"{API}/fruits/labels", json=LABELS, headers={"X-CSRF-Token": of_other})
    assert refused.status_code == 403


def test_a_form_may_carry_the_csrf_token_as_a_field(guarded: FlaskClient, sign_in: SignIn) -> None:
    csrf = sign_in(guarded)
    assert guarded.post("/sign-out", data={"csrf_token": "wrong"}).status_code == 403
    assert guarded.get(API).status_code == 200
    assert guarded.post("/sign-out", data={"csrf_token": csrf}).location == "/sign-in"
    assert guarded.get(API).status_code == 401


def test_a_forged_cookie_is_refused(guarded: FlaskClient, sign_in: SignIn) -> None:
    sign_in(guarded)
    cookie = guarded.get_cookie("al_server_9090")
    assert cookie is not None
    payload, _, signature = cookie.value.partition(".")
    guarded.set_cookie("al_server_9090", f"{payload[:-1]}A.{signature}")
    assert guarded.get(API).status_code == 401


def test_the_cookie_outlives_a_restart_but_not_a_change_of_the_token(
    make_app: MakeApp, sign_in: SignIn
) -> None:
    before = make_app(token=TOKEN).test_client()
    sign_in(before)
    cookie = before.get_cookie("al_server_9090")
    assert cookie is not None
    restarted = make_app(token=TOKEN).test_client()
    restarted.set_cookie("al_server_9090", cookie.value)
    assert restarted.get(API).status_code == 200
    changed = make_app(token="another").test_client()
    changed.set_cookie("al_server_9090", cookie.value)
    assert changed.get(API).status_code == 401


def test_the_cookie_does_not_tell_the_token(guarded: FlaskClient, sign_in: SignIn) -> None:
    sign_in(guarded)
    cookie = guarded.get_cookie("al_server_9090")
    assert cookie is not None
    assert TOKEN not in cookie.decoded_value


def test_two_servers_on_one_machine_have_cookies_of_their_own(make_app: MakeApp) -> None:
    names = {make_app(port=port).config["SESSION_COOKIE_NAME"] for port in (9090, 9091)}
    assert len(names) == 2


def test_who_guesses_too_often_has_to_wait_even_with_the_right_token(
    guarded: FlaskClient,
) -> None:
    for guess in range(10):
        assert guarded.get(API, headers=bearer(f"guess {guess}")).status_code == 401
    slowed = guarded.get(API, headers=bearer(TOKEN))
    assert slowed.status_code == 429
    assert slowed.json["error"]["code"] == "too_many_tries"
    assert int(slowed.headers["Retry-After"]) >= 1
    assert guarded.post("/sign-in", data={"token": TOKEN}).status_code == 429
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    answer = guarded.get(API, headers=bearer(TOKEN), environ_overrides=elsewhere)
    assert answer.status_code == 200


@pytest.mark.parametrize("token", ["", " \n"])
def test_an_empty_token_guards_nothing_and_is_refused(token: str) -> None:
    with pytest.raises(BadInput, match="token is empty"):
        Access(token, secret_key=b"key", throttle=Throttle())


def test_guessing_does_not_shut_out_who_is_signed_in(guarded: FlaskClient, sign_in: SignIn) -> None:
    sign_in(guarded)
    for guess in range(11):
        guarded.get(API, headers=bearer(f"guess {guess}"))
    assert guarded.get(API).status_code == 200


def test_neither_token_nor_cookie_is_logged(
    guarded: FlaskClient, sign_in: SignIn, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    sign_in(guarded)
    guarded.get(API, headers=bearer(TOKEN))
    guarded.get(API, headers=bearer("nearly-" + TOKEN))
    guarded.post("/sign-in", data={"token": "nearly-" + TOKEN})
    guarded.get("/api/v1/campaigns/none", headers=bearer(TOKEN))
    cookie = guarded.get_cookie("al_server_9090")
    assert cookie is not None
    assert TOKEN not in caplog.text
    assert cookie.value not in caplog.text
    assert TOKEN.encode() not in b"".join(f.read_bytes() for f in tmp_path.iterdir())
