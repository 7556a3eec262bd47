"""The example of VAAL finds the digits without labels, and starts where it was."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


def run(checkpoint: Path) -> list[str]:
    command = [sys.executable, ROOT / "examples" / "vaal_digits.py", "--checkpoint", checkpoint]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
def test_digits_without_labels_are_found(tmp_path: Path) -> None:
    said = run(tmp_path / "vaal.pt")
    of_candidates, of_picks = (int(re.findall(r"(\d+)%", line)[0]) for line in said[-2:])
    assert of_candidates == 60
    assert of_picks > 80
    assert run(tmp_path / "vaal.pt") == said
