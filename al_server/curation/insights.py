"""What a curation did, as one page that needs nothing else.

The page carries its style, its pictures, its numbers and plotly.js inside of it, and a policy that
lets nothing else run or load: it asks no network for anything, whatever a sample is called.
"""

from collections import Counter
from collections.abc import Sequence, Sized
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from al_server.curation import insights_measures as measures
from al_server.curation.curated import Curated
from al_server.curation.insights_pictures import Pictures, Read, reader, thumbnails
from al_server.curation.projection import MOST_ROWS, Method, check_method, project
from al_server.errors import BadInput
from strategies.pool import Rows

OUTLIER = "outlier"
"""The reason whose samples are drawn as outliers; every other one has a kept sample."""
_N_SIDE_BY_SIDE, _N_BESIDE = 24, 5
_N_OUTLIERS_SHOWN = 36
_LONGEST_TEXT = 280


class Texts(Protocol):
    """A text for each sample, or None; a list will do."""

    def __len__(self) -> int: ...

    def __getitem__(self, row: int, /) -> str | None: ...


class Beside(NamedTuple):
    """A removed sample beside the kept one that stands for it."""

    row: int
    reason: str
    distance: float


@dataclass(frozen=True)
class Insights:
    """All that the page shows.

    Attributes
    ----------
    drawn : int64 array of shape (n_drawn,), samples on the map, ascending
    flat, solid : float32 arrays of shape (n_drawn, 2) and (n_drawn, 3)
    state : int8 array of shape (n,), 0 kept, 1 + position in `curated.steps` otherwise
    because_of : int64 array of shape (n,), -1 where there is none
    distance, score : float32 arrays of shape (n,), NaN where there is none
    pairs : kept samples beside what they stand for
    outliers : rows and scores
    pictures : small pictures of the samples
    texts : a text for each sample, or None
    """

    title: str
    curated: Curated
    method: Method
    euclidean: bool
    drawn: Rows
    flat: NDArray[np.float32]
    solid: NDArray[np.float32]
    state: NDArray[np.int8]
    because_of: Rows
    distance: NDArray[np.float32]
    score: NDArray[np.float32]
    histogram: measures.Histogram
    cover: measures.Cover | None
    classes: list[measures.Balance]
    clusters: list[measures.Balance]
    pairs: list[tuple[int, list[Beside]]]
    outliers: list[int]
    pictures: Pictures
    texts: Texts | None

    def text(self, row: int) -> str | None:
        """Return the text of a sample, cut where it is long."""
        text = None if self.texts is None else self.texts[row]
        if text is None or len(text) <= _LONGEST_TEXT:
            return text
        return text[: _LONGEST_TEXT - 1] + "…"


def write(
    curated: Curated,
    vectors: NDArray[np.float32],
    path: str | Path,
    *,
    classes: NDArray[np.int64] | None = None,
    class_names: Sequence[str] | None = None,
    image_paths: Sequence[str | Path | None] | None = None,
    texts: Texts | None = None,
    projection: Method = "pca",
    title: str = "Curation",
    metric: Literal["cosine", "euclidean"] = "cosine",
    seed: int = 0,
) -> None:
    """Write the page.

    Parameters
    ----------
    curated : what was kept and removed
    vectors : float32 array of shape (n, n_features), finite; what the filters looked at
    path : file to write; one that is there is replaced as a whole
    classes : int64 array of shape (n,), class of each sample, -1 for none
    class_names : by class
    image_paths, texts : content of each sample, None where there is none
    projection : of the map; umap needs the extra of that name
    metric : what the filters measured by
    seed : draws which samples are looked at where there are too many for all

    Raises
    ------
    BadInput
        If the arrays do not fit each other, or the projection is not installed.
    """
    from al_server.curation.insights_page import render
    from al_server.lab.writing import write_whole

    _check_length("image_paths", image_paths, len(curated.sample_ids))
    found = gather(
        curated,
        vectors,
        classes=classes,
        class_names=class_names,
        path_of=None if image_paths is None else reader(image_paths),
        texts=texts,
        projection=projection,
        title=title,
        metric=metric,
        seed=seed,
    )
    write_whole(Path(path), render(found).encode())


def gather(
    curated: Curated,
    vectors: NDArray[np.float32],
    *,
    classes: NDArray[np.int64] | None = None,
    class_names: Sequence[str] | None = None,
    path_of: Read | None = None,
    texts: Texts | None = None,
    projection: Method = "pca",
    title: str = "Curation",
    metric: Literal["cosine", "euclidean"] = "cosine",
    seed: int = 0,
) -> Insights:
    """Compute what the page shows; see `write`."""
    _check(curated, vectors, projection)
    _check_length("classes", classes, len(vectors))
    _check_length("texts", texts, len(vectors))
    rng = np.random.default_rng(seed)
    euclidean = metric == "euclidean"
    vectors = np.ascontiguousarray(vectors, np.float32)
    if not euclidean:
        vectors = measures.unit_rows(vectors)
    state, because_of, distance, score = _by_row(curated, len(vectors))
    pairs, outliers = _pairs(curated), _outliers(curated)
    drawn = _drawn(curated, state, MOST_ROWS[projection], rng)
    shown = [row for kept, beside in pairs for row in (kept, *(one.row for one in beside))]
    shown += outliers
    wanted = chain(shown, _most_wanted(curated, drawn, state, because_of, rng))
    return Insights(
        title=title,
        curated=curated,
        method=projection,
        euclidean=euclidean,
        drawn=drawn,
        flat=project(vectors, drawn, n_dimensions=2, method=projection, seed=seed),
        solid=project(vectors, drawn, n_dimensions=3, method=projection, seed=seed),
        state=state,
        because_of=because_of,
        distance=distance,
        score=score,
        histogram=measures.histogram(curated, vectors, euclidean=euclidean, rng=rng),
        cover=measures.cover(curated, vectors, euclidean=euclidean, rng=rng),
        classes=[] if classes is None else measures.class_balance(curated, classes, class_names),
        clusters=measures.cluster_balance(curated, vectors, rng=rng),
        pairs=pairs,
        outliers=outliers,
        pictures=thumbnails(wanted, path_of, large=shown),
        texts=texts,
    )


