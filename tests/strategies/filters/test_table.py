"""The table of filters says what the shelf says."""

import subprocess
import sys

from strategies.filters.shelf import SHELF
from strategies.filters.table import markdown
from tests.conftest import ROOT


def test_every_filter_has_a_line_and_nothing_is_left_open() -> None:
    lines = markdown().splitlines()
    assert len(lines) == len(SHELF) + 2
    for name, entry in SHELF.items():
        (line,) = [line for line in lines if line.startswith(f"| `{name}` |")]
        assert all(cell.strip() and cell in line for cell in entry[1:])
        assert line.count("|") == len(entry) + 1


def test_the_table_is_printed() -> None:
    command = [sys.executable, "-m", "strategies.filters.table"]
    printed = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert printed.stdout.strip() == markdown()


def test_the_table_in_the_readme_is_up_to_date() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert markdown() in readme, "paste what python -m strategies.filters.table prints"
