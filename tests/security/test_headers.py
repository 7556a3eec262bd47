import pytest
from flask.testing import FlaskClient

from tests.api.conftest import MakeApp


@pytest.fixture
def client(make_app: MakeApp) -> FlaskClient:
    return make_app().test_client()


@pytest.mark.parametrize(
    "path",
    ["/", "/healthz", "/api/v1/campaigns", "/api/v1/wrong", "/static/favicon.svg", "/sign-in"],
)
def test_every_answer_carries_the_security_headers(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers
    policy = dict(
        part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'self'"
    assert policy["script-src"] == "'self'"
    assert policy["img-src"] == "'self' data: blob:"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe-inline" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in headers


def test_refused_requests_carry_them_too(client: FlaskClient) -> None:
    refused = client.get("/", headers={"Host": "evil.example"})
    assert refused.status_code == 403
    assert "Content-Security-Policy" in refused.headers


def test_answers_about_labels_are_not_kept_by_caches(client: FlaskClient) -> None:
    assert client.get("/api/v1/campaigns").headers["Cache-Control"] == "no-store"
    assert client.get("/").headers["Cache-Control"] == "no-store"


def test_errors_of_pages_are_pages(client: FlaskClient) -> None:
    page = client.get("/wrong", headers={"Accept": "text/html"})
    assert (page.status_code, page.mimetype) == (404, "text/html")
    assert "there is nothing at this address" in page.text
    program = client.get("/wrong", headers={"Accept": "*/*"})
    assert program.json["error"]["code"] == "not_found"
