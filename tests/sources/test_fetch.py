from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from al_server.sources.fetch import Fetcher
from al_server.sources.read import read_source
from tests.sources.descriptions import source

PICTURE = b"\x89PNG not a whole one"


class _Host(BaseHTTPRequestHandler):
    """A small picture host."""

    asked: list[str]

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        if self.path == "/here.png":
            self._answer(302, b"", Location="/a.png")
        elif self.path == "/round":
            self._answer(302, b"", Location="/round")
        elif self.path == "/away":
            self._answer(302, b"", Location="http://localhost.example/a.png")
        elif self.path == "/gone.png":
            self._answer(404, b"")
        elif self.path == "/long.png":
            self._answer(200, b"x" * 2000)
        else:
            self._answer(200, PICTURE, **{"Content-Type": "image/png"})

    def _answer(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def host() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Host) as server:
        server.asked = []  # type: ignore[attr-defined]
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def base(host: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{host.server_port}"


@pytest.fixture
def fetcher(tmp_path: Path) -> Fetcher:
    return Fetcher(tmp_path / "downloads", hosts=("127.0.0.1",), max_bytes=1000)


def test_a_download_is_named_by_its_content_and_counted(fetcher: Fetcher, base: str):
    counts: list[tuple[int, int]] = []
    one, same, other = fetcher.fetch_all(
        [f"{base}/a.png", f"{base}/b.png", f"{base}/c"],
        progress=lambda n_done, n: counts.append((n_done, n)),
    )
    assert one.path == same.path and one.path is not None
    assert one.path.read_bytes() == PICTURE
    assert other.path is not None and other.path.suffix == ".png"  # told by the content type
    assert counts == [(1, 3), (2, 3), (3, 3)]


def test_what_was_downloaded_is_not_asked_for_again(
    fetcher: Fetcher, base: str, host: ThreadingHTTPServer
):
    first = fetcher.fetch_all([f"{base}/a.png"])
    assert fetcher.fetch_all([f"{base}/a.png"]) == first
    assert host.asked == ["/a.png"]  # type: ignore[attr-defined]


def test_redirects_are_followed_on_the_same_host_only(fetcher: Fetcher, base: str):
    here, away, around = fetcher.fetch_all(
        [f"{base}/{name}" for name in ("here.png", "away", "round")]
    )
    assert here.path is not None and here.path.read_bytes() == PICTURE
    assert away.reason == "leads on to another host: localhost.example"
    assert around.reason == "more than 5 redirects"


def test_failures_have_reasons(fetcher: Fetcher, base: str):
    urls = [
        f"{base}/gone.png",
        f"{base}/long.png",
        "ftp://127.0.0.1/a.png",
        "http://a:b/",
        "nothing",
    ]
    gone, long, ftp, malformed, nothing = (one.reason for one in fetcher.fetch_all(urls))
    assert gone == "the host answered 404"
    assert long.startswith("longer than")
    assert ftp == nothing == "only http and https addresses are fetched"
    assert malformed.startswith("cannot be fetched")
    assert list(fetcher.folder.glob("*")) == []


def test_a_host_that_was_not_allowed_is_not_asked(
    tmp_path: Path, base: str, host: ThreadingHTTPServer
):
    (answer,) = Fetcher(tmp_path).fetch_all([f"{base}/a.png"])
    assert answer.reason == (
        "host 127.0.0.1 is not allowed; start the server with --fetch-host 127.0.0.1"
    )
    assert host.asked == []  # type: ignore[attr-defined]


@pytest.mark.parametrize("pattern", ["*", "*.0.0.1"])
def test_a_private_address_needs_its_full_name(
    tmp_path: Path, base: str, pattern: str, host: ThreadingHTTPServer
):
    (answer,) = Fetcher(tmp_path, hosts=(pattern,)).fetch_all([f"{base}/a.png"])
    assert "has a private address" in answer.reason
    assert host.asked == []  # type: ignore[attr-defined]


def test_what_progress_raises_ends_the_work(fetcher: Fetcher, base: str, host: ThreadingHTTPServer):
    def stop(n_done: int, n_all: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        fetcher.fetch_all([f"{base}/{number}.png" for number in range(1000)], progress=stop)
    assert len(host.asked) < 100  # type: ignore[attr-defined]


def test_a_host_that_does_not_answer_is_a_failure(tmp_path: Path, base: str):
    (answer,) = Fetcher(tmp_path, hosts=("127.0.0.1",)).fetch_all(["http://127.0.0.1:1/a.png"])
    assert answer.path is None and answer.reason.startswith("cannot be fetched")


def test_a_table_of_urls_becomes_images_with_urls_for_ids(root: Path, fetcher: Fetcher, base: str):
    (root / "a.csv").write_text(f"url,label\n{base}/gone.png,x\n{base}/a.png,y\n")
    found = read_source(source("table", root / "a.csv", labels=True), roots=[root], fetch=fetcher)
    assert found.kind == "image" and found.sample_ids == [f"{base}/a.png"]
    assert found.labels == ["y"]
    assert [one.sample for one in found.failures] == [f"{base}/gone.png"]
