"""A small pool with every array a strategy may ask for, to try strategies on."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategies import scores
from strategies.pool import Neighbors, PoolView, Rows, Status

N_NEIGHBORS = 5


def toy_pool(
    *,
    n_samples: int = 60,
    n_features: int = 8,
    n_classes: int = 3,
    n_distinct: int | None = None,
    multi_label: bool = False,
    seed: int = 0,
) -> PoolView:
    """Make a pool of one cluster a class: a fifth labeled, some rows pending and skipped.

    Parameters
    ----------
    n_samples, n_features, n_classes : sizes of the pool
    n_distinct : number of different embeddings, the others repeat them; None: all differ
    multi_label : whether a sample may have several classes
    seed : of the generator that draws the pool
    """
    rng = np.random.default_rng(seed)
    centers = _unit(rng.normal(size=(n_classes, n_features)))
    classes = rng.integers(n_classes, size=n_samples)
    embeddings = _unit(centers[classes] + 0.4 * rng.normal(size=(n_samples, n_features)))
    if n_distinct is not None:
        embeddings = embeddings[np.arange(n_samples) % n_distinct]
    status = np.full(n_samples, Status.UNLABELED, np.int8)
    order = rng.permutation(n_samples)
    status[order[: n_samples // 5]] = Status.LABELED
    status[order[-5:-2]], status[order[-2:]] = Status.PENDING, Status.SKIPPED
    probabilities = _probabilities(embeddings @ centers.T, multi_label)
    distances = np.maximum(0, 1 - embeddings @ embeddings.T)
    neighbors = _neighbors(distances)
    covered = status != Status.UNLABELED
    uncertain = (
        scores.over_classes("margin", probabilities)
        if multi_label
        else scores.margin(probabilities)
    )
    labeled = status == Status.LABELED
    return PoolView(
        embeddings=embeddings,
        status=status,
        labels=np.where(labeled & (not multi_label), classes, -1),
        tie_key=rng.integers(2**64, size=n_samples, dtype=np.uint64),
        n_classes=n_classes,
        probabilities=probabilities,
        uncertainty=uncertain,
        predicted=probabilities.argmax(axis=1).astype(np.int32),
        density=scores.density(neighbors.distances),
        cover_distance=distances[:, covered].min(axis=1, initial=np.inf),
        neighbors=neighbors,
        uncertainty_mass=uncertain + uncertain[neighbors.rows].sum(axis=1),
        targets=_targets(classes, labeled, n_classes) if multi_label else None,
    )


def cold(pool: PoolView) -> PoolView:
    """Take a pool back to the time before its first label."""
    n_samples = len(pool.status)
    return replace(
        pool,
        status=np.zeros_like(pool.status),
        labels=np.full(n_samples, -1, np.int64),
        probabilities=None,
        uncertainty=None,
        predicted=None,
        cover_distance=np.full(n_samples, np.inf, np.float32),
        uncertainty_mass=pool.density,
        targets=None if pool.targets is None else np.full_like(pool.targets, -1),
    )


def repeated(pool: PoolView, times: int, *, seed: int = 0) -> PoolView:
    """Put a pool behind itself so many times: a large one in no time, of embeddings that differ.

    Neighbors are those of the first, and so are all other numbers.
    """
    rng = np.random.default_rng(seed)
    rows = np.tile(np.arange(len(pool.status)), times)
    large = shuffled(replace(pool, neighbors=None), rows)
    noise = 0.3 * rng.normal(size=large.embeddings.shape)
    return replace(
        large,
        embeddings=_unit(large.embeddings + noise),
        tie_key=rng.integers(2**64, size=len(rows), dtype=np.uint64),
        neighbors=pool.neighbors
        and Neighbors(pool.neighbors.rows[rows], pool.neighbors.distances[rows]),
    )


def shuffled(pool: PoolView, order: Rows) -> PoolView:
    """Put row order[r] of a pool at row r, in every array."""
    moved: dict[str, Any] = {
        field.name: getattr(pool, field.name)[order]
        for field in fields(pool)
        if isinstance(getattr(pool, field.name), np.ndarray)
    }
    if pool.neighbors is not None:
        rows = np.argsort(order)[pool.neighbors.rows[order]]
        moved["neighbors"] = Neighbors(rows, pool.neighbors.distances[order])
    return replace(pool, **moved)


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / lengths, np.float32)


def _probabilities(similarities: NDArray[np.float32], multi_label: bool) -> NDArray[np.float32]:
    odds = np.exp(4 * similarities)
    chances = odds / (1 + odds) if multi_label else odds / odds.sum(axis=1, keepdims=True)
    return np.asarray(chances, np.float32)


def _neighbors(distances: NDArray[np.float32]) -> Neighbors:
    apart = distances + np.diag(np.full(len(distances), np.inf, np.float32))
    rows = np.argsort(apart, axis=1, kind="stable")[:, : min(N_NEIGHBORS, max(len(apart) - 1, 0))]
    return Neighbors(rows, np.take_along_axis(apart, rows, axis=1))


def _targets(
    classes: NDArray[np.int64], labeled: NDArray[np.bool_], n_classes: int
) -> NDArray[np.int8]:
    """Each labeled sample has its class and, every other one, the next class too."""
    columns = np.arange(n_classes)
    also = np.where(classes % 2 == 0, (classes + 1) % n_classes, classes)
    has = (columns == classes[:, None]) | (columns == also[:, None])
    return np.where(labeled[:, None], has, -1).astype(np.int8)
