import json
import socket
from pathlib import Path

import click.testing
import pytest

from al_server import doctor
from al_server.cli import main
from al_server.config import Settings


def checks(settings: Settings) -> dict[str, doctor.Check]:
    return {check.name: check for check in doctor.examine(settings)}


def test_this_machine_runs_the_server(tmp_path: Path):
    found = checks(Settings(data=tmp_path / "data", port=0))
    assert {name: one.saw for name, one in found.items() if one.state == "broken"} == {}
    assert {"compiler", "torch", "torchvision", "weights", "port", "disk"} <= found.keys()
    assert all(one.remedy for one in found.values() if one.state != "ok")
    assert not (tmp_path / "data").exists()  # it only looks


def test_a_check_that_dies_is_told_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def dies() -> doctor.Check:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(doctor, "_torchvision", dies)
    found = checks(Settings(data=tmp_path, port=0))
    assert found["torchvision"].state == "broken"
    assert "nms" in found["torchvision"].saw and found["torchvision"].remedy
    assert found["port"].state == "ok"
    result = click.testing.CliRunner().invoke(main, ["doctor", "--data", str(tmp_path)])
    assert result.exit_code == 1 and "BROKEN" in result.output


def test_a_port_in_use_and_a_file_for_a_data_folder_are_told(tmp_path: Path):
    (tmp_path / "file").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = Settings(data=tmp_path / "file", port=taken.getsockname()[1])
        found = checks(settings)
    assert found["port"].state == "warning"
    assert found["data folder"].state == "broken"


def test_the_command_answers_in_json(tmp_path: Path):
    arguments = ["doctor", "--json", "--data", str(tmp_path), "--port", "0"]
    result = click.testing.CliRunner().invoke(main, arguments)
    assert result.exit_code == 0
    assert {one["name"] for one in json.loads(result.stdout)} >= {"python", "hnswlib"}
