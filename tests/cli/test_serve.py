import signal
import socket
import stat
import subprocess
from pathlib import Path

import httpx
import pytest

from al_server.commands.serve import _token
from al_server.config import Settings
from tests.cli.conftest import AL_SERVER, Al, Running, running


def test_the_demonstration_can_be_labeled_at_once(server: Running, served: Al):
    info = served.json("campaign", "show", "digits")
    assert (info["state"], info["n_samples"], info["budget"]) == ("ready", 1497, 200)
    assert info["classes"] == list("0123456789")
    batch = httpx.get(f"{server.url}/api/v1/campaigns/digits/next?annotator=ann", timeout=60).json()
    (sample,) = batch["samples"]
    picture = httpx.get(httpx.URL(server.url).join(sample["uri"]))
    assert picture.headers["content-type"] == "image/png"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_server_cleanly(tmp_path: Path, number: int):
    with running(tmp_path / "data") as server:
        assert httpx.get(f"{server.url}/healthz").status_code == 200
        assert server.stop(number) == 0
        assert server.said[-1] == "stopped"
    assert "Traceback" not in (tmp_path / "data.log").read_text()


@pytest.mark.slow
def test_the_log_has_paths_but_no_queries(tmp_path: Path):
    with running(tmp_path / "data") as server:
        address = f"{server.url}/api/v1/campaigns/none/next?annotator=secret-name"
        httpx.get(address, headers={"Authorization": "Bearer my-token"})
    log = (tmp_path / "data.log").read_text()
    assert "GET /api/v1/campaigns/none/next 404" in log
    assert "secret-name" not in log and "my-token" not in log


def serve(*arguments: str) -> tuple[int, list[str]]:
    """Run a server that cannot start; return its exit code and what it says."""
    done = subprocess.run(
        [str(AL_SERVER), "serve", *arguments], capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stderr.splitlines()


def test_a_port_in_use_is_one_line_and_a_remedy(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = serve("--data", str(tmp_path), "--port", str(port))
    assert code == 1
    assert said[0] == f"error: cannot listen on 127.0.0.1 port {port}: Address already in use"
    assert said[1].endswith(f"--port {port + 1}") and len(said) == 2


def test_a_second_server_on_one_data_folder_names_the_first(server: Running):
    code, said = serve("--data", str(server.data), "--port", "0")
    assert code == 1 and len(said) == 2
    assert str(server.process.pid) in said[0]


def test_settings_that_do_not_fit_are_refused(tmp_path: Path):
    (tmp_path / "al_server.toml").write_text("prot = 1")
    code, said = serve("--data", str(tmp_path), "--port", "0")
    assert code == 1 and "unknown setting 'prot'" in said[0]
    (tmp_path / "al_server.toml").unlink()
    code, said = serve("--data", str(tmp_path), "--host", "no.such.host.invalid")
    assert code == 1 and "not known" in said[0]


def test_an_empty_token_file_lets_nobody_in_and_is_made_anew(tmp_path: Path):
    (tmp_path / "token").touch()  # as a full disk leaves it behind
    token = _token(Settings(host="0.0.0.0", data=tmp_path))
    assert token
    assert (tmp_path / "token").read_text().strip() == token


@pytest.mark.slow
def test_other_addresses_need_a_token_which_is_made_and_shown_once(tmp_path: Path):
    data = tmp_path / "data"
    with running(data, "--host", "0.0.0.0") as server:
        port = httpx.URL(server.url).port
    file = data / "token"
    token = file.read_text().strip()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sum(token in line for line in server.said) == 1
    with running(data, "--host", "0.0.0.0") as server:
        port = httpx.URL(server.url).port
        asked = httpx.get(f"http://127.0.0.1:{port}/api/v1/campaigns")
        assert asked.status_code == 401
        bearer = {"Authorization": f"Bearer {token}"}
        asked = httpx.get(f"http://127.0.0.1:{port}/api/v1/campaigns", headers=bearer)
        assert asked.status_code == 200
    assert not any(token in line for line in server.said)
    assert token not in (tmp_path / "data.log").read_text()


@pytest.mark.slow
def test_commands_show_the_token_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with running(tmp_path / "data", AL_TOKEN="a-token-of-mine") as server:
        al = Al(server.url)
        assert "token" in al("campaign", "list").stderr
        monkeypatch.setenv("AL_TOKEN", "a-token-of-mine")
        assert al.json("campaign", "list") == {"campaigns": []}
