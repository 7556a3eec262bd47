"""The options that describe a source, shared by the commands that take samples in."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from pydantic import ValidationError

from al_server.errors import BadInput
from al_server.models import Source
from al_server.sources.sheet import CSV_SUFFIXES, JSONL_SUFFIXES, PARQUET_SUFFIXES
from al_server.sources.video_file import VIDEO_SUFFIXES
from embeddings.images import IMAGE_SUFFIXES

Command = TypeVar("Command", bound=Callable[..., Any])
KINDS = ("images", "videos", "objects", "table", "npz", "npy")
SOURCE_OPTIONS = (
    *("kind", "column", "content", "id_column", "label_column"),
    *("every", "frames", "scenes", "boxes", "annotations", "margin", "only"),
)
TABLE_SUFFIXES = (*CSV_SUFFIXES, *JSONL_SUFFIXES, *PARQUET_SUFFIXES)


def source_options(command: Command) -> Command:
    """Add the SOURCE argument and the options that say how to read it."""
    for option in (
        click.option(
            "--label-column",
            help="Table: the column of known labels [where they are imported: label].",
        ),
        click.option("--id-column", help="Table: the column of sample ids [default: id]."),
        click.option(
            "--content",
            type=click.Choice(["text", "image", "url", "vector"]),
            help="Table: what the column holds; told from its values when left out.",
        ),
        click.option("--column", help="Table: the column that holds the samples."),
        click.option(
            "--kind",
            type=click.Choice(KINDS),
            help="What SOURCE is; told from its name when left out.",
        ),
        click.option(
            "--only",
            type=click.Path(path_type=Path),
            help="Take these samples alone: a file with one id a line, such as a kept.txt.",
        ),
        click.option("--margin", type=float, help="Objects: cut out around a box [0.1 of it]."),
        click.option(
            "--annotations",
            type=click.Path(path_type=Path),
            help="Objects: file or folder of the boxes [beside the images].",
        ),
        click.option(
            "--boxes",
            type=click.Choice(["voc", "coco", "yolo", "label-studio"]),
            help="Take the marked objects in images as samples; the format of the boxes.",
        ),
        click.option("--scenes", is_flag=True, help="Videos: the first frame of each scene."),
        click.option("--frames", type=int, help="Videos: so many frames of each, evenly."),
        click.option("--every", type=float, help="Videos: seconds between frames [2]."),
        click.argument("source", type=click.Path(path_type=Path)),
    ):
        command = option(command)
    return command


def make_source(path: Path, *, labels: bool, kind: str | None, **options: Any) -> Source:
    """Describe a source, its paths made absolute: the server has another current folder.

    Raises
    ------
    BadInput
        If it cannot be told what it is, its name is no text, or options do not go together.
    """
    if not is_utf8(path):
        raise BadInput(f"the name of {str(path)!a} is not UTF-8", "rename it")
    given = {key: value for key, value in options.items() if value is not None}
    for name in ("annotations", "only"):
        if name in given:
            given[name] = absolute(given[name])
    try:
        return Source.model_validate(
            {
                "kind": kind or _asked_kind(given) or guess_kind(path),
                "path": absolute(path),
                "labels": labels,
                **given,
            }
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = "".join(f"--{one}: " for one in first["loc"][:1])
        raise BadInput(f"{field}{first['msg']}", "see --help for what goes together") from error


def pop_source_options(options: dict[str, Any]) -> dict[str, Any]:
    """Take what `source_options` added, besides SOURCE, out of the options of a command."""
    return {name: options.pop(name) for name in SOURCE_OPTIONS}


def _asked_kind(given: dict[str, Any]) -> str | None:
    if "boxes" in given:
        return "objects"
    return "videos" if given.get("scenes") or {"every", "frames"} & given.keys() else None


def guess_kind(path: Path) -> str:
    """Tell what a source is: by its suffix, else a folder of images, or of nothing but videos.

    Raises
    ------
    BadInput
        If it is a file of another kind.
    """
    suffix = path.suffix.lower()
    # of os.path: what may not be looked at, or has too long a name, is not there
    if suffix in (".npz", ".npy"):
        return suffix.removeprefix(".")
    if suffix in TABLE_SUFFIXES:
        return "table"
    if suffix in VIDEO_SUFFIXES and not os.path.isdir(path):
        return "videos"
    if os.path.isfile(path):
        known = ", ".join([".npz", ".npy", *TABLE_SUFFIXES, *sorted(VIDEO_SUFFIXES)])
        raise BadInput(f"what is {path}?", f"give a folder of images, a file in {known}, or --kind")
    return "videos" if _holds_videos_only(path) else "images"


def _holds_videos_only(folder: Path) -> bool:
    """Tell whether there are videos and no images directly in a folder."""
    try:
        suffixes = {Path(name).suffix.lower() for name in os.listdir(folder)}
    except OSError:  # it is said later what is wrong with it
        return False
    return bool(suffixes & VIDEO_SUFFIXES) and not suffixes & IMAGE_SUFFIXES


def is_utf8(path: Path) -> bool:
    """Tell whether a path can be written as text: a disk may hold names of any bytes."""
    try:
        return bool(str(path).encode())
    except UnicodeEncodeError:
        return False


def absolute(path: Path) -> str:
    """Make a path absolute without following its links."""
    return os.path.abspath(path.expanduser())
