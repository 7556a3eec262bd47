"""The files of one campaign: what is too large for tables, and can be computed again."""

import errno
import json
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from al_server.campaign.holdout import HoldoutData
from al_server.campaign.nearest import NearestLists
from al_server.campaign.neighbors import N_NEIGHBORS
from al_server.errors import StorageFull
from al_server.models import Source
from al_server.store.catalog import StoredCampaign

if TYPE_CHECKING:
    from embeddings.reduction import Reduction

MAPS = ("reduction", "metric")
"""What vectors go through after the embedder, in this order, where the campaign has it."""
_GENERATION = "vectors-"
_BLOCK = 65_536
_log = logging.getLogger(__name__)


def unit_rows(
    vectors: NDArray[np.floating], *, out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Scale rows to length one, in place with `out=vectors`.

    Each row by itself, so that the bits do not depend on its company.
    """
    result = np.empty(vectors.shape, dtype=np.float32) if out is None else out
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK].astype(np.float64)
        block /= np.abs(block).max(axis=1, keepdims=True)  # so that squares cannot overflow
        result[start : start + _BLOCK] = block / np.sqrt((block**2).sum(axis=1, keepdims=True))
    return result


class PoolFiles:
    """Embeddings, neighbours, holdout and a user's own predictions of one campaign.

    Each re-embedding makes a generation of vectors with files of its own. The first one lies in
    the campaign's folder itself.

    Parameters
    ----------
    folder : of the campaign
    generation : of the vectors
    """

    def __init__(self, folder: Path, *, generation: int = 0) -> None:
        self.folder = folder
        self.generation = generation
        self._vectors = folder if generation == 0 else folder / f"{_GENERATION}{generation}"
        self._vectors.mkdir(parents=True, exist_ok=True)

    @property
    def embedder_state(self) -> Path:
        """Folder where a fitted embedder keeps what it has learned of the pool."""
        return self._vectors / "embedder"

    # -- generations ---------------------------------------------------------------------------

    def of_generation(self, generation: int) -> "PoolFiles":
        """Return the files of another generation of vectors."""
        return PoolFiles(self.folder, generation=generation)

    def drop_other_generations(self, *, keep_first: bool) -> None:
        """Delete the vectors of all generations but this one; with `keep_first` not the first's."""
        for folder in self.folder.glob(f"{_GENERATION}*"):
            if folder != self._vectors:
                shutil.rmtree(folder, ignore_errors=True)
        if self.generation == 0 or keep_first:
            return
        shutil.rmtree(self.folder / "embedder", ignore_errors=True)
        for name in ("embeddings.f32", "neighbors.npz", "holdout.npz", *map("{}.npz".format, MAPS)):
            try:
                (self.folder / name).unlink(missing_ok=True)
            except OSError as error:
                _log.warning("%s is not needed, but could not be deleted: %s", name, error)

    def save_map(self, name: str, fitted: "Reduction") -> None:
        """Keep one of `MAPS`, which later samples go through, too."""
        path = self._vectors / f"{name}.npz"
        with _needs_room(path):
            fitted.save(path)

    def maps(self, names: Sequence[str]) -> "list[Reduction]":
        """Return these maps; a lost or damaged one is an `EmbedderUnavailable` that names it."""
        from embeddings.reduction import load_reduction

        return [load_reduction(self._vectors / f"{name}.npz") for name in names]

    # -- embeddings ----------------------------------------------------------------------------

    def append_embeddings(self, vectors: NDArray[np.float32], *, n_before: int) -> None:
        """Write unit rows after the first `n_before`; what a broken run left behind goes."""
        path = self._vectors / "embeddings.f32"
        mode = "r+b" if path.exists() else "w+b"
        with _needs_room(path), path.open(mode) as file:
            file.truncate(n_before * vectors.shape[1] * 4)
            file.seek(0, os.SEEK_END)
            np.ascontiguousarray(vectors, dtype="<f4").tofile(file)
            file.flush()
            os.fsync(file.fileno())

    def embeddings(self, n_samples: int, n_features: int) -> NDArray[np.float32]:
        """Return the embeddings, mapped from the file, shape (n_samples, n_features)."""
        # "c": the kernels are compiled for arrays that look writable; the file is never written
        mapped = np.memmap(
            self._vectors / "embeddings.f32", dtype="<f4", mode="c", shape=(n_samples, n_features)
        )
        return np.asarray(mapped)

    def width(self, n_samples: int) -> int:
        """Return how many numbers a vector has, told by the size of the file."""
        n_bytes = (self._vectors / "embeddings.f32").stat().st_size
        return n_bytes // (4 * n_samples)

    # -- neighbors -----------------------------------------------------------------------------

    def save_neighbors(self, lists: NearestLists) -> None:
        """Keep the neighbours inside the pool."""
        _save(self._vectors / "neighbors.npz", rows=lists.rows, distances=lists.distances)

    def load_neighbors(self, n_samples: int) -> NearestLists | None:
        """Return the neighbours, or None where they are not there for exactly these samples."""
        path = self._vectors / "neighbors.npz"
        if not path.exists():
            return None
        try:
            stored = _load(path)
        except (OSError, ValueError, EOFError, BadZipFile) as error:
            # they can be computed again
            _log.warning("%s cannot be read: %s", path, error)
            return None
        if stored["rows"].shape != (n_samples, N_NEIGHBORS):
            return None
        lists = NearestLists(0, n_watched=N_NEIGHBORS, n_spare=0)
        lists.adopt(stored["rows"], stored["distances"])
        return lists

    # -- holdout and predictions ---------------------------------------------------------------

    def save_holdout(self, data: HoldoutData) -> None:
        """Keep the holdout."""
        _save(self._vectors / "holdout.npz", embeddings=data.embeddings, truth=data.truth)

    def load_holdout(self) -> HoldoutData:
        """Return the holdout; a lost file is an OSError that names it."""
        stored = _load(self._vectors / "holdout.npz")
        return HoldoutData(stored["embeddings"], stored["truth"])

    def save_predictions(self, name: str, probabilities: NDArray[np.float32]) -> None:
        """Keep a user's own predictions under a name."""
        _save(self.folder / name, probabilities=probabilities)

    def drop_predictions(self, *, but: str | None) -> None:
        """Delete all predictions, finished or not, but those of one name."""
        for path in self.folder.glob("predictions-*"):
            if path.name != but:
                try:
                    path.unlink(missing_ok=True)
                except OSError as error:
                    _log.warning("%s was replaced, but could not be deleted: %s", path, error)

    def load_predictions(self, name: str) -> NDArray[np.float32]:
        """Return a user's own predictions; a lost file is an OSError that names it."""
        return _load(self.folder / name)["probabilities"]

    # -- additions that are under way ----------------------------------------------------------

    def additions(self) -> list[Source]:
        """Return the sources that were to be added and are not in yet, oldest first."""
        path = self.folder / "additions.json"
        if not path.exists():
            return []
        return [Source.model_validate(source) for source in json.loads(path.read_text("utf-8"))]

    def remember_addition(self, source: Source) -> None:
        """Keep a source until it is in, so that a restart takes it up again."""
        self._write_additions([*self.additions(), source])

    def forget_addition(self, source: Source) -> None:
        """Let go of a source that is in, or that cannot be taken in."""
        left = self.additions()
        if source in left:
            left.remove(source)
            self._write_additions(left)

    def _write_additions(self, sources: list[Source]) -> None:
        path = self.folder / "additions.json"
        unfinished = path.with_suffix(".unfinished")
        with _needs_room(path):
            unfinished.write_text(json.dumps([source.model_dump() for source in sources]), "utf-8")
        unfinished.replace(path)


def files_of(data: Path, stored: StoredCampaign) -> PoolFiles:
    """Return the files of a stored campaign in a data folder, with the vectors that it uses."""
    generation = 0 if stored.prepared is None else stored.prepared.generation
    return PoolFiles(data / "campaigns" / str(stored.id), generation=generation)


def _save(path: Path, **arrays: NDArray[Any]) -> None:
    """Write all or nothing."""
    unfinished = path.with_suffix(".unfinished")
    with _needs_room(path), unfinished.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


@contextmanager
def _needs_room(path: Path) -> Iterator[None]:
    """Turn a full disk into an error that says so."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        path.with_suffix(".unfinished").unlink(missing_ok=True)
        raise StorageFull(
            f"{path.name} could not be written: {error.strerror}",
            "make room on the server's disk, then repeat",
        ) from error


def _load(path: Path) -> dict[str, NDArray[Any]]:
    # opened here: numpy leaves a damaged archive open
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        return dict(stored)