def _check(curated: Curated, vectors: NDArray[np.float32], projection: str) -> None:
    n = len(curated.sample_ids)
    if vectors.ndim != 2 or len(vectors) != n:
        raise BadInput(
            f"vectors have shape {vectors.shape}, and there are {n} samples",
            "give the vectors that were curated, one row a sample",
        )
    if not np.isfinite(vectors).all():
        raise BadInput("vectors hold NaN or infinite numbers", "leave those samples out")
    check_method(projection)


def _check_length(name: str, one: Sized | None, n: int) -> None:
    if one is not None and len(one) != n:
        raise BadInput(f"{name} has {len(one)} entries for {n} samples", "give one a sample")


def _by_row(
    curated: Curated, n: int
) -> tuple[NDArray[np.int8], Rows, NDArray[np.float32], NDArray[np.float32]]:
    state = np.zeros(n, np.int8)
    because_of = np.full(n, -1, np.int64)
    distance, score = np.full((2, n), np.nan, np.float32)
    state[curated.removed] = curated.step_of + 1
    because_of[curated.removed] = curated.because_of
    distance[curated.removed] = curated.distances
    score[curated.removed] = curated.scores
    return state, because_of, distance, score


def _drawn(curated: Curated, state: NDArray[np.int8], most: int, rng: np.random.Generator) -> Rows:
    """Choose who is on the map: all, or as many of each kind as their share, a few at least."""
    n = len(state)
    if n <= most:
        return np.arange(n)
    fewest = min(200, most // 10)
    sizes = np.bincount(state, minlength=len(curated.steps) + 1)
    wanted = np.minimum(sizes, np.maximum(most * sizes // n, fewest))
    # what was given to rare kinds is taken from the largest
    wanted[sizes.argmax()] -= max(0, int(wanted.sum()) - most)
    chosen = [
        rng.choice(np.flatnonzero(state == one), n_wanted, replace=False)
        for one, n_wanted in enumerate(wanted.tolist())
    ]
    return np.sort(np.concatenate(chosen))


def _most_wanted(
    curated: Curated,
    drawn: Rows,
    state: NDArray[np.int8],
    because_of: Rows,
    rng: np.random.Generator,
) -> list[int]:
    """Order who is on the map: outliers, then removed ones each with who stands for it, the rest.

    A removed sample alone says nothing: one wants to see what is kept instead of it.
    """
    reasons = np.array(["", *(step.reason for step in curated.steps)])
    mixed = rng.permutation(drawn)
    is_outlier = reasons[state[mixed]] == OUTLIER
    with_kept = mixed[because_of[mixed] >= 0]
    both = np.column_stack([with_kept, because_of[with_kept]]).ravel()
    return [int(row) for row in np.concatenate([mixed[is_outlier], both, mixed])]


def _pairs(curated: Curated) -> list[tuple[int, list[Beside]]]:
    """Return kept samples that stand for others, those that stand for most first, nearest first."""
    counts = Counter(curated.because_of[curated.because_of >= 0].tolist())
    # by name where equal: nothing may hang on the order of rows
    ranked = sorted(counts, key=lambda row: (-counts[row], curated.sample_ids[row]))
    shown = _spread(ranked, _N_SIDE_BY_SIDE)
    found: list[tuple[int, list[Beside]]] = []
    for kept in shown:
        places = np.flatnonzero(curated.because_of == kept)
        places = places[np.argsort(curated.distances[places], kind="stable")][:_N_BESIDE]
        beside = [
            Beside(
                int(curated.removed[at]),
                curated.steps[curated.step_of[at]].reason,
                float(curated.distances[at]),
            )
            for at in places
        ]
        found.append((kept, beside))
    return found


def _spread(ranked: list[int], n: int) -> list[int]:
    """Half of them from the top, half evenly from the rest: extremes alone would mislead."""
    if len(ranked) <= n:
        return ranked
    rest = ranked[n // 2 :]
    picked = {rest[len(rest) * place // (n - n // 2)] for place in range(n - n // 2)}
    return ranked[: n // 2] + [row for row in rest if row in picked]


def _outliers(curated: Curated) -> list[int]:
    """Return the first outliers and the last: the surest, and those at the border."""
    reasons = np.array([step.reason for step in curated.steps] or [""])
    rows = curated.removed[reasons[curated.step_of] == OUTLIER] if len(curated.removed) else []
    listed = [int(row) for row in rows]
    if len(listed) <= _N_OUTLIERS_SHOWN:
        return listed
    half = _N_OUTLIERS_SHOWN // 2
    return listed[:half] + listed[-half:]
