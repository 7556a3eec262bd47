"""A gate for samples that arrive later: new, duplicate or outlier, against those that were kept."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from al_server.curation.curated import Curated
from al_server.curation.packed_texts import Packed, pack, unpack
from al_server.errors import BadInput, BadSource
from al_server.sources.arrays import load_arrays
from al_server.sources.listing import checked_vectors
from strategies.pool import Rows

if TYPE_CHECKING:
    from al_server.curation.pipeline import Pipeline

VERDICTS: Final = ("new", "duplicate", "outlier")
NEW, DUPLICATE, OUTLIER = VERDICTS
LEAST: Final = 1e-6
"""Distances up to this are rounding."""
ALIKE: Final = frozenset({"similar", "duplicate", "near_duplicate"})
"""Reasons that say of a sample that it is much like another."""
FAR: Final = "outlier"
"""The reason that says of a sample that it is far from all others."""
_BLOCK: Final = 4096  # vectors at a time


class Verdicts(NamedTuple):
    """What the gate says of each sample.

    Attributes
    ----------
    verdicts : list of n texts, "new", "duplicate" or "outlier"
    nearest : int64 array of shape (n,), row of the nearest kept sample, of equal ones the first
    distances : float32 array of shape (n,), to it
    """

    verdicts: list[str]
    nearest: Rows
    distances: NDArray[np.float32]


@dataclass(frozen=True)
class Gate:
    """Judges by the distance to the nearest kept sample.

    Attributes
    ----------
    vectors : float32 array of shape (n_kept, n_features); unit rows where the metric is cosine
    sample_ids : of the kept samples
    duplicate_distance : what is as near is a duplicate
    outlier_distance : what is farther is an outlier; inf: nothing is
    metric : "cosine" or "euclidean"
    embedder : id of what made the vectors; empty where they were given
    embedder_name : what ``--embedder`` said of it, as ``timm:mobilenetv2_100``; empty if nothing
    checkpoint : absolute path of its local weights; empty where there were none
    """

    vectors: NDArray[np.float32]
    sample_ids: list[str]
    duplicate_distance: float
    outlier_distance: float
    metric: str = "cosine"
    embedder: str = ""
    embedder_name: str = ""
    checkpoint: str = ""

    @classmethod
    def fit(
        cls,
        vectors: NDArray[Any],
        sample_ids: list[str],
        *,
        duplicate_distance: float,
        outlier_distance: float,
        metric: str = "cosine",
        embedder: str = "",
    ) -> Self:
        """Make a gate of the vectors and ids that were kept.

        Raises
        ------
        BadInput, BadSource
            If they do not fit together.
        """
        if len(vectors) != len(sample_ids):
            raise BadInput(
                f"{len(vectors)} vectors, {len(sample_ids)} ids", "give every vector an id"
            )
        if metric not in ("cosine", "euclidean"):
            raise BadInput(f"a gate cannot measure {metric} distances", "use cosine or euclidean")
        if not 0 <= duplicate_distance <= outlier_distance:
            raise BadInput(
                f"duplicates within {duplicate_distance}, outliers beyond {outlier_distance}",
                "give two distances, the second not smaller",
            )
        rows = checked_vectors(np.asarray(vectors), where="vectors of the gate")
        return cls(
            _comparable(rows, metric),
            list(sample_ids),
            float(duplicate_distance),
            float(outlier_distance),
            metric,
            embedder,
        )

    @classmethod
    def of(cls, pipeline: "Pipeline", curated: Curated, *, embedder: str = "") -> Self:
        """Make a gate with the thresholds of a curation.

        Of all curated samples the distance to the nearest other sample that was kept is taken. The
        share that went as outliers is the share of these distances that lies beyond
        `outlier_distance`. For `duplicate_distance` only those count that filters of the chain
        removed as similar, duplicate or near duplicate, and those that stayed beside them: so many
        of their distances to what stayed then lie within it as went. What was removed to reach the
        wanted number, as covered, dark or whatever else, says nothing about it. Without outliers,
        nothing that arrives is one; without such a filter, only equals are duplicates. Where the
        filter that reached the number is in the chain too, and ran once, it is taken to have
        reached the number.
        """
        near, far = max(_near(pipeline, curated), LEAST), _far(pipeline, curated)
        return cls.fit(
            pipeline.vectors[curated.kept],
            [curated.sample_ids[row] for row in curated.kept],
            duplicate_distance=near,
            outlier_distance=max(near, far),
            metric=pipeline.metric,
            embedder=embedder,
        )

    def thresholds(self) -> dict[str, float | str | None]:
        """Return where the verdicts begin, for programs; None: nothing is an outlier."""
        return {
            "duplicate_distance": self.duplicate_distance,
            "outlier_distance": None if np.isinf(self.outlier_distance) else self.outlier_distance,
            "metric": self.metric,
        }

    def described(self) -> str:
        """Say where the verdicts begin."""
        far = self.outlier_distance
        outlier = "no outliers" if np.isinf(far) else f"outlier beyond {far:.3g}"
        return f"duplicate up to {self.duplicate_distance:.3g}, {outlier} ({self.metric})"

    def judge(self, vectors: NDArray[Any]) -> Verdicts:
        """Judge vectors, each by itself, whatever comes with it.

        Parameters
        ----------
        vectors : array of shape (n, n_features)

        Raises
        ------
        BadInput, BadSource
            If they are of another width, not finite, zero, or too long to be measured.

        Notes
        -----
        Time O(n n_kept n_features).
        """
        given = checked_vectors(np.asarray(vectors), where="vectors")
        if given.shape[1] != self.vectors.shape[1]:
            raise BadInput(
                f"the vectors have {given.shape[1]} numbers each, those of the gate "
                f"{self.vectors.shape[1]}",
                "embed them as the kept samples were embedded",
            )
        given = _comparable(given, self.metric)
        nearest = self._nearest(given)
        distances = self._distances(given, nearest)
        verdicts = np.where(
            distances <= self.duplicate_distance,
            DUPLICATE,
            np.where(distances > self.outlier_distance, OUTLIER, NEW),
        )
        return Verdicts(verdicts.tolist(), nearest, distances)

    def _nearest(self, given: NDArray[np.float32]) -> Rows:
        """Return the nearest kept row of each vector, by differences: these keep their digits."""
        from strategies.filters.search import everywhere

        n_kept, n = len(self.vectors), len(given)
        both = np.concatenate([self.vectors, given])
        search = everywhere(both, "euclidean", np.arange(n_kept))
        rows: Rows = search.nearest(np.arange(n_kept, n_kept + n), k=1).rows[:, 0].astype(np.int64)
        if (rows < 0).any():
            raise BadInput(
                f"the vector at row {int((rows < 0).argmax())} is too far away to be measured",
                "scale the vectors as those of the kept samples were",
            )
        return rows

    def _distances(self, given: NDArray[np.float32], nearest: Rows) -> NDArray[np.float32]:
        distances = np.empty(len(given), dtype=np.float32)
        for start in range(0, len(given), _BLOCK):
            some = slice(start, start + _BLOCK)
            difference = given[some].astype(np.float64) - self.vectors[nearest[some]]
            squares = (difference**2).sum(axis=1)
            # half the square of the difference of unit rows: no rounding to below zero near equals
            distances[some] = squares / 2 if self.metric == "cosine" else np.sqrt(squares)
        return distances

    def save(self, file: Path) -> None:
        """Write one .npz."""
        ids = pack(self.sample_ids)
        with file.open("wb") as stream:
            np.savez(
                stream,
                X=self.vectors,
                ids=ids.text,
                ends=ids.ends,
                distances=np.array([self.duplicate_distance, self.outlier_distance]),
                names=np.array([self.metric, self.embedder, self.embedder_name, self.checkpoint]),
            )

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read what `save` wrote; no pickles.

        Raises
        ------
        BadInput, BadSource
            If it is no gate.
        """
        try:
            arrays = load_arrays(file, {"distances", "names", "X", "ids", "ends"})
            near, far = map(float, arrays["distances"].tolist())
            metric, embedder, embedder_name, checkpoint = map(str, arrays["names"].tolist())
            vectors, ids = arrays["X"], unpack(Packed(arrays["ids"], arrays["ends"]))
        except (BadSource, ValueError, KeyError, TypeError) as error:
            raise BadInput(
                f"{file} is no gate: {error}", "write one with al-server filter --gate"
            ) from error
        gate = cls.fit(
            vectors,
            ids,
            duplicate_distance=near,
            outlier_distance=far,
            metric=metric,
            embedder=embedder,
        )
        return replace(gate, embedder_name=embedder_name, checkpoint=checkpoint)


