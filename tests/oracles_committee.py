"""Committees and their mutual information, by loops over all labels that a batch may have."""

import math
from itertools import product

import numpy as np
from numpy.typing import NDArray

from strategies.pool import PoolView, Status

SMOOTHING = 0.1
Floats = NDArray[np.float64]


def labeled_rows(pool: PoolView) -> list[int]:
    """In the order of their tie_key."""
    rows = [row for row in range(len(pool.status)) if pool.status[row] == Status.LABELED]
    return sorted((row for row in rows if pool.labels[row] >= 0), key=lambda row: pool.tie_key[row])


def distances(vectors: Floats, others: Floats) -> Floats:
    return np.maximum(0, 1 - vectors.astype(float) @ others.astype(float).T)


def vote_width(vectors: Floats, others: Floats) -> float:
    """Mean distance to the nearest labeled sample."""
    return max(float(distances(vectors, others).min(axis=1).mean()), 2**-12)


def posterior(
    away: Floats,
    classes: list[int],
    times: list[int],
    k: int,
    n_listed: int,
    width: float,
    n_classes: int,
) -> list[float]:
    """Vote of the k nearest of a resample, found among the nearest n_listed of all."""
    near = sorted(range(len(away)), key=lambda i: (away[i], i))[:n_listed]
    resampled = [i for i in near for _ in range(times[i])][:k]
    votes = [SMOOTHING / n_classes] * n_classes
    for i in resampled:
        votes[classes[i]] += math.exp(-2 * (away[i] - away[resampled[0]]) / width)
    return [vote / sum(votes) for vote in votes]


def committee(
    pool: PoolView, rows: list[int], *, n_members: int, k: int, rng: np.random.Generator
) -> Floats:
    """Posteriors of some rows by each member, shape (n_rows, n_classes, n_members)."""
    labeled = labeled_rows(pool)
    n_labeled = len(labeled)
    away = distances(pool.embeddings[rows], pool.embeddings[labeled])
    # of all candidates, which are few here
    candidates = np.flatnonzero(pool.status == Status.UNLABELED)
    width = vote_width(pool.embeddings[candidates], pool.embeddings[labeled])
    classes = pool.labels[labeled].tolist()
    out = np.empty((len(rows), pool.n_classes, n_members))
    for member in range(n_members):
        drawn = rng.integers(n_labeled, size=n_labeled).tolist()
        times = [drawn.count(i) for i in range(n_labeled)]
        for i in range(len(rows)):
            out[i, :, member] = posterior(
                away[i], classes, times, k, 3 * k + 10, width, pool.n_classes
            )
    return out


def entropy(chances: list[float]) -> float:
    return -sum(p * math.log(p) for p in chances if p > 0)


def information(members: Floats) -> float:
    """Between the labels of some rows and the member, shape (n_rows, n_classes, n_members)."""
    n_rows, n_classes, n_members = members.shape
    joint = [
        sum(
            math.prod(members[i, label, member] for i, label in enumerate(labels))
            for member in range(n_members)
        )
        / n_members
        for labels in product(range(n_classes), repeat=n_rows)
    ]
    known = sum(
        entropy(members[i, :, member].tolist())
        for i in range(n_rows)
        for member in range(n_members)
    )
    return entropy(joint) - known / n_members


def greedy(members: Floats, n_picks: int) -> list[int]:
    """Add what makes the batch most informative, the first of equal ones."""
    picks: list[int] = []
    for _ in range(n_picks):
        left = [i for i in range(len(members)) if i not in picks]
        values = [round(information(members[[*picks, i]]), 9) for i in left]
        picks.append(left[values.index(max(values))])
    return picks
