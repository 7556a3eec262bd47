"""The shelf of filters as a table in Markdown: ``python -m strategies.filters.table`` prints it."""

from collections.abc import Sequence
from typing import Final

from strategies.filters.shelf import SHELF

HEADER: Final = ("name", "what goes", "time; memory", "source", "good for")


def markdown() -> str:
    """Return the shelf as a Markdown table, one line a filter."""
    lines = [_line(HEADER), _line(["---"] * len(HEADER))]
    lines += [_line([f"`{name}`", *entry[1:]]) for name, entry in SHELF.items()]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


if __name__ == "__main__":
    print(markdown())
