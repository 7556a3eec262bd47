"""The token goes to the connected host and nowhere else."""

import base64
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from integrations.label_studio import media, samples
from integrations.label_studio.client import Client
from integrations.label_studio.config_parser import parse_config
from integrations.label_studio.media import MediaFetcher
from integrations.label_studio.samples import plain_text, write_samples
from tests.integrations.label_studio.answering import Answer, Asked, answering

TOKEN = "0123456789abcdef0123456789abcdef01234567"
PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 20
AS_PNG = (("Content-Type", "image/png"),)
Fetch = Callable[..., list[tuple[bytes | None, str]]]


@pytest.fixture
def other() -> Iterator[tuple[str, list[Asked]]]:
    """Another host on this machine, as private as can be."""
    with answering(lambda _path: Answer(200, PNG, AS_PNG)) as served:
        yield served


@pytest.fixture
def host(other: tuple[str, list[Asked]]) -> Iterator[tuple[str, list[Asked]]]:
    def answer(path: str) -> Answer:
        if path.startswith("/tasks/1/"):
            return Answer(302, b"", (("Location", f"{other[0]}/presigned.png?sig=1"),))
        if path.startswith("/loop"):
            return Answer(302, b"", (("Location", "/loop"),))
        if path.startswith("/data/gone"):
            return Answer(404)
        if path.startswith("/data/large"):
            return Answer(200, b"x" * 2000, AS_PNG)
        return Answer(200, PNG, AS_PNG)

    with answering(answer) as served:
        yield served


@pytest.fixture
def fetch(tmp_path: Path, host: tuple[str, list[Asked]]) -> Fetch:
    def fetch(*addresses: str, fetch_hosts: Sequence[str] = ()) -> list[tuple[bytes | None, str]]:
        fetcher = MediaFetcher(tmp_path, Client(host[0], TOKEN), fetch_hosts=fetch_hosts)
        found = fetcher.fetch_all(addresses, progress=lambda _done, _all: None)
        return [(one.path.read_bytes() if one.path else None, one.reason) for one in found]

    return fetch


@pytest.mark.parametrize(
    "address",
    ["/data/upload/1/a.png", "/data/local-files/?d=x/a.png", "{host}/data/upload/1/a.png"],
)
def test_the_host_is_asked_with_the_token(
    fetch: Fetch, host: tuple[str, list[Asked]], address: str
) -> None:
    assert fetch(address.format(host=host[0])) == [(PNG, "")]
    assert host[1][0].authorization == f"Token {TOKEN}"


@pytest.mark.parametrize(
    "address",
    [
        "/api/current-user/token",
        "{host}/api/current-user/token",
        "{host}/data/upload/../../api/current-user/token",
        "{host}/data/upload/%2e%2e/%2e%2e/api/current-user/token",
        "{host}/tasks/1/other/?next=/data/upload/",
        "/static/a.png",
    ],
)
def test_the_token_is_shown_for_media_only(
    fetch: Fetch, host: tuple[str, list[Asked]], address: str
) -> None:
    fetch(address.format(host=host[0]))
    assert [one.authorization for one in host[1]] == [None]


def test_a_label_studio_below_a_path_is_shown_the_token_too(
    tmp_path: Path, host: tuple[str, list[Asked]]
) -> None:
    fetcher = MediaFetcher(tmp_path, Client(f"{host[0]}/studio", TOKEN))
    fetcher.fetch_all([f"{host[0]}/studio/data/upload/a.png"], progress=lambda _done, _all: None)
    assert host[1][0].authorization == f"Token {TOKEN}"


