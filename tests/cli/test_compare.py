"""`al-server compare`, as people type it."""

import json
import re
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from al_server.commands.connection import Connection, campaign_path
from tests.cli.conftest import AL_SERVER, Al, Running
from tests.lab.toys import blobs

SMALL = ("--repeats", "6", "--budget", "6", "--workers", "1", "--targets", "0.5")


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    data = blobs(spread=0.4)
    file = tmp_path / "blobs.npz"
    np.savez(file, X=data.embeddings, y=data.labels, group=data.groups)
    return file


def test_it_prints_the_verdict_and_writes_the_report(al: Al, vectors: Path, tmp_path: Path):
    out = tmp_path / "out"
    result = al("compare", vectors, "--strategies", "default,margin", *SMALL, "--out", out)
    assert result.exit_code == 0, result.output
    report = json.loads((out / "report.json").read_text())
    assert list(report["arms"]) == ["default", "margin", "uniform"]
    assert result.stdout.startswith(report["verdict"]["headline"])
    assert f"wrote {out / 'report.html'}" in result.stdout
    again = al("compare", vectors, "--strategies", "default,margin", *SMALL, "--out", out)
    assert again.stdout == result.stdout


def test_json_is_the_report_alone(al: Al, vectors: Path, tmp_path: Path):
    said = al.json("compare", vectors, *SMALL, "--no-probe", "--group", "--out", tmp_path / "out")
    assert said == json.loads((tmp_path / "out" / "report.json").read_text())
    assert said["protocol"]["plan"]["by_group"] is True


def test_folds_are_the_repeats_and_imbalance_is_written_as_a_ratio(
    al: Al, vectors: Path, tmp_path: Path
):
    arguments = ("--folds", "2", "--imbalance", "1:4", "--budget", "4", "--workers", "1")
    said = al.json("compare", vectors, *arguments, "--out", tmp_path / "out")
    plan = said["protocol"]["plan"]
    assert (plan["folds"], plan["repeats"], plan["imbalance"]) == (2, 2, 4.0)
    assert said["protocol"]["metric"] == "balanced_accuracy"


def test_several_data_sets_are_ranked(al: Al, vectors: Path, tmp_path: Path):
    other = tmp_path / "other.npz"
    other.write_bytes(vectors.read_bytes())
    out = tmp_path / "out"
    result = al("compare", vectors, other, *SMALL, "--no-probe", "--out", out)
    assert result.exit_code == 0, result.output
    assert "mean rank over 2 data sets" in result.stdout
    for file in ("report.html", "ranking.json", "blobs/report.html", "other/report.json"):
        assert (out / file).is_file()


def test_images_in_a_folder_a_class_are_embedded_first(al: Al, tmp_path: Path):
    rng = np.random.default_rng(0)
    for number in range(24):
        folder = tmp_path / "photos" / ("dark" if number % 2 else "light")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 90, size=(8, 8)) + (0 if number % 2 else 160)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
    arguments = ("--embedder", "pixels", "--data", tmp_path / "data", *SMALL)
    said = al.json("compare", tmp_path / "photos", *arguments, "--out", tmp_path / "out")
    assert said["protocol"]["classes"] == ["dark", "light"]
    assert said["protocol"]["n_samples"] == 24


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--strategies", "margine"), "no strategy is called 'margine'"),
        (("--targets", "90"), "targets '90': "),
        (("--folds", "41"), "whose smallest class has 40 samples"),
        (("--folds", "4", "--repeats", "5"), "4 folds make 4 repeats, not 5"),
        (("--imbalance", "1:0.5"), "imbalance"),
        (("--batch", "7"), "batch=7 is more than"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(
    al: Al, vectors: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
):
    result = al("compare", vectors, "--budget", "6", *arguments, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert message in result.stderr
    assert "remedy: " in result.stderr


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("nothing.npz", "no such file"),
        ("digits", "is no data folder of a server"),
        ("vectors.npy", "holds no labels"),
    ],
)
def test_data_that_is_not_there_is_said_to_be_so(
    al: Al, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: str, message: str
):
    monkeypatch.chdir(tmp_path)
    np.save("vectors.npy", np.eye(12))
    result = al("compare", data, "--out", tmp_path / "out", "--data", tmp_path)
    assert result.exit_code == 1
    assert message in result.stderr


def test_ctrl_c_keeps_what_is_finished_and_the_same_command_goes_on(vectors: Path, tmp_path: Path):
    out = tmp_path / "out"
    command = [AL_SERVER, "compare", vectors, "--repeats", "400", "--budget", "60"]
    command += ["--no-probe", "--workers", "1", "--out", out]
    # a shell starts what is in the background deaf to Ctrl-C, and children stay so
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr is not None
    for line in process.stderr:  # every state of the progress bar is a line
        if re.search(r" [1-9]\d*/400 ", line):
            break
    process.send_signal(signal.SIGINT)
    said = process.stderr.read()
    assert process.wait() == 130
    process.stderr.close()
    assert "the same command goes on" in said
    assert "Traceback" not in said
    assert 0 < (out / "curves.csv").read_text().count("end") < 800
    assert not list(out.glob(".data*"))


def test_a_campaign_is_replayed_on_what_was_labeled(served: Al, server: Running, tmp_path: Path):
    answers = []
    with Connection(server.url) as connection:
        for number in range(40):
            path = campaign_path("digits", "next")
            (sample,) = connection.get(path, {"annotator": "ann"})["samples"]
            answers.append(sample["sample_id"])
            label = {"sample_id": sample["sample_id"], "label": str(number % 2), "annotator": "ann"}
            connection.post(campaign_path("digits", "labels"), {"labels": [label]})
    arguments = ("--data", server.data, *SMALL)
    said = served.json("compare", "digits", *arguments, "--out", tmp_path / "out")
    assert said["protocol"]["classes"] == ["0", "1"]
    assert said["protocol"]["n_samples"] == len(set(answers)) == 40
    assert any("labels of a campaign" in one for one in said["warnings"])
    votes = served.json(
        "compare", "digits", *arguments, *("--classifier", "knn", "--k", 3), "--out", tmp_path / "k"
    )["protocol"]["plan"]
    assert (votes["classifier"], votes["k"]) == ("knn", 3)
    unknown = served("compare", "digit", "--data", server.data, "--out", tmp_path / "out")
    assert "did you mean 'digits'" in unknown.stderr
