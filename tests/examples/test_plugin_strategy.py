"""The example package is installed for real, out of the way, and found by its entry point."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "examples" / "plugin_strategy"
PIP = "install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation"
CLI = "from al_server.cli import main; main()"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the package is installed in, without the network."""
    source = tmp_path_factory.mktemp("source") / "plugin_strategy"
    shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns("__pycache__"))
    target = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", *PIP.split(), "--target", target, source]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def run(installed: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        cwd=installed,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_its_strategy_is_listed_and_described(installed: Path) -> None:
    listed = json.loads(run(installed, "-c", CLI, "strategies", "--json"))
    (theirs,) = [one for one in listed if one["name"] == "rarest_first"]
    assert "fewest labels" in theirs["description"]


def test_campaigns_can_be_made_with_it(installed: Path) -> None:
    code = (
        "from al_server.campaign.strategy import make_strategy\n"
        "from strategies.registry import describe\n"
        "print(describe(make_strategy('rarest_first?wanted=2')))\n"
        "print(describe(make_strategy('product?rarest_first=2&margin=1')))"
    )
    assert run(installed, "-c", code).split() == [
        "rarest_first?wanted=2",
        "product?rarest_first=2.0&margin=1.0",
    ]


def test_its_own_tests_pass(installed: Path) -> None:
    shutil.copy(PACKAGE / "test_rarest_first.py", installed)
    said = run(installed, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_rarest_first.py")
    assert " passed" in said
