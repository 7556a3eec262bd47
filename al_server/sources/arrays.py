"""Ready embeddings: ``.npz`` and ``.npy`` files. Pickles are never opened."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from al_server.errors import BadSource
from al_server.sources.listing import KnownLabel, Listing, check_ids, checked_vectors, shown
from embeddings.plain_file import open_plain


def read_npz(file: Path, *, labels: bool, multi: bool) -> Listing:
    """Read `X` (n, d) and, where there are any, `ids`, `group` and, on demand, `y` and `classes`.

    `y` counts into `classes`, -1 where the label is unknown; without `classes` its sorted values
    are the classes. Ids default to the row numbers, from 0.

    Raises
    ------
    BadSource
        If the file is not what it should be; it names the array and the rows.
    """
    arrays = load_arrays(file, {"X", "ids", "group", *({"y", "classes"} if labels else ())})
    if "X" not in arrays:
        raise BadSource(f"{file} has no array X", "save it with numpy.savez(file, X=embeddings)")
    vectors = checked_vectors(arrays.pop("X"), where=file)
    for name in arrays.keys() - {"classes"}:
        if arrays[name].shape != (len(vectors),):
            raise BadSource(
                f"{file}: {name} has shape {arrays[name].shape}, X has {len(vectors)} rows",
                f"{name} needs one entry a row",
            )
    ids = _texts(arrays["ids"]) if "ids" in arrays else _row_numbers(len(vectors))
    check_ids(ids, where=file)
    known, classes = None, None
    if labels:
        known, classes = _labels(arrays, file, multi)
    groups = _texts(arrays["group"]) if "group" in arrays else None
    return Listing("vector", ids, vectors=vectors, labels=known, classes=classes, groups=groups)


def read_npy(file: Path) -> Listing:
    """Read one array of embeddings, shape (n_samples, n_features); ids are the row numbers."""
    with _opened(file) as array:
        if not isinstance(array, np.ndarray):
            raise BadSource(f"{file} is an .npz archive", "use kind npz for it")
    vectors = checked_vectors(array, where=file)
    return Listing("vector", _row_numbers(len(vectors)), vectors=vectors)


def read_column(file: Path, name: str, sample_ids: Sequence[str]) -> NDArray[Any]:
    """Read one more array of an .npz that `read_npz` has read: its entry of each of some samples.

    Returns
    -------
    array of shape (n_samples,), in the order of `sample_ids`

    Raises
    ------
    BadSource
        If there is no such array, or it has not one entry a row.
    """
    arrays = load_arrays(file, {name, "ids"})
    if name not in arrays:
        raise BadSource(f"{file} has no array {name}", f"add {name}, with one entry a row")
    if "ids" in arrays:
        ids = _texts(arrays["ids"])
    else:
        ids = _row_numbers(len(load_arrays(file, {"X"})["X"]))
    values = arrays[name]
    if values.shape != (len(ids),):
        raise BadSource(
            f"{file}: {name} has shape {values.shape}, X has {len(ids)} rows",
            f"{name} needs one entry a row",
        )
    row_of = {sample_id: row for row, sample_id in enumerate(ids)}
    return values[[row_of[one] for one in sample_ids]]


def has_array(file: Path, name: str) -> bool:
    """Tell whether an .npz has an array of a name, without reading it.

    Raises
    ------
    BadSource
        If the file cannot be read.
    """
    with _opened(file) as arrays:
        return not isinstance(arrays, np.ndarray) and name in arrays.files


def load_arrays(file: Path, wanted: Collection[str]) -> dict[str, NDArray[Any]]:
    """Read those of the wanted arrays that an .npz has; no pickles.

    Raises
    ------
    BadSource
        If the file is damaged, or is none.
    """
    with _opened(file) as arrays:
        if isinstance(arrays, np.ndarray):
            raise BadSource(f"{file} is a single array, not an .npz archive", "use kind npy for it")
        read = {name: arrays[name] for name in arrays.files if name in wanted}
        for name, array in read.items():
            if not isinstance(array, np.ndarray):  # a member without the head of an .npy
                raise ValueError(f"{name} is no array")
    return read


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    """Give what numpy makes of a file, an array or an archive; what goes wrong is the file's."""
    try:
        # opened here: numpy leaves a damaged archive open
        with open_plain(file) as stream:
            # no pickles: an array of objects could run any code
            yield np.load(stream, allow_pickle=False)
    except BadSource:
        raise
    except Exception as error:  # zipfile and its codecs meet hostile bytes and raise anything
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        remedy = "save plain arrays with numpy.save or numpy.savez; arrays of objects are not read"
        raise BadSource(f"{file} cannot be read: {reason}", remedy) from error


def _labels(
    arrays: dict[str, NDArray[Any]], file: Path, multi: bool
) -> tuple[list[KnownLabel], list[str]]:
    if "y" not in arrays:
        raise BadSource(f"{file} has no array y", "add y, or leave out labels")
    y = arrays["y"]
    if "classes" not in arrays:
        is_known = y != -1 if y.dtype.kind in "iu" else np.ones(len(y), dtype=bool)
        values, positions = np.unique(y[is_known], return_inverse=True)
        y = np.full(len(y), -1)
        y[is_known] = positions
        classes = _texts(values)
    else:
        classes = _texts(arrays["classes"])
        if y.dtype.kind not in "iu":
            raise BadSource(f"{file}: y has type {y.dtype}", "y holds positions in classes")
        unfit = np.flatnonzero((y < -1) | (y >= len(classes))).tolist()
        if unfit:
            raise BadSource(
                f"{file}: y of rows {shown(unfit)} counts beyond the {len(classes)} classes",
                "y holds positions in classes, -1 where the label is unknown",
            )
    # -1 takes the last one, None
    named: list[KnownLabel] = [*([name] if multi else name for name in classes), None]
    return [named[position] for position in y.tolist()], classes


def _texts(values: NDArray[Any]) -> list[str]:
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    return [str(value) for value in values.ravel().tolist()]


def _row_numbers(n: int) -> list[str]:
    return [str(row) for row in range(n)]
