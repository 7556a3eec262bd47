"""The shelf as a table: ``python -m strategies.table`` writes it into the README.

With ``--print`` it goes to stdout.
"""

import sys
from pathlib import Path
from typing import Final

from strategies.shelf import SHELF, Entry

START: Final = "<!-- made by python -m strategies.table; edit strategies/shelf.py -->"
END: Final = "<!-- end of the table -->"
HEADER: Final = ("name", "looks at", "time; memory", "source", "before the first label", "batches")


def markdown() -> str:
    """Return the shelf as a Markdown table, one line a strategy; aliases are named beside it."""
    lines = [_line(HEADER), _line(["---"] * len(HEADER))]
    names: dict[Entry, list[str]] = {}
    for name, entry in SHELF.items():
        names.setdefault(entry, []).append(f"`{name}`")
    lines += [_line([", ".join(called), *entry[1:]]) for entry, called in names.items()]
    return "\n".join(lines)


def written_into(text: str) -> str:
    """Return a text with the table between the two markers.

    Raises
    ------
    ValueError
        If the markers are not there.
    """
    before, found, rest = text.partition(START)
    _, also_found, after = rest.partition(END)
    if not (found and also_found):
        raise ValueError(f"there is no place for the table; write {START} and {END} there")
    return f"{before}{START}\n\n{markdown()}\n\n{END}{after}"


def _line(cells: tuple[str, ...] | list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _main() -> None:
    if "--print" in sys.argv[1:]:
        print(markdown())
        return
    readme = Path(__file__).resolve().parents[1] / "README.md"
    readme.write_text(written_into(readme.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    _main()
