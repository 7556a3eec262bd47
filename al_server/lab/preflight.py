"""Before money is spent: is this pool one where active learning pays.

The samples are measured as they lie (`geometry`), methods that need no labels race for covering
them (`race`), and where labels are known `default` and random sampling label a part of the pool in
a trial run. What comes out is a judgment, and the numbers it rests on.

Without labels one number decides, *unevenness*: how far the distance to the tenth neighbor differs
from sample to sample. Where some places are crowded and others empty there are neighborhoods that
one label tells about; in noise every sample lies as lonely as any other. It separates what was
tried by replays of `default` against random sampling (8 splits, 150 labels, pools of 2,000; gain in
points of area under the accuracy curve), and hardly moves with the size of the pool:

| | unevenness | contrast | dimension | gain |
|---|---|---|---|---|
| made of 200 clusters | .50 | .27 | 16 | +15.5 (+14.0 to +16.8) |
| CIFAR-10, training part | .35 | .15 | 13 | +2.1 (+1.3 to +2.9) |
| CIFAR-10, test part | .37 | .16 | 13 | +2.6 (+0.8 to +4.7) |
| MNIST | .36 | .34 | 10 | +12.7 (+11.8 to +14.1) |
| fruits | .23 | .46 | 5 | +6.7 (+5.2 to +8.6) |
| tweets | .15 | .67 | 28 | +0.3 (-2.4 to +1.5) |
| noise, 8 features | .10 | .19 | 7 | +2.4 (+0.7 to +4.0) |
| noise, 16 features | .05 | .37 | 13 | +2.3 (+0.3 to +3.6) |
| noise, 32 features | .03 | .55 | 23 | +1.5 (+0.6 to +2.5) |
| noise, 64 features | .02 | .67 | 39 | +1.2 (+0.3 to +1.9) |
| noise, 384 features | .01 | .87 | 118 | +0.1 (-0.6 to +0.5) |

Contrast and dimension are told, but do not separate. Eleven sets are few, and the line between
CIFAR-10 and noise is thin: a trial run with some known labels overrules the guess. Both are by the
nearest-neighbour vote, which learns from labels alone, as most models do that are trained in the
end. With the propagated classifier random sampling does better, too, so that the choice of samples
gains less (fruits +2.5, MNIST +6.7), on noise as much as on CIFAR-10.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from al_server.campaign.neighbors import density_of, pool_neighbors
from al_server.errors import BadInput, BadSource
from al_server.lab.geometry import Geometry, K, Labels, known_labels, measure
from al_server.lab.race import Runner, race
from al_server.lab.statistics import Estimate
from al_server.lab.trial import A_LITTLE, WORTHWHILE, Trial, trial
from al_server.sources.arrays import read_npy, read_npz
from al_server.sources.listing import Listing
from strategies.pool import Neighbors, PoolView

MOST_SAMPLES = 10_000
FEWEST_SAMPLES = 50
UNKNOWN_CLASSES = 10
"""Classes that methods assume which ask for their number, where labels do not tell it."""
EVEN, UNEVEN = 0.12, 0.18
"""Unevenness below which active learning is unlikely to help, and above which it is likely to."""

Outlook = Literal["helps", "may help", "unlikely to help", "hurts"]


class Pool(NamedTuple):
    """Samples, of which some labels may be known.

    Attributes
    ----------
    name : what the report calls it
    vectors : float32 array of shape (n_samples, n_features), unit rows
    labels : int64 array of shape (n_samples,), class index, -1 where unknown
    classes : names by index; empty where nothing is known
    groups : int64 array of shape (n_samples,), or None
    """

    name: str
    vectors: NDArray[np.float32]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    groups: NDArray[np.int64] | None


class Preflight(NamedTuple):
    """What was found.

    Attributes
    ----------
    outlook : in a word
    n_samples, n_features : of the pool
    n_measured : samples that were looked at: all, or as many as are drawn from a large pool
    geometry, labels : how samples lie, and what known labels tell, None without
    budget, reach : of the race: picks, and the cosine distance up to which a pick covers
    race : one entry a method
    trial : what a replay with the known labels gave, None without
    """

    name: str
    outlook: Outlook
    n_samples: int
    n_features: int
    n_measured: int
    geometry: Geometry
    labels: Labels | None
    budget: int
    reach: float
    race: list[Runner]
    trial: Trial | None


def read_pool(file: Path) -> Pool:
    """Read an `.npz` (`X`, and perhaps `y`, `classes`, `group`) or an `.npy`.

    Raises
    ------
    BadSource, BadInput
        If it is no such file, or has too few samples.
    """
    if file.suffix == ".npy":
        listing = read_npy(file)
    elif file.suffix == ".npz":
        listing = _read_npz(file)
    else:
        raise BadInput(
            f"{file} holds no vectors",
            f"embed it first: al-server embed {file} --out vectors.npz",
        )
    assert listing.vectors is not None
    if len(listing.vectors) < FEWEST_SAMPLES:
        raise BadSource(
            f"{file} holds {len(listing.vectors)} samples",
            f"below {FEWEST_SAMPLES} label all of them",
        )
    vectors = listing.vectors
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    classes = tuple(listing.classes or ())
    number = {name: index for index, name in enumerate(classes)}
    known = listing.labels or [None] * len(vectors)
    labels = np.array([number[one] if isinstance(one, str) else -1 for one in known], np.int64)
    groups = None
    if listing.groups is not None:
        groups = np.unique(np.array(listing.groups), return_inverse=True)[1].astype(np.int64)
    return Pool(file.stem, vectors, labels, classes, groups)


def _read_npz(file: Path) -> Listing:
    try:
        return read_npz(file, labels=True, multi=False)
    except BadSource as error:
        if "no array y" not in error.message:
            raise
    return read_npz(file, labels=False, multi=False)


def preflight(
    pool: Pool,
    *,
    budget: int = 100,
    seed: int = 0,
    told: Callable[[str], None] = lambda _: None,
) -> Preflight:
    """Look at a pool.

    Parameters
    ----------
    budget : picks of each method in the race, and labels in the trial
    seed : of what is drawn
    told : is called with what is being done

    Raises
    ------
    BadInput
        If the budget does not fit the pool.
    """
    n_samples = len(pool.vectors)
    if not 2 <= budget <= n_samples // 2:
        raise BadInput(
            f"a budget of {budget} for {n_samples} samples",
            f"take 2 to {n_samples // 2}: beyond half of the pool there is little to choose",
        )
    rng = np.random.default_rng(seed)
    some = _some(pool, rng)
    told("neighbors")
    keys = rng.permutation(len(some.vectors)).astype(np.uint64)
    lists = pool_neighbors(some.vectors, keys)
    neighbors = Neighbors(lists.rows, lists.distances)
    shape = measure(some.vectors, neighbors, rng)
    labels = known_labels(some.vectors, some.labels, some.groups)
    reach = float(np.median(lists.distances[:, K - 1]))
    view = _view(some, keys, neighbors, density_of(lists), labels)
    budget = min(budget, len(some.vectors) // 2)
    raced = race(
        view,
        some.labels if labels is not None else None,
        budget=budget,
        reach=reach,
        seed=seed,
        told=lambda method: told(f"racing {method}"),
    )
    tried = None
    if labels is not None:
        told("trial run")
        tried = trial(some.name, some.vectors, some.labels, some.groups, budget=budget, seed=seed)
    return Preflight(
        name=pool.name,
        outlook=outlook_by_trial(tried.gain) if tried is not None else outlook_by_shape(shape),
        n_samples=n_samples,
        n_features=pool.vectors.shape[1],
        n_measured=len(some.vectors),
        geometry=shape,
        labels=labels,
        budget=budget,
        reach=reach,
        race=raced,
        trial=tried,
    )


def outlook_by_shape(shape: Geometry) -> Outlook:
    """Judge by how the samples lie; the thresholds are those of the module's evidence."""
    if shape.unevenness < EVEN:
        return "unlikely to help"
    return "helps" if shape.unevenness > UNEVEN else "may help"


