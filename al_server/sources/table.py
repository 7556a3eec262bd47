"""A table of texts, image paths, URLs or vectors, with ids and known labels where it has them."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from al_server.answers import Failure
from al_server.errors import BadSource
from al_server.models import Source
from al_server.sources.columns import is_empty, is_list, labels, texts, vectors
from al_server.sources.fetch import Fetched, Fetcher
from al_server.sources.listing import KnownLabel, Listing, check_ids, class_names
from al_server.sources.paths import is_inside, real_path
from al_server.sources.sheet import Sheet, read_sheet, row_name
from embeddings.images import IMAGE_SUFFIXES

PATH_COLUMNS = ("image", "path", "file", "filename")
URL_COLUMNS = ("url", "uri")
SAMPLE_COLUMNS = ("text", *PATH_COLUMNS, *URL_COLUMNS, "embedding", "vector")
ID_COLUMN = "id"
LABEL_COLUMN = "label"
N_LOOKED_AT = 1000


class _Columns(NamedTuple):
    """Which column is what; there may be none for the ids and the labels."""

    sample: str
    sample_id: str | None
    label: str | None


def read_table(
    file: Path,
    source: Source,
    *,
    roots: Sequence[Path],
    fetch: Fetcher,
    multi: bool,
    progress: Callable[[int, int], None] | None = None,
) -> Listing:
    """List the samples of a table.

    A sample_id is the cell of the id column (`id` where none is named; where its cell is empty,
    `row 7`). Without such a column it is the cell itself for image paths and URLs, and the row
    number, from 0, for texts and vectors. Image paths count from the table's folder and must lie
    under the roots. Without a named sample column it is the first of `SAMPLE_COLUMNS`, or else the
    only one besides ids and labels.

    Raises
    ------
    BadSource
        If no column can hold the samples, ids are doubled, or a vector is unfit; it names the rows.
    """
    sheet = read_sheet(file)
    columns = _choose(sheet.table.column_names, source, file)
    where = f"{file}, column {columns.sample}"
    content = source.content or _told(sheet.table.column(columns.sample), columns.sample, where)
    sheet = _without_gaps(sheet, columns.sample, file)
    samples, numbers = sheet.table.column(columns.sample), sheet.row_numbers
    ids = _ids(sheet, columns, content, file)
    known = _known_labels(sheet, columns.label, file, multi)
    if content in ("image", "url"):
        cells = [cell.strip() for cell in texts(samples, where=where)]
        if content == "url":
            files = fetch.fetch_all(cells, progress=progress)
        else:
            files = [_open(file.parent / cell, roots) for cell in cells]
        return _image_listing(ids, files, known, sheet.failures, file)
    check_ids(ids, where=file)
    classes = class_names(known)
    if content == "vector":
        rows = vectors(samples, row_numbers=numbers, where=where)
        return Listing("vector", ids, None, None, rows, known, classes, None, sheet.failures)
    cells = texts(samples, where=where)
    return Listing("text", ids, None, cells, None, known, classes, None, sheet.failures)


def _choose(names: Sequence[str], source: Source, file: Path) -> _Columns:
    listed = f"columns: {', '.join(names)}"
    label = (source.label_column or LABEL_COLUMN) if source.labels else None
    for name in (source.column, source.id_column, label):
        if name is not None and name not in names:
            raise BadSource(f"{file} has no column {name!r}", f"name another one; {listed}")
    sample_id = source.id_column or (ID_COLUMN if ID_COLUMN in names else None)
    if source.column is not None:
        return _Columns(source.column, sample_id, label)
    others = [
        name for name in names if name not in (sample_id, source.label_column or LABEL_COLUMN)
    ]
    usual = [name for name in others if name.lower() in SAMPLE_COLUMNS]
    usual.sort(key=lambda name: SAMPLE_COLUMNS.index(name.lower()))
    if not usual and len(others) != 1:
        raise BadSource(f"{file}: which column holds the samples?", f"name it; {listed}")
    return _Columns((usual or others)[0], sample_id, label)


def _told(column: Any, name: str, where: str) -> str:
    """Tell what a column holds: by its type, by most of its first values, or by its name.

    A few odd cells must not turn pictures into texts; they are listed as failures later.
    """
    if is_list(column):
        return "vector"
    cells = [cell.strip() for cell in texts(column.drop_null()[:N_LOOKED_AT], where=where)]
    cells = [cell for cell in cells if cell]
    n_urls = sum(cell.startswith(("http://", "https://")) and " " not in cell for cell in cells)
    n_images = sum(Path(cell).suffix.lower() in IMAGE_SUFFIXES for cell in cells)
    if 2 * n_urls > len(cells):
        return "url"
    if 2 * n_images > len(cells) or name.lower() in PATH_COLUMNS:
        return "image"
    return "url" if name.lower() in URL_COLUMNS else "text"


def _without_gaps(sheet: Sheet, name: str, file: Path) -> Sheet:
    """Keep the rows that have a sample; list the others with the failures."""
    import pyarrow

    gaps = is_empty(sheet.table.column(name))
    if not gaps.any():
        return sheet
    if gaps.all():
        raise BadSource(f"{file}: column {name} is empty", "name the column that holds the samples")
    failures = [
        Failure(sample=row_name(sheet.row_numbers[position]), reason=f"column {name} is empty")
        for position in np.flatnonzero(gaps).tolist()
    ]
    numbers = [sheet.row_numbers[position] for position in np.flatnonzero(~gaps).tolist()]
    return Sheet(sheet.table.filter(pyarrow.array(~gaps)), numbers, sheet.failures + failures)


def _ids(sheet: Sheet, columns: _Columns, content: str, file: Path) -> list[str]:
    by_itself = columns.sample if content in ("image", "url") else None
    name = columns.sample_id or by_itself
    if name is None:
        return [str(number) for number in sheet.row_numbers]
    cells = texts(sheet.table.column(name), where=f"{file}, column {name}")
    return [
        cell.strip() or row_name(number)
        for cell, number in zip(cells, sheet.row_numbers, strict=True)
    ]


def _known_labels(
    sheet: Sheet, name: str | None, file: Path, multi: bool
) -> list[KnownLabel] | None:
    if name is None:
        return None
    column, where = sheet.table.column(name), f"{file}, column {name}"
    return labels(column, row_numbers=sheet.row_numbers, where=where, multi=multi)


def _open(path: Path, roots: Sequence[Path]) -> Fetched:
    real = real_path(path)
    if real is None or not is_inside(real, roots):
        return Fetched(None, "lies outside the folders that may be read")
    return Fetched(real) if os.path.isfile(real) else Fetched(None, "no such file")


def _image_listing(
    ids: list[str],
    files: list[Fetched],
    known: list[KnownLabel] | None,
    failures: list[Failure],
    file: Path,
) -> Listing:
    lost = [
        Failure(sample=sample_id, reason=one.reason)
        for sample_id, one in zip(ids, files, strict=True)
        if one.path is None
    ]
    kept = [position for position, one in enumerate(files) if one.path is not None]
    if not kept:
        raise BadSource(
            f"{file}: none of its {len(files)} images can be had; {lost[0].sample}: "
            f"{lost[0].reason}",
            "image paths count from the table's folder, and must lie under the server's roots; "
            'where the column holds texts, say "content": "text"',
        )
    kept_ids = [ids[position] for position in kept]
    check_ids(kept_ids, where=file)
    known = None if known is None else [known[position] for position in kept]
    return Listing(
        kind="image",
        sample_ids=kept_ids,
        paths=[one.path for one in files if one.path is not None],
        labels=known,
        classes=class_names(known),
        failures=[*failures, *lost],
    )
