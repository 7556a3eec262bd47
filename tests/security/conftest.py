"""The same apps as for the API, as a person without and with the token meets them."""

import re
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from tests.api.conftest import MakeApp, make_app, registry

__all__ = ["make_app", "registry"]

TOKEN = "correct-horse-battery"
SignIn = Callable[[FlaskClient], str]


@pytest.fixture
def guarded(make_app: MakeApp) -> FlaskClient:
    """Of a server that asks for a token."""
    return make_app(token=TOKEN).test_client()


@pytest.fixture
def sign_in() -> SignIn:
    """Sign in through the page; gives the CSRF token that the pages then carry."""

    def enter(client: FlaskClient) -> str:
        answer = client.post("/sign-in", data={"token": TOKEN, "next": "/"})
        assert (answer.status_code, answer.location) == (303, "/")
        found = re.search(r'<meta name="csrf-token" content="([^"]+)">', client.get("/").text)
        assert found is not None
        return found[1]

    return enter
