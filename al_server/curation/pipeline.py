"""Filters in a row over one data set: trees are built once, any amounts afterwards are quick.

In a notebook::

    from al_server.curation import Pipeline

    pipeline = Pipeline(vectors, filenames)
    curated = pipeline.run(outliers="5%", similars="10%", keep="50%")
    kept = [filenames[row] for row in curated.kept]
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from al_server.curation.amounts import Amount, Plan, make_plan
from al_server.curation.curated import Curated, Step
from al_server.errors import BadInput
from al_server.sources.listing import check_ids, checked_vectors

if TYPE_CHECKING:
    from strategies.filters.points import Filter, Metric, Points, Progress, Removed, Tree

_OPTIONS: Final = ("classes", "contents", "metric", "chain", "keep_by", "k", "progress")


class Pipeline:
    """A chain of filters over one set of vectors.

    Parameters
    ----------
    vectors : array of shape (n_samples, n_features), finite, no rows of zeros
    sample_ids : distinct names, one a row; they, not the order of rows, decide ties
    classes : int array of shape (n_samples,), known or predicted, for filters that go class by
        class
    contents : uint8 array of shape (n_samples, 32), SHA-256 of what was embedded, for exact
        duplicates
    metric : "cosine", "euclidean" or "geodesic"
    chain : filters in the order in which they run, as texts (``"per_class?filter=similars"``) or
        as filters, whose name is then their `reason`
    keep_by : filter that reaches `keep` exactly, after the chain
    k : neighbors of each sample
    progress : called with the share done of the step that is being worked on, in [0, 1]

    Raises
    ------
    BadInput, BadSource
        If vectors, ids, classes or filters cannot be used; it names the rows.
    """

    def __init__(
        self,
        vectors: NDArray[Any],
        sample_ids: Sequence[str],
        *,
        classes: NDArray[Any] | None = None,
        contents: NDArray[np.uint8] | None = None,
        metric: "Metric" = "cosine",
        chain: "Sequence[str | Filter]" = ("outliers", "similars"),
        keep_by: "str | Filter" = "coreset",
        k: int = 16,
        progress: "Progress | None" = None,
    ) -> None:
        self.vectors = checked_vectors(np.asarray(vectors), where="vectors")
        self.sample_ids = [str(one) for one in sample_ids]
        n = len(self.vectors)
        if len(self.sample_ids) != n:
            raise BadInput(
                f"there are {n:,} vectors and {len(self.sample_ids):,} sample ids",
                "give every vector an id",
            )
        check_ids(self.sample_ids, where=Path("sample_ids"))
        self.classes = _checked_classes(classes, n)
        self.contents = None if contents is None else np.asarray(contents, np.uint8)
        if self.contents is not None and self.contents.shape != (n, 32):
            raise BadInput(
                f"contents have shape {self.contents.shape}, not ({n}, 32)", "give a SHA-256 a row"
            )
        self.metric: Metric = metric
        self.k = k
        self.progress = progress
        if metric not in ("cosine", "euclidean", "geodesic"):
            raise BadInput(f"metric is {metric!r}", "give cosine, euclidean or geodesic")
        self.filters: dict[str, Filter] = {}
        for one in chain:
            name, made = make_filter(one)
            if name in self.filters:
                raise _same_name(name, "twice in the chain")
            self.filters[name] = made
        self.chain = tuple(self.filters)
        self.keep_by, made = make_filter(keep_by)
        if self.filters.setdefault(self.keep_by, made) != made:
            raise _same_name(self.keep_by, "in the chain, and another one is to reach keep")
        self._trees: dict[str, Tree] = {}
        self._building = RLock()

    @cached_property
    def points(self) -> "Points":
        """The samples in the order of their tie keys, with neighbors; made once."""
        from strategies.filters.nearest import points_from
        from strategies.tie_keys import tie_keys

        with _told():
            points = points_from(
                self.vectors,
                tie_keys(self.sample_ids),
                metric="euclidean" if self.metric == "geodesic" else self.metric,
                k=self.k,
                classes=self.classes,
                contents=self.contents,
                progress=self.progress,
            )
            if self.metric == "geodesic":
                from strategies.filters.shortest_paths import with_path_distances

                n_neighbors = points.neighbors.rows.shape[1]
                points = with_path_distances(points, max(1, n_neighbors))
            return points

    def tree(self, name: str) -> "Tree":
        """Return what a filter found out about all points; built at the first call."""
        with self._building:
            if name not in self._trees:
                with _told():
                    self._trees[name] = self.filters[name].build(
                        self.points, progress=self.progress
                    )
            return self._trees[name]

    def run(
        self,
        amounts: Mapping[str, Amount] | None = None,
        *,
        keep: Amount | None = None,
        n_receipts: int | None = None,
        **named: Amount,
    ) -> Curated:
        """Remove what each filter is asked to remove; the filters' order is that of the chain.

        Parameters
        ----------
        amounts : by filter, of all samples: a share (``"5%"``, ``0.05``), a count (``50``), or
            ``"auto"``; filters without one do nothing. After each filter floor((1 - sum) n) are
            left, so outliers of p, as the first, are exactly ceil(p n). At least one sample stays.
        keep : how many stay in the end, exactly, rounded half up; what is too many then goes by
            `keep_by`
        n_receipts : of each filter's samples, find what stands for the first so many only, where
            that must be searched for; the others have -1 and NaN. Makes sliders quick. None: all
        named : more amounts, ``outliers="5%"``

        Raises
        ------
        BadInput
            If amounts cannot be read or met.
        """
        asked = {**(amounts or {}), **named}
        unknown = [name for name in asked if name not in self.chain]
        if unknown:
            raise BadInput(
                f"{unknown[0]} is not in the chain {', '.join(self.chain) or 'of no filters'}",
                f"give it where the pipeline is made: Pipeline(..., {unknown[0]}=...)"
                if unknown[0] in _OPTIONS
                else "make the pipeline with it: Pipeline(..., chain=[...])",
            )
        asked = {name: asked[name] for name in self.chain if name in asked}
        plan = make_plan(len(self.vectors), asked, keep)
        steps, removed, alive = self._remove(plan)
        return self._curated(steps, removed, alive, n_receipts)

    def _remove(self, plan: Plan) -> "tuple[list[Step], list[Removed], NDArray[np.bool_]]":
        from strategies.filters.points import Chooses

        alive = np.ones(plan.n, dtype=np.bool_)
        steps: list[Step] = []
        removed: list[Removed] = []
        gone = Fraction(0)

        def take(name: str, n_remove: int | None) -> int:
            if n_remove == 0:  # nothing has to be found out for that
                n_gone = 0
            else:
                with _told():
                    tree = self.tree(name)
                    # what stands for them is searched for at the end, once, among what stays then
                    act = tree.choose if isinstance(tree, Chooses) else tree.remove
                    found = act(alive.copy(), n_remove)
                alive[found.rows] = False
                removed.append(found)
                n_gone = len(found.rows)
            steps.append(Step(name, reason_of(self.filters[name]), n_gone))
            return n_gone

        for name in plan.amounts:
            n_remove, wanted = plan.n_remove(name, gone, plan.n - int(alive.sum()))
            n_gone = take(name, n_remove)
            gone = gone + n_gone if n_remove is None else wanted
        n_left = int(alive.sum())
        if n_left == 0:
            raise BadInput(
                f"{', '.join(plan.amounts)}: all {plan.n:,} samples would go", "remove fewer"
            )
        n_keep = plan.n_keep(n_left)
        if n_keep is not None:
            take(self.keep_by, n_left - n_keep)
        return steps, removed, alive

    def _curated(
        self,
        steps: list[Step],
        removed: "list[Removed]",
        alive: NDArray[np.bool_],
        n_receipts: int | None,
    ) -> Curated:
        """Join the steps, lead back to the rows that were given, and complete the receipts."""
        from strategies.filters.points import NEAREST, Removed

        counts = [step.n_removed for step in steps]
        none = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
        parts = zip(*[Removed(*none, none[-1]), *removed], strict=True)
        rows, because_of, distances, scores = (np.concatenate(part) for part in parts)
        # what stood for a sample may have gone after it, or no sample of its class stays
        is_open = (because_of == NEAREST) | ((because_of >= 0) & ~alive[because_of])
        step_of = np.repeat(np.arange(len(steps), dtype=np.int8), counts)
        stands_for = np.bincount(step_of[because_of != -1], minlength=len(steps)) > 0
        is_open |= (because_of == -1) & (np.isnan(scores) | stands_for[step_of])
        because_of[is_open], distances[is_open] = -1, np.nan
        if n_receipts is not None:
            is_open &= np.concatenate([np.arange(count) < n_receipts for count in [0, *counts]])
        if is_open.any():
            from strategies.filters.kept_neighbors import nearest_kept

            nearest = nearest_kept(self.points, rows[is_open], alive)
            because_of[is_open] = nearest.rows.reshape(-1)
            distances[is_open] = nearest.distances.reshape(-1)
        order = self.points.order if len(rows) else np.arange(len(alive))
        return Curated(
            sample_ids=self.sample_ids,
            kept=np.sort(order[np.flatnonzero(alive)]),
            removed=order[rows],
            steps=tuple(steps),
            step_of=step_of,
            because_of=np.where(because_of < 0, -1, order[because_of]),
            distances=distances,
            scores=scores,
        )


def make_filter(given: "str | Filter") -> "tuple[str, Filter]":
    """Return the name of a filter in a chain, and the filter.

    Raises
    ------
    BadInput
        If a text makes none; it says which ones there are.
    """
    if not isinstance(given, str):
        return given.reason, given
    from strategies.filters import registry

    with _told():
        return given, registry.make(given)


def _same_name(name: str, where: str) -> BadInput:
    return BadInput(
        f"a filter called {name} is {where}",
        "name each filter once; objects are called by their reason: give texts instead, "
        "such as per_class?filter=similars",
    )


def reason_of(given: "Filter") -> str:
    """Return the word of a filter, or of the one that it has inside, as `per_class` does."""
    inner = getattr(given, "filter", None)
    return given.reason if inner is None or isinstance(inner, str) else reason_of(inner)


@contextmanager
def _told() -> Iterator[None]:
    """Tell what a filter refuses in our way; its message says the remedy."""
    try:
        yield
    except ValueError as error:
        raise BadInput(str(error)) from error


def _checked_classes(classes: NDArray[Any] | None, n: int) -> NDArray[np.int64] | None:
    if classes is None:
        return None
    values = np.asarray(classes)
    if values.shape != (n,) or values.dtype.kind not in "iu":
        raise BadInput(
            f"classes have shape {values.shape} and type {values.dtype}",
            f"give {n:,} whole numbers, one a sample",
        )
    return values.astype(np.int64)
