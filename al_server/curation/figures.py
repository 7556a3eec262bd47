"""How well the kept samples cover the others, and how far the answer is certain."""

from typing import NamedTuple

import numpy as np

from al_server.curation.curated import Curated
from al_server.curation.pipeline import Pipeline


class Figures(NamedTuple):
    """Figures of one curation.

    Attributes
    ----------
    n_by_reason : how many went, by reason
    cover_radius : largest distance from a sample that another one stands for to the nearest kept;
        None where there are none
    recall : share of the true neighbors that the graph holds; 1 where it is exact
    uncertified_share : of all samples, those whose answer rests on neighbors that may not be the
        nearest; of the filter where they are most, None where no filter says
    """

    n_by_reason: dict[str, int]
    cover_radius: float | None
    recall: float
    uncertified_share: float | None


def figures(pipeline: Pipeline, curated: Curated) -> Figures:
    """Measure a curation of a pipeline.

    Time O(n_removed k), and of a scan of the kept for a removed sample without a kept neighbor.
    """
    from strategies.filters.kept_neighbors import nearest_kept
    from strategies.filters.nearest import measured_recall

    points = pipeline.points
    n = len(points.order)
    place = np.empty(n, dtype=np.int64)
    place[points.order] = np.arange(n)
    kept = np.zeros(n, dtype=np.bool_)
    kept[place[curated.kept]] = True
    covered = place[curated.removed[curated.because_of >= 0]]
    distances = nearest_kept(points, covered, kept).distances
    counts: dict[str, int] = {}
    for step in curated.steps:
        counts[step.reason] = counts.get(step.reason, 0) + step.n_removed
    uncertified = [
        int(found)
        for step in curated.steps
        if step.n_removed
        and (found := getattr(pipeline.tree(step.name), "n_uncertified", None)) is not None
    ]
    return Figures(
        n_by_reason=counts,
        cover_radius=float(distances.max()) if len(distances) else None,
        recall=1.0 if points.exact or points.metric == "geodesic" else measured_recall(points),
        uncertified_share=max(uncertified) / n if uncertified else None,
    )
