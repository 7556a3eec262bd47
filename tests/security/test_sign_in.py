"""The sign-in page."""

import pytest
from flask.testing import FlaskClient

from al_server.security.targets import safe_target
from tests.api.conftest import MakeApp
from tests.security.conftest import TOKEN


@pytest.mark.parametrize("target", ["/", "/new", "/campaigns/a/annotate?x=1&y=//z", "/a%2F%2Fb"])
def test_paths_on_this_server_are_gone_on_to(target: str) -> None:
    assert safe_target(target) == target


@pytest.mark.parametrize(
    "target",
    [
        None,
        "",
        "new",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "\t//evil.example",
        " //evil.example",
        "https://evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "/sign-in?next=/",
        "/sign-out",
    ],
)
def test_no_other_place_is_gone_on_to(guarded: FlaskClient, target: str | None) -> None:
    assert safe_target(target) == "/"
    answer = guarded.post("/sign-in", data={"token": TOKEN, "next": target or ""})
    assert answer.location == "/"


def test_a_wrong_token_gets_the_page_again_with_the_way_on_kept(guarded: FlaskClient) -> None:
    answer = guarded.post("/sign-in", data={"token": "wrong", "next": "/new"})
    assert answer.status_code == 401
    assert 'role="alert"' in answer.text
    assert 'value="/new"' in answer.text
    assert "wrong" not in answer.text
    assert "Set-Cookie" not in answer.headers


def test_what_is_typed_into_the_address_is_shown_as_text(guarded: FlaskClient) -> None:
    page = guarded.get("/sign-in?next=/%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
    assert "<script>alert" not in page.text


def test_a_pasted_token_may_have_blanks_around_it(guarded: FlaskClient) -> None:
    assert guarded.post("/sign-in", data={"token": f" {TOKEN}\n"}).status_code == 303


def test_without_a_token_there_is_nothing_to_sign_in_to(make_app: MakeApp) -> None:
    client = make_app().test_client()
    assert client.get("/sign-in").location == "/"
    assert client.post("/sign-in", data={"token": "any"}).location == "/"
    assert client.post("/sign-out").status_code == 303


def test_signing_out_twice_leads_to_the_page(guarded: FlaskClient) -> None:
    answer = guarded.post("/sign-out", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.location) == (303, "/sign-in")
