"""A gate for samples that arrive later: new, duplicate or outlier, against those that were kept."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from al_server.curation.curated import Curated
from al_server.errors import BadInput
from al_server.sources.listing import checked_vectors
from strategies.pool import Rows

if TYPE_CHECKING:
    from al_server.curation.pipeline import Pipeline

NEW, DUPLICATE, OUTLIER = "new", "duplicate", "outlier"
LEAST: Final = 1e-6
"""Distances up to this are rounding."""
_BLOCK: Final = 2**22  # distances at a time


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
    embedder : name of what made the vectors; empty where they were given
    """

    vectors: NDArray[np.float32]
    sample_ids: list[str]
    duplicate_distance: float
    outlier_distance: float
    metric: str = "cosine"
    embedder: str = ""

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
        `outlier_distance`; the share that went as similar, or as exact duplicates, is the share
        within `duplicate_distance`. What was removed to reach the wanted number says nothing about
        either. Without outliers, nothing that arrives is one; without similars, only equals are
        duplicates.
        """
        from strategies.filters.kept_neighbors import nearest_kept

        points = pipeline.points
        n = len(points.order)
        kept = np.zeros(n, dtype=np.bool_)
        kept[curated.kept] = True
        found = nearest_kept(points, np.arange(n), kept[points.order]).distances
        distances = np.sort(found[~np.isnan(found)])  # NaN where one alone is kept
        reasons = [step.reason for step in curated.steps]
        by_filters = [step for step in curated.steps if step.name in pipeline.chain]
        n_outliers = sum(one.n_removed for one in curated.steps if one.reason == OUTLIER)
        n_alike = sum(one.n_removed for one in by_filters if one.reason != OUTLIER)
        near = float(distances[n_alike - 1]) if 0 < n_alike <= len(distances) else LEAST
        has_outliers = OUTLIER in reasons and 0 < n_outliers < len(distances)
        far = float(distances[-1 - n_outliers]) if has_outliers else np.inf
        near = max(near, LEAST)
        return cls.fit(
            pipeline.vectors[curated.kept],
            [curated.sample_ids[row] for row in curated.kept],
            duplicate_distance=near,
            outlier_distance=max(near, far),
            metric=pipeline.metric,
            embedder=embedder,
        )

    def judge(self, vectors: NDArray[Any]) -> Verdicts:
        """Judge vectors, each by itself, whatever comes with it.

        Parameters
        ----------
        vectors : array of shape (n, n_features)

        Raises
        ------
        BadInput, BadSource
            If they are of another width, not finite or zero.

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
        nearest = np.empty(len(given), dtype=np.int64)
        distances = np.empty(len(given), dtype=np.float32)
        n_rows = max(1, _BLOCK // len(self.vectors))
        for start in range(0, len(given), n_rows):
            some = slice(start, start + n_rows)
            nearest[some], distances[some] = self._nearest(given[some])
        verdicts = np.where(
            distances <= self.duplicate_distance,
            DUPLICATE,
            np.where(distances > self.outlier_distance, OUTLIER, NEW),
        )
        return Verdicts(verdicts.tolist(), nearest, distances)

    def _nearest(self, block: NDArray[np.float32]) -> tuple[Rows, NDArray[np.float32]]:
        products = block @ self.vectors.T
        if self.metric != "cosine":
            products -= (self.vectors.astype(np.float64) ** 2).sum(axis=1).astype(np.float32) / 2
        rows = products.argmax(axis=1).astype(np.int64)
        difference = block.astype(np.float64) - self.vectors[rows]
        squares = (difference**2).sum(axis=1)
        # half the square of the difference of unit rows: no rounding to below zero near equals
        distances = squares / 2 if self.metric == "cosine" else np.sqrt(squares)
        return rows, distances.astype(np.float32)

    def save(self, file: Path) -> None:
        """Write one .npz."""
        with file.open("wb") as stream:
            np.savez(
                stream,
                X=self.vectors,
                ids=np.array(self.sample_ids),
                distances=np.array([self.duplicate_distance, self.outlier_distance]),
                names=np.array([self.metric, self.embedder]),
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
            with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
                near, far = arrays["distances"].tolist()
                metric, embedder = arrays["names"].tolist()
                vectors, ids = arrays["X"], arrays["ids"].tolist()
        except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
            raise BadInput(
                f"{file} is no gate: {error}", "write one with al-server filter --gate"
            ) from error
        return cls.fit(
            vectors,
            ids,
            duplicate_distance=near,
            outlier_distance=far,
            metric=metric,
            embedder=embedder,
        )


def _comparable(vectors: NDArray[np.float32], metric: str) -> NDArray[np.float32]:
    from al_server.campaign.pool_files import unit_rows

    return unit_rows(vectors) if metric == "cosine" else vectors