def outlook_by_trial(gain: Estimate) -> Outlook:
    """Judge by a trial run: its interval, and whether the difference is worth the trouble."""
    if gain.high < 0:
        return "hurts"
    if gain.low > 0 and gain.mean >= WORTHWHILE:
        return "helps"
    return "may help" if gain.high >= A_LITTLE else "unlikely to help"


def _some(pool: Pool, rng: np.random.Generator) -> Pool:
    """Draw as many samples as can be compared in reasonable time."""
    if len(pool.vectors) <= MOST_SAMPLES:
        return pool
    rows = np.sort(rng.choice(len(pool.vectors), MOST_SAMPLES, replace=False))
    return pool._replace(
        vectors=pool.vectors[rows],
        labels=pool.labels[rows],
        groups=None if pool.groups is None else pool.groups[rows],
    )


def _view(
    pool: Pool,
    keys: NDArray[np.uint64],
    neighbors: Neighbors,
    density: NDArray[np.float32],
    labels: Labels | None,
) -> PoolView:
    n_samples = len(pool.vectors)
    return PoolView(
        embeddings=pool.vectors,
        status=np.zeros(n_samples, np.int8),
        labels=np.full(n_samples, -1, np.int64),
        tie_key=keys,
        n_classes=UNKNOWN_CLASSES if labels is None else labels.n_classes,
        density=density,
        cover_distance=np.full(n_samples, np.inf, np.float32),
        neighbors=neighbors,
    )
