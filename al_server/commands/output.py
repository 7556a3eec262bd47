"""What commands print: text for people, JSON for programs, progress bars on stderr."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click
from pydantic import BaseModel

if TYPE_CHECKING:
    from tqdm import tqdm

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
N_FAILURES_SHOWN = 5


def examples(*lines: str) -> str:
    """Make the end of a command's help: examples, line by line as they are."""
    return "\n".join(
        ["\b", "Example:" if len(lines) == 1 else "Examples:", *(f"  {line}" for line in lines)]
    )


def print_json(value: Any) -> None:
    """Print models, lists and dicts as indented JSON on stdout."""
    import orjson

    def plain(one: Any) -> Any:
        if isinstance(one, BaseModel):
            return one.model_dump(mode="json")
        raise TypeError(f"{type(one).__name__} has no JSON form")

    click.echo(orjson.dumps(value, default=plain, option=orjson.OPT_INDENT_2).decode())


def print_table(header: list[str], rows: list[list[str]]) -> None:
    """Print columns of even width on stdout."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in [header, *rows]:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def print_failures(failures: list[tuple[str, str]], *, n: int, said: str = "left out") -> None:
    """Say on stderr which samples were left out, or what else, the first few with the reason."""
    if not n:
        return
    click.echo(f"{said} {n:,}:", err=True)
    for sample, reason in failures[:N_FAILURES_SHOWN]:
        click.echo(f"  {sample}: {reason}", err=True)
    if n > N_FAILURES_SHOWN:
        click.echo(f"  and {n - N_FAILURES_SHOWN:,} more", err=True)


def bar(
    description: str, *, unit: str, total: int | None = None, delay_s: float = 0.0
) -> "tqdm[Any]":
    """Make a progress bar with rate and time left; its total may be set later.

    With a delay nothing is shown unless it moves after that time.
    """
    from tqdm import tqdm

    return tqdm(desc=description, unit=unit, total=total, delay=delay_s, dynamic_ncols=True)


def follow(progress_bar: "tqdm[Any]") -> Callable[[int, int], None]:
    """Return a callback (n_done, n_all) that moves a bar."""

    def move(n_done: int, n_all: int) -> None:
        progress_bar.total = n_all
        progress_bar.update(n_done - progress_bar.n)

    return move
