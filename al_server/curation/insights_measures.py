"""What a curation changed, in numbers: distances, cover and balance, before and after."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from al_server.curation.curated import Curated
from strategies.pool import Rows

Vectors = NDArray[np.float32]
MOST_QUERIES = 4_000
"""So many samples' neighbors are looked for at most; figures on more are those of a sample."""
_EXACT_PAIRS = 2e9
"""Up to here all pairs are compared for the cover radius: some seconds."""
N_CLUSTERS = 12
_QUANTILES = {
    "half of all samples": 0.5,
    "90%": 0.9,
    "95%": 0.95,
    "99%": 0.99,
    "the farthest": 1.0,
}
_FITTED = 5_000


class Histogram(NamedTuple):
    """Shares of samples whose nearest neighbor is so far away.

    Attributes
    ----------
    edges : float64 array of shape (n_bins + 1,)
    before, after : float64 arrays of shape (n_bins,), adding up to 1 or nothing
    n_before, n_after : samples that were looked at
    medians : of the distances before and after
    """

    edges: NDArray[np.float64]
    before: NDArray[np.float64]
    after: NDArray[np.float64]
    n_before: int
    n_after: int
    medians: tuple[float, float]


class Cover(NamedTuple):
    """How far any sample is from the nearest kept one.

    Attributes
    ----------
    quantiles : (name, distance), of all samples, the kept ones at distance 0 among them
    n_compared : removed samples that were looked at
    is_exact : whether these are all
    farthest_covered : the largest distance of those that a kept sample stands for, as
        `Figures.cover_radius` is; None where there are none
    """

    quantiles: list[tuple[str, float]]
    n_compared: int
    is_exact: bool
    farthest_covered: float | None


class Balance(NamedTuple):
    """How many samples of a class or cluster there were, and are left."""

    name: str
    n_before: int
    n_after: int


def unit_rows(vectors: Vectors) -> Vectors:
    """Scale rows to length 1; rows of zeros stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled = np.zeros_like(vectors)
    np.divide(vectors, lengths, where=lengths > 0, out=scaled)
    return scaled


def histogram(
    curated: Curated, vectors: Vectors, *, euclidean: bool, rng: np.random.Generator
) -> Histogram:
    """Compare the distances to the nearest neighbor before and after."""
    everything = np.arange(len(vectors))
    lengths = []
    for rows in (everything, curated.kept):
        asked = (
            rows if len(rows) <= MOST_QUERIES else np.sort(rng.choice(rows, MOST_QUERIES, False))
        )
        found = _nearest(vectors, asked, rows, euclidean=euclidean)
        lengths.append(found[np.isfinite(found)])
    both = np.concatenate(lengths)
    # a few far ones would press all others into one bar
    top = float(np.quantile(both, 0.995)) if len(both) else 1.0
    edges: NDArray[np.float64] = np.linspace(0, top or 1.0, 41, dtype=np.float64)
    shares = [
        np.histogram(np.minimum(one, edges[-1]), edges)[0] / max(1, len(one)) for one in lengths
    ]
    medians = [float(np.median(one)) if len(one) else float("nan") for one in lengths]
    return Histogram(
        edges, shares[0], shares[1], len(lengths[0]), len(lengths[1]), (medians[0], medians[1])
    )


def cover(
    curated: Curated, vectors: Vectors, *, euclidean: bool, rng: np.random.Generator
) -> Cover | None:
    """Say how far samples are from the nearest kept one; None where nothing is kept."""
    removed, kept = curated.removed, curated.kept
    if not len(kept):
        return None
    most = max(MOST_QUERIES, int(_EXACT_PAIRS / len(kept)))
    is_exact = len(removed) <= most
    asked = removed if is_exact else np.sort(rng.choice(removed, most, False))
    lengths = _nearest(vectors, asked, kept, euclidean=euclidean)
    covered = lengths[np.isin(asked, removed[curated.because_of >= 0])]
    found = np.sort(lengths)
    share_removed = len(removed) / (len(removed) + len(kept))
    return Cover(
        [(name, _quantile(found, q, share_removed)) for name, q in _QUANTILES.items()],
        len(asked),
        is_exact,
        float(covered.max()) if len(covered) else None,
    )


def _nearest(vectors: Vectors, rows: Rows, among: Rows, *, euclidean: bool) -> Vectors:
    """Return the distance of each row to the nearest other of some; inf where there is none."""
    from strategies.filters.search import everywhere

    search = everywhere(vectors, "euclidean" if euclidean else "cosine", among)
    return search.nearest(rows, k=1).distances[:, 0]


def _quantile(of_removed: Vectors, q: float, share_removed: float) -> float:
    """Quantile over all samples, of which the kept ones are at distance 0."""
    if q <= 1 - share_removed or not len(of_removed):
        return 0.0
    inside = (q - (1 - share_removed)) / share_removed
    return float(of_removed[min(len(of_removed) - 1, int(np.ceil(inside * len(of_removed))) - 1)])


def class_balance(
    curated: Curated, classes: NDArray[np.int64], class_names: Sequence[str] | None
) -> list[Balance]:
    """Count the samples of each class, the largest first; -1 is no class."""
    found, inverse = np.unique(classes, return_inverse=True)
    before = np.bincount(inverse, minlength=len(found))
    after = np.bincount(inverse[curated.kept], minlength=len(found))
    balances = [
        Balance(_class_name(int(one), class_names), int(b), int(a))
        for one, b, a in zip(found, before, after, strict=True)
    ]
    return sorted(balances, key=lambda one: -one.n_before)


def _class_name(number: int, class_names: Sequence[str] | None) -> str:
    if number < 0:
        return "(no class)"
    if class_names is not None and number < len(class_names):
        return class_names[number]
    return f"class {number}"


def cluster_balance(
    curated: Curated, vectors: Vectors, *, rng: np.random.Generator
) -> list[Balance]:
    """Count the samples of each of some clusters, found by k-means, the largest first."""
    from sklearn.cluster import KMeans

    n = len(vectors)
    n_clusters = min(N_CLUSTERS, n // 10)
    if n_clusters < 2:
        return []
    fitted = vectors if n <= _FITTED else vectors[np.sort(rng.choice(n, _FITTED, False))]
    n_clusters = min(n_clusters, len(np.unique(fitted, axis=0)))
    if n_clusters < 2:
        return []
    means = KMeans(n_clusters, n_init=3, random_state=0).fit(fitted)
    labels = means.predict(vectors)
    before = np.bincount(labels, minlength=n_clusters)
    after = np.bincount(labels[curated.kept], minlength=n_clusters)
    order = np.argsort(-before, kind="stable")
    return [
        Balance(f"cluster {place + 1}", int(before[one]), int(after[one]))
        for place, one in enumerate(order)
    ]
