from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.cli.conftest import Al

COMMANDS = [
    ("campaign", "list"),
    ("campaign", "show", "a"),
    ("campaign", "create", "a", "photos", "--classes", "x,y"),
    ("campaign", "export", "a"),
    ("campaign", "add-classes", "a", "z"),
    ("predict", "a", "1.png"),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_server_one_line_says_so_and_one_what_to_do(al: Al, command: tuple[str, ...]):
    result = al(*command)
    assert result.exit_code == 1
    assert result.stdout == ""
    error, remedy = result.stderr.splitlines()
    assert error == "error: no server answers at http://127.0.0.1:1"
    assert remedy.startswith("remedy: start one with `al-server serve`")


def test_a_malformed_address_is_said_to_be_one(al: Al):
    for url in ("nonsense", "http://[", "ftp://here"):
        result = al("campaign", "list", "--url", url)
        assert result.exit_code == 1
        assert result.stderr.startswith("error: ")


class _Stranger(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(404 if "show" in self.path else 200)
        self.end_headers()
        self.wfile.write(b"<html>hello</html>")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def stranger() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Stranger) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("name", ["list", "show"])
def test_what_is_not_our_server_is_said_to_be_not(al: Al, stranger: str, name: str):
    result = al("campaign", *(["show", "show"] if name == "show" else ["list"]), "--url", stranger)
    assert result.exit_code == 1
    assert "not an al_server" in result.stderr


def test_classes_must_be_given_once(al: Al, tmp_path: Path):
    file = tmp_path / "classes.txt"
    file.write_text("x\n")
    assert al("campaign", "create", "a", "photos").exit_code == 2
    both = ("--classes", "x", "--classes-file", file)
    assert al("campaign", "create", "a", "photos", *both).exit_code == 2


def test_a_file_of_unknown_kind_asks_for_the_kind(al: Al, tmp_path: Path):
    file = tmp_path / "notes.docx"
    file.touch()
    result = al("campaign", "create", "a", file, "--classes", "x")
    assert result.exit_code == 1
    assert "--kind" in result.stderr