def _comparable(vectors: NDArray[np.float32], metric: str) -> NDArray[np.float32]:
    from al_server.campaign.pool_files import unit_rows

    return unit_rows(vectors) if metric == "cosine" else vectors


def _near(pipeline: "Pipeline", curated: Curated) -> float:
    """Return the distance within which samples went as alike; 0 where none did."""
    last = len(curated.steps) - 1
    alike = [
        place
        for place, step in enumerate(curated.steps)
        if step.reason in ALIKE and not (place == last and step.name == pipeline.keep_by)
    ]
    went = np.isin(curated.step_of, alike)
    if not went.any():
        return 0.0
    stayed = _marked(curated, curated.kept, curated.removed[curated.step_of > alike[-1]])
    looked_at = stayed | _marked(curated, curated.removed[went])
    distances = _to_nearest(pipeline, looked_at, stayed)
    return float(distances[min(int(went.sum()), len(distances)) - 1]) if len(distances) else 0.0


def _far(pipeline: "Pipeline", curated: Curated) -> float:
    """Return the distance beyond which samples went as outliers; inf where none did."""
    n_outliers = sum(one.n_removed for one in curated.steps if one.reason == FAR)
    kept = _marked(curated, curated.kept)
    distances = _to_nearest(pipeline, np.ones_like(kept), kept)
    return float(distances[-1 - n_outliers]) if 0 < n_outliers < len(distances) else np.inf


def _marked(curated: Curated, *rows: Rows) -> NDArray[np.bool_]:
    marks = np.zeros(len(curated.sample_ids), dtype=np.bool_)
    marks[np.concatenate(rows)] = True
    return marks


def _to_nearest(
    pipeline: "Pipeline", rows: NDArray[np.bool_], kept: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return the distances of marked rows to the nearest other kept one, ascending."""
    from strategies.filters.kept_neighbors import nearest_kept

    points = pipeline.points
    places = np.flatnonzero(rows[points.order])
    found = nearest_kept(points, places, kept[points.order]).distances
    return np.sort(found[~np.isnan(found)])  # NaN where one alone is kept
