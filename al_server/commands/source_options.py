"""The options that describe a source, shared by the commands that take samples in."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from al_server.errors import BadInput
from al_server.models import Source
from al_server.sources.sheet import CSV_SUFFIXES, JSONL_SUFFIXES, PARQUET_SUFFIXES

Command = TypeVar("Command", bound=Callable[..., Any])
TABLE_SUFFIXES = (*CSV_SUFFIXES, *JSONL_SUFFIXES, *PARQUET_SUFFIXES)


def source_options(command: Command) -> Command:
    """Add the SOURCE argument and the options that say how to read it."""
    for option in (
        click.option("--label-column", help="Table: the column of known labels [default: label]."),
        click.option("--id-column", help="Table: the column of sample ids [default: id]."),
        click.option(
            "--content",
            type=click.Choice(["text", "image", "url", "vector"]),
            help="Table: what the column holds; told from its values when left out.",
        ),
        click.option("--column", help="Table: the column that holds the samples."),
        click.option(
            "--kind",
            type=click.Choice(["images", "table", "npz", "npy"]),
            help="What SOURCE is; told from its name when left out.",
        ),
        click.argument("source", type=click.Path(path_type=Path)),
    ):
        command = option(command)
    return command


def make_source(path: Path, *, labels: bool, kind: str | None, **columns: str | None) -> Source:
    """Describe a source, its path made absolute: the server has another current folder."""
    given = {key: value for key, value in columns.items() if value is not None}
    return Source.model_validate(
        {
            "kind": kind or guess_kind(path),
            "path": absolute(path),
            "labels": labels,
            **given,
        }
    )


def guess_kind(path: Path) -> str:
    """Tell what a source is: by its suffix, else a folder of images.

    Raises
    ------
    BadInput
        If it is a file of another kind.
    """
    suffix = path.suffix.lower()
    if suffix in (".npz", ".npy"):
        return suffix.removeprefix(".")
    if suffix in TABLE_SUFFIXES:
        return "table"
    if path.is_file():
        known = ", ".join([".npz", ".npy", *TABLE_SUFFIXES])
        raise BadInput(f"what is {path}?", f"give a folder of images, a file in {known}, or --kind")
    return "images"


def absolute(path: Path) -> str:
    """Make a path absolute without following its links."""
    return os.path.abspath(path.expanduser())