def test_however_many_addresses_elsewhere_two_clients_fetch_them(
    fetch: Fetch, other: tuple[str, list[Asked]], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, make = [], httpx.Client

    def count(**settings: Any) -> httpx.Client:
        made.append(settings)
        return make(**settings)

    monkeypatch.setattr(httpx, "Client", count)
    addresses = [f"{other[0]}/{number}.png" for number in range(5)]
    assert fetch(*addresses, fetch_hosts=["127.0.0.1"]) == [(PNG, "")] * 5
    assert len(made) == 2


def test_what_label_studio_calls_by_another_name_of_this_machine_is_asked_from_it(
    fetch: Fetch, host: tuple[str, list[Asked]]
) -> None:
    assert fetch("http://localhost:1/data/local-files/?d=x/a.png") == [(PNG, "")]
    assert host[1][0].path == "/data/local-files/?d=x/a.png"


def test_elsewhere_private_addresses_are_refused_and_the_token_is_never_sent(
    fetch: Fetch, other: tuple[str, list[Asked]]
) -> None:
    ((content, reason),) = fetch(f"{other[0]}/a.png")
    assert content is None
    assert "private address" in reason
    assert other[1] == []
    assert fetch(f"{other[0]}/a.png", fetch_hosts=["127.0.0.1"]) == [(PNG, "")]
    assert [one.authorization for one in other[1]] == [None]


def test_a_presigned_address_is_followed_without_the_token(
    fetch: Fetch, other: tuple[str, list[Asked]]
) -> None:
    assert fetch("/tasks/1/resolve/?fileuri=czM6", fetch_hosts=["127.0.0.1"]) == [(PNG, "")]
    (asked,) = other[1]
    assert (asked.path, asked.authorization) == ("/presigned.png?sig=1", None)


def test_cloud_addresses_that_label_studio_does_not_resolve_say_what_is_missing(
    fetch: Fetch,
) -> None:
    ((content, reason),) = fetch("s3://bucket/a.png")
    assert content is None
    assert "add its storage" in reason


def test_what_cannot_be_had_has_a_reason_and_the_rest_goes_on(
    fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "MAX_BYTES", 1000)
    found = fetch("/data/gone.png", "/data/large.png", "/loop", "/data/upload/a.png")
    assert [content for content, _ in found] == [None, None, None, PNG]
    assert ["404" in found[0][1], "longer" in found[1][1], "redirects" in found[2][1]] == [True] * 3


def test_what_was_fetched_is_not_asked_for_again(
    fetch: Fetch, host: tuple[str, list[Asked]]
) -> None:
    fetch("/data/upload/a.png")
    fetch("/data/upload/a.png")
    assert len(host[1]) == 1


def test_inline_pictures_need_no_host(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    inline = "data:image/png;base64," + base64.b64encode(PNG).decode()
    assert fetch(inline) == [(PNG, "")]
    with monkeypatch.context() as small:
        small.setattr(media, "MAX_BYTES", len(PNG) - 1)
        assert "longer than" in fetch(inline)[0][1]
    assert fetch("data:image/png,abc")[0][0] is None


def test_a_page_is_read_as_its_reader_sees_it() -> None:
    page = "<style>p {}</style><p>Good &amp; <b>cheap</b></p><script>x()</script>"
    assert plain_text(page) == "Good & cheap"
    assert plain_text("<img src=x>") == "<img src=x>"


def test_tasks_without_the_key_are_listed_and_the_rest_written(tmp_path: Path) -> None:
    config = '<View><HyperText name="h" value="$html"/><Rating name="r" toName="h"/></View>'
    tasks = [{"id": 1, "data": {"html": "<b>one</b>\u2028two"}}, {"id": 2, "data": {}}, {"id": 3}]
    fetcher = MediaFetcher(tmp_path, Client("http://ls", TOKEN))
    written = write_samples(
        tasks, parse_config(config), tmp_path, fetcher, progress=lambda _done, _all: None
    )
    assert written.sample_ids == {"1"}
    assert [one.sample for one in written.failures] == ["2", "3"]
    again = write_samples(
        tasks, parse_config(config), tmp_path, fetcher, progress=lambda _done, _all: None
    )
    assert written.source is not None
    assert again.source is not None
    assert written.source.path != again.source.path


def test_what_is_too_long_for_a_text_is_listed_wherever_it_comes_from(
    tmp_path: Path, fetch: Fetch, host: tuple[str, list[Asked]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "MAX_CHARACTERS", 10)
    inline = '<View><Text name="t" value="$text"/><Rating name="r" toName="t"/></View>'
    by_url = inline.replace("/><Rating", ' valueType="url"/><Rating')
    long = [{"id": 1, "data": {"text": "x" * 11}}, {"id": 2, "data": {"text": "x" * 10}}]
    behind = [{"id": 1, "data": {"text": "/a.txt"}}]  # as long as a picture
    fetcher = MediaFetcher(tmp_path, Client(host[0], TOKEN))
    for config, tasks, taken in ((inline, long, {"2"}), (by_url, behind, set[str]())):
        written = write_samples(
            tasks, parse_config(config), tmp_path, fetcher, progress=lambda _done, _all: None
        )
        assert written.sample_ids == taken
        (failure,) = written.failures
        assert (failure.sample, failure.reason) == ("1", "its text is longer than 10 characters")


def test_the_table_of_tasks_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    config = '<View><Text name="t" value="$text"/><Rating name="r" toName="t"/></View>'
    write_samples(
        [{"id": 1, "data": {"text": "secret"}}],
        parse_config(config),
        tmp_path,
        MediaFetcher(tmp_path, Client("http://ls", TOKEN)),
        progress=lambda _done, _all: None,
    )
    assert stat.S_IMODE((tmp_path / "tasks-1.jsonl").stat().st_mode) == 0o600
