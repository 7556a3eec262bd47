"""Foreign names and foreign pages."""

import pytest
from flask.testing import FlaskClient

from al_server.security.hosts import host_name, is_allowed_host, is_loopback, is_own_origin
from tests.api.conftest import MakeApp
from tests.security.conftest import TOKEN

API = "/api/v1/campaigns"
LABELS = {"labels": [{"sample_id": "a", "label": "pear"}]}


@pytest.fixture
def client(make_app: MakeApp) -> FlaskClient:
    return make_app(allowed_hosts=("labels.example.org", "Dev.example:8443")).test_client()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "::1", "[::1]"])
def test_names_of_this_machine_are_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "localhost.evil.example", "", "1"])
def test_other_names_are_not_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("localhost:9090", "localhost"),
        ("LocalHost", "localhost"),
        ("localhost.", "localhost"),
        ("[::1]:80", "::1"),
        ("a@localhost", None),
        ("localhost:80:90", None),
        ("localhost:x", None),
        ("localhost/evil", None),
        ("localhost?", None),
        ("local\thost", None),
        ("[::1", None),
        ("", None),
        (":80", None),
    ],
)
def test_a_host_header_is_read_strictly(host: str, name: str | None) -> None:
    assert host_name(host) == name


@pytest.mark.parametrize(
    "host",
    ["localhost:9090", "127.0.0.1", "[::1]:9090", "LABELS.example.org", "dev.example:8443"],
)
def test_known_names_are_answered_to(client: FlaskClient, host: str) -> None:
    assert client.get(API, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "10.0.0.1",
        "dev.example",
        "a b",
    ],
)
@pytest.mark.parametrize("path", [API, "/healthz", "/", "/static/favicon.svg"])
def test_foreign_names_are_not_answered_to(client: FlaskClient, host: str, path: str) -> None:
    refused = client.get(path, headers={"Host": host})
    assert refused.status_code == 403
    assert "allowed_hosts" in refused.json["error"]["remedy"]


def test_beyond_loopback_numeric_addresses_are_answered_to(make_app: MakeApp) -> None:
    client = make_app(host="0.0.0.0", token=TOKEN).test_client()
    for host, status in {"192.0.2.4:9090": 200, "[2001:db8::1]": 200, "evil.example": 403}.items():
        assert client.get("/healthz", headers={"Host": host}).status_code == status


def test_the_bound_name_is_answered_to() -> None:
    assert is_allowed_host("Lab.local:9090", bind_host="lab.local", allowed=())


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "file://localhost"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_pages_of_other_sites_can_do_nothing(client: FlaskClient, headers: dict[str, str]) -> None:
    for method, path in (
        ("POST", f"{API}/fruits/labels"),
        ("DELETE", f"{API}/fruits/labels/a"),
        ("PUT", f"{API}/fruits/predictions"),
        ("GET", f"{API}/fruits/next"),  # it leases a sample
        ("POST", "/sign-in"),
    ):
        refused = client.open(path, method=method, json=LABELS, headers=headers)
        assert (refused.status_code, refused.json["error"]["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://localhost"},
        {"Origin": "https://localhost", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "https://labels.example.org"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_our_own_pages_and_programs_can(client: FlaskClient, headers: dict[str, str]) -> None:
    assert client.post(f"{API}/fruits/labels", json=LABELS, headers=headers).status_code == 200


def test_a_link_on_another_site_may_lead_to_a_page(client: FlaskClient) -> None:
    assert client.get("/", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


def test_the_bearer_token_does_not_make_up_for_a_foreign_page(make_app: MakeApp) -> None:
    client = make_app(token=TOKEN).test_client()
    headers = {"Origin": "http://evil.example", "Authorization": f"Bearer {TOKEN}"}
    assert client.get(API, headers=headers).status_code == 403


def test_an_origin_is_compared_with_its_port() -> None:
    assert is_own_origin("http://localhost:9090", host="localhost:9090", allowed=())
    assert not is_own_origin("http://localhost", host="localhost:9090", allowed=())
    assert is_own_origin("https://a.example:8443", host="127.0.0.1", allowed=("a.example:8443",))
    assert not is_own_origin("https://a.example:9", host="127.0.0.1", allowed=("a.example",))
