"""The table in the README is what the shelf says."""

import pytest

from strategies.shelf import SHELF, Entry
from strategies.table import END, START, markdown, written_into
from tests.conftest import ROOT


def test_the_table_in_the_readme_is_up_to_date() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert written_into(readme) == readme, "run python -m strategies.table"


def test_every_strategy_has_a_line_and_nothing_is_left_open() -> None:
    lines = markdown().splitlines()
    for name, entry in SHELF.items():
        (line,) = [line for line in lines if f"`{name}`" in line.split("|")[1]]
        assert all(cell in line for cell in entry[1:])
        assert all(cell.strip() for cell in entry)
        assert line.count("|") == len(Entry._fields) + 1


def test_only_what_is_between_the_markers_changes() -> None:
    text = f"before {START} old {END} after"
    assert written_into(text) == f"before {START}\n\n{markdown()}\n\n{END} after"
    with pytest.raises(ValueError, match="no place for the table"):
        written_into("nothing")
