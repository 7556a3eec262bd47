"""k-means++ on gradients that are written out."""

import numpy as np
from numpy.typing import NDArray

from strategies.pool import PoolView

Floats = NDArray[np.float64]


def gradients(pool: PoolView, rows: NDArray[np.int64]) -> Floats:
    """(p - e) x h of each row as one long vector, entry by entry."""
    out = []
    for row in rows:
        p = np.full(pool.n_classes, 1 / pool.n_classes)
        if pool.probabilities is not None:
            p = pool.probabilities[row].astype(float)
        if pool.targets is None:
            e = np.eye(pool.n_classes)[p.argmax()]
        else:
            e = (p >= 0.5).astype(float)
        h = pool.embeddings[row].astype(float)
        out.append([(p[c] - e[c]) * h[j] for c in range(len(p)) for j in range(len(h))])
    return np.array(out)


def squared_distances(own: Floats, centers: Floats) -> Floats:
    """To the nearest centre."""
    return np.array([min(((g - c) ** 2).sum() for c in centers) for g in own])


def k_means_pp(own: Floats, centers: Floats, n_picks: int, rng: np.random.Generator) -> list[int]:
    """Draw one after another in proportion to the squared distance, as the definition says."""
    picks: list[int] = []
    chosen = list(centers)
    if not chosen:
        picks.append(int((own**2).sum(axis=1).argmax()))
        chosen.append(own[picks[0]])
    squared = squared_distances(own, np.array(chosen))
    while len(picks) < n_picks:
        picks.append(int(rng.choice(len(own), p=squared / squared.sum())))
        squared = np.minimum(squared, ((own - own[picks[-1]]) ** 2).sum(axis=1))
    return picks
