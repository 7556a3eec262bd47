"""Every example runs, and ends with the figures it promises."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.end_to_end.server import running

EXAMPLES = ROOT / "examples"
N_LABELS = 40


def _run(name: str, *arguments: str | Path) -> str:
    done = _started(name, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _started(name: str, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, EXAMPLES / name, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_the_oracle_teaches_a_server_the_digits(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        said = _run("label_with_an_oracle.py", "--url", server.url, "--data", tmp_path)
    shares = [float(share) for share in re.findall(r"labels: ([\d.]+)% right", said)]
    assert len(shares) == 5
    assert shares[-1] > 85


@pytest.mark.slow
def test_the_fruits_show_both_curves(tmp_path: Path, shared_data: Path) -> None:
    quick = ["--from-embeddings", "--splits", "2", "--labels", str(N_LABELS)]
    said = _run("fruits.py", "--data", shared_data, "--work", tmp_path, *quick)
    found = json.loads(said.splitlines()[-1])
    assert found["splits"] == 2
    with (tmp_path / "fruits.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * N_LABELS
    for strategy in ("default", "uniform"):
        last = [row for row in rows if row["strategy"] == strategy]
        ends = [float(row["accuracy"]) for row in last if row["n_labels"] == str(N_LABELS)]
        assert found[f"{strategy}_at_{N_LABELS}"] == pytest.approx(sum(ends) / 2, abs=1e-4)
        assert strategy in said and strategy in (tmp_path / "fruits.svg").read_text("utf-8")
    assert found[f"default_at_{N_LABELS}"] > 0.6


@pytest.mark.slow
def test_the_literature_in_two_folds(tmp_path: Path, shared_data: Path) -> None:
    quick = ["--folds", "2", "--budget", "20", "--out", str(tmp_path)]
    said = _run("literature.py", "fruits", "--data", shared_data, *quick)
    arms = re.findall(r"^\| (\w+, \w+) \|", said, re.MULTILINE)
    assert sorted(arms) == [
        "cdf_product, knn",
        "cdf_product, propagated",
        "default, propagated",
        "in_class, knn",
        "uniform, knn",
        "uniform, propagated",
    ]
    drawn = (tmp_path / "curves.svg").read_text("utf-8")
    assert {arm for arm in arms if arm in drawn} == {
        "default, propagated",
        "uniform, propagated",
        "cdf_product, knn",
        "uniform, knn",
    }
    assert (tmp_path / "knn" / "report.html").exists()


def test_the_fruits_say_what_they_miss(tmp_path: Path) -> None:
    done = _started("fruits.py", "--data", tmp_path)
    assert done.returncode == 2
    assert "AL_TEST_DATA" in done.stderr


def test_the_fruits_are_curated_with_what_stands_for_them(
    tmp_path: Path, shared_data: Path
) -> None:
    page = tmp_path / "curated.html"
    said = _run("curate_fruits.py", "--data", shared_data, "--out", page)
    shares = [int(share) for share in re.findall(r"removed (\d+)% have the same photo", said)]
    assert len(shares) == 3
    assert shares[0] > 50, "of the first tenth, most are of one photo with their stand-in"
    assert "Fruits" in page.read_text("utf-8")
