"""What a source holds, and the checks that every kind of source shares."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from al_server.answers import Failure
from al_server.errors import BadSource

_T = TypeVar("_T")
KnownLabel = str | list[str] | None
MAX_ID_LENGTH = 1000
BLOCK_ROWS = 65_536
N_SHOWN = 5


@dataclass(frozen=True)
class Listing:
    """The samples of one source, in its order; position i is the same sample in every list.

    Attributes
    ----------
    kind : what the samples are; decides which of `paths`, `texts`, `vectors` is not None
    sample_ids : distinct, 1 to 1000 characters each
    paths : existing files under the roots, links resolved
    texts : not empty
    vectors : float32 array of shape (n_samples, n_features); finite, no zero rows, not yet of unit
        length; fresh memory that the caller may overwrite
    labels : class names known beforehand, None where there is none; a list of names each where the
        task is multi-label; None as a whole unless the source says `labels: true`
    classes : the names that `labels` speaks of, in the source's own order or else sorted
    groups : for each sample the name of what it was made from, where the source says so
    failures : what was left out, and why
    note : what a person should know about the reading, or nothing
    """

    kind: Literal["image", "text", "vector"]
    sample_ids: list[str]
    paths: list[Path] | None = None
    texts: list[str] | None = None
    vectors: NDArray[np.float32] | None = None
    labels: list[KnownLabel] | None = None
    classes: list[str] | None = None
    groups: list[str] | None = None
    failures: list[Failure] = field(default_factory=list)
    note: str = ""


def check_ids(sample_ids: Sequence[str], *, where: Path) -> None:
    """Refuse ids that are doubled, empty or too long, naming the first few."""
    if len(set(sample_ids)) < len(sample_ids):
        doubled = [name for name, n in Counter(sample_ids).items() if n > 1]
        raise BadSource(
            f"{where}: {len(doubled)} ids occur more than once: {shown(doubled)}",
            "give every sample an id of its own",
        )
    unfit = [row for row, name in enumerate(sample_ids) if not 0 < len(name) <= MAX_ID_LENGTH]
    if unfit:
        raise BadSource(
            f"{where}: ids of rows {shown(unfit)} are empty or over {MAX_ID_LENGTH} characters",
            "shorten them",
        )


def checked_vectors(
    values: NDArray[np.generic], *, where: Path | str, row_numbers: Sequence[int] | None = None
) -> NDArray[np.float32]:
    """Return vectors as float32; refuse what is not a number, not finite or of length zero.

    Float32 in C order comes back as the same memory: a million rows are not copied. `row_numbers`
    say how the rows are called in the message; by default by their positions, from 0.
    """
    if values.ndim != 2 or values.dtype.kind not in "fiu" or 0 in values.shape:
        raise BadSource(
            f"{where}: embeddings have shape {values.shape} and type {values.dtype}",
            "one row of numbers a sample: shape (n_samples, n_features), at least 1 x 1",
        )
    with np.errstate(over="ignore"):  # too large for float32 becomes inf, and is named below
        vectors = np.ascontiguousarray(values, dtype=np.float32)
    not_finite: list[int] = []
    zero: list[int] = []
    for start in range(0, len(vectors), BLOCK_ROWS):
        block = vectors[start : start + BLOCK_ROWS]
        finite = np.isfinite(block).all(axis=1)
        not_finite.extend((np.flatnonzero(~finite) + start).tolist())
        zero.extend((np.flatnonzero(~block.any(axis=1)) + start).tolist())
    if not_finite or zero:
        found = {"NaN or infinite numbers": not_finite, "only zeros": zero}
        said = [
            f"rows {shown(rows if row_numbers is None else [row_numbers[row] for row in rows])} "
            f"hold {what}"
            for what, rows in found.items()
            if rows
        ]
        raise BadSource(
            f"{where}: {'; '.join(said)} (rows count from 0)",
            "leave these samples out, or embed them again",
        )
    return vectors


def class_names(labels: Sequence[KnownLabel] | None) -> list[str] | None:
    """Return the names that labels speak of, sorted."""
    if labels is None:
        return None
    names: set[str] = set()
    for label in labels:
        names.update([label] if isinstance(label, str) else label or [])
    return sorted(names)


def shown(values: Sequence[object]) -> str:
    """Name the first few, and how many more there are."""
    more = f" and {len(values) - N_SHOWN} more" if len(values) > N_SHOWN else ""
    return ", ".join(str(value) for value in values[:N_SHOWN]) + more


def only(listing: Listing, positions: NDArray[np.int64]) -> Listing:
    """Return the listing with the samples at `positions` alone."""
    if len(positions) == len(listing.sample_ids):
        return listing
    return replace(
        listing,
        sample_ids=[listing.sample_ids[position] for position in positions],
        paths=_some(listing.paths, positions),
        texts=_some(listing.texts, positions),
        vectors=None if listing.vectors is None else listing.vectors[positions],
        labels=_some(listing.labels, positions),
        groups=_some(listing.groups, positions),
    )


def _some(values: list[_T] | None, positions: NDArray[np.int64]) -> list[_T] | None:
    return None if values is None else [values[position] for position in positions]
