"""Labeled data to replay strategies on."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from al_server.errors import BadSource
from al_server.sources.arrays import read_npz
from al_server.sources.listing import Listing

FEWEST_SAMPLES = 10


@dataclass(frozen=True)
class LabeledData:
    """Samples whose labels are all known.

    Attributes
    ----------
    name : what reports call it
    embeddings : float32 array of shape (n_samples, n_features), unit-length rows
    labels : int64 array of shape (n_samples,), class index
    classes : names, by class index; every class has a sample
    groups : int64 array of shape (n_samples,), the group that a sample must not be parted from, or
        None
    caution : what readers of a report must know about these labels, or None
    classifier, k : those of the campaign they are from, or None
    """

    name: str
    embeddings: NDArray[np.float32]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    groups: NDArray[np.int64] | None = None
    caution: str | None = None
    classifier: Literal["knn", "propagated"] | None = None
    k: int | None = None

    def fingerprint(self) -> str:
        """Return a hash of the contents: equal for equal data, whatever it is called."""
        digest = hashlib.sha256("\0".join(self.classes).encode())
        for array in (self.embeddings, self.labels, self.groups):
            if array is not None:
                digest.update(f"{array.shape}{array.dtype}".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def read_data(file: Path) -> LabeledData:
    """Read an `.npz` of `X`, `y`, and perhaps `classes`, `ids`, `group`.

    Raises
    ------
    BadSource
        If it is no such file, holds NaN, or has too little to compare strategies on.
    """
    return from_listing(file.stem, read_npz(file, labels=True, multi=False))


def from_listing(name: str, listing: Listing) -> LabeledData:
    """Take the labeled samples of a source of vectors.

    Raises
    ------
    BadSource
        If there are too few, of fewer than two classes, or of a class with a single sample.
    """
    if listing.vectors is None or listing.labels is None:
        raise BadSource(
            f"{name} holds no labeled vectors", "give an .npz with X and y, or a campaign"
        )
    labeled = [row for row, label in enumerate(listing.labels) if isinstance(label, str)]
    names = [str(listing.labels[row]) for row in labeled]
    known = [one for one in listing.classes or sorted(set(names)) if one in set(names)]
    _check(name, names, known)
    vectors = listing.vectors[labeled]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = {one: number for number, one in enumerate(known)}
    groups = None
    if listing.groups is not None:
        groups = np.unique(np.array(listing.groups)[labeled], return_inverse=True)[1].astype(
            np.int64
        )
    labels = np.array([index[one] for one in names], np.int64)
    return LabeledData(name, vectors, labels, tuple(known), groups)


def _check(name: str, labels: list[str], classes: list[str]) -> None:
    if len(labels) < FEWEST_SAMPLES or len(classes) < 2:
        raise BadSource(
            f"{name} has {len(labels)} labeled samples of {len(classes)} classes",
            f"a comparison needs {FEWEST_SAMPLES} samples and two classes at least",
        )
    alone = [one for one in classes if labels.count(one) < 2]
    if alone:
        raise BadSource(
            f"{name}: class {alone[0]!r} has a single sample, which cannot be both in the pool and "
            "in the holdout",
            "leave the class out, or label another sample of it",
        )
