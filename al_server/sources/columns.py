"""One column of a table as texts, vectors or labels. A `column` is a pyarrow.ChunkedArray."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from al_server.errors import BadSource
from al_server.sources.listing import KnownLabel, checked_vectors, shown


def is_list(column: Any) -> bool:
    """Tell whether every cell is a list."""
    from pyarrow import types

    kind = column.type
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def is_empty(column: Any) -> NDArray[np.bool_]:
    """Tell for each cell whether it holds nothing, or nothing but blanks."""
    from pyarrow import compute, types

    if types.is_string(column.type) or types.is_large_string(column.type):
        blank = compute.equal(compute.utf8_trim_whitespace(column), "")
        column = compute.if_else(compute.fill_null(blank, True), None, column)
    empty: NDArray[np.bool_] = column.is_null().to_numpy()
    return empty


def texts(column: Any, *, where: str) -> list[str]:
    """Return the cells as text, an empty one as "".

    Raises
    ------
    BadSource
        If the column holds what has no text, such as lists.
    """
    import pyarrow

    try:
        cells = column.cast(pyarrow.string()).to_pylist()
    except pyarrow.ArrowException as error:
        raise BadSource(f"{where} holds {column.type}, not text", "name another column") from error
    return [cell or "" for cell in cells]


def vectors(column: Any, *, row_numbers: Sequence[int], where: str) -> NDArray[np.float32]:
    """Return lists of numbers as one array of shape (n_rows, n_features), checked.

    Raises
    ------
    BadSource
        If the cells are not lists of numbers, or of different lengths; it names the rows.
    """
    from pyarrow import compute, types

    kind = column.type.value_type if is_list(column) else None
    if kind is None or not (types.is_floating(kind) or types.is_integer(kind)):
        raise BadSource(
            f"{where} holds {column.type}, not lists of numbers",
            "vectors come as a Parquet column of list<float>, or as JSON lists in JSONL",
        )
    lengths = compute.list_value_length(column).to_numpy()
    width = int(np.bincount(lengths).argmax())
    unfit = [row_numbers[position] for position in np.flatnonzero(lengths != width).tolist()]
    if unfit:
        raise BadSource(
            f"{where}: the vectors of rows {shown(unfit)} are not of length {width}",
            "all vectors must come from one embedder; leave these rows out",
        )
    values = np.empty((len(lengths), width), dtype=np.float32)
    start = 0
    with np.errstate(over="ignore"):  # becomes inf, which is named below
        for chunk in column.chunks:  # straight into place: no second copy of a large pool
            flat = chunk.flatten().to_numpy(zero_copy_only=False)
            values[start : start + len(chunk)] = flat.reshape(len(chunk), width)
            start += len(chunk)
    return checked_vectors(values, where=where, row_numbers=row_numbers)


def labels(column: Any, *, row_numbers: Sequence[int], where: str, multi: bool) -> list[KnownLabel]:
    """Return what the cells say: a class name, or a list of names where `multi`; None where empty.

    A list of names is a list, a JSON list, or `a|b`; `[]` is none of the classes.

    Raises
    ------
    BadSource
        If a cell cannot be read so; it names the row.
    """
    known: list[KnownLabel] = []
    for number, cell in zip(row_numbers, column.to_pylist(), strict=True):
        if cell is None or (isinstance(cell, str) and not cell.strip()):
            known.append(None)
        elif multi:
            known.append(_names(cell, f"{where}, row {number}"))
        elif isinstance(cell, list):
            remedy = 'one label a sample, or a campaign with "task": "multi"'
            raise BadSource(f"{where}, row {number}: a list of labels", remedy)
        else:
            known.append(str(cell).strip())
    return known


def _names(cell: object, where: str) -> list[str]:
    import orjson

    if isinstance(cell, str) and cell.lstrip().startswith("["):
        try:
            cell = orjson.loads(cell)
        except orjson.JSONDecodeError as error:
            raise BadSource(f"{where}: {error}", 'write ["a", "b"] or a|b') from error
    parts = cell if isinstance(cell, list) else str(cell).split("|")
    names = [str(part).strip() for part in parts]
    return list(dict.fromkeys(name for name in names if name))
