"""Average linkage by the plain loop: measure all linked clusters, merge the nearest, again."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategies.filters.nearest import points_from
from strategies.filters.points import Points

Links = set[tuple[int, int]]
Merge = tuple[int, int, float]
Vectors = NDArray[np.float32]


def clustered(n: int = 300, n_features: int = 6, seed: int = 0, n_centers: int = 12) -> Vectors:
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((n_centers, n_features))
    noise = rng.uniform(0.02, 0.4, (n, 1)) * rng.standard_normal((n, n_features))
    return (centers[rng.integers(n_centers, size=n)] + noise).astype(np.float32)


def tied(n: int = 120, seed: int = 0) -> Vectors:
    """Unit rows of exact numbers, with duplicates: sums, and so ties, are exact."""
    rng = np.random.default_rng(seed)
    signs = rng.choice([-0.5, 0.5], (n, 4))
    axes = np.eye(4)[rng.integers(4, size=n)] * rng.choice([-1, 1], (n, 1))
    return np.where(rng.random((n, 1)) < 0.5, signs, axes).astype(np.float32)


def made(vectors: Vectors, **settings: Any) -> Points:
    return points_from(vectors, np.arange(len(vectors), dtype=np.uint64), **settings)


def half_squares(points: Points) -> NDArray[np.float64]:
    """Half the squared distance of all pairs."""
    vectors = points.vectors.astype(np.float64)
    return np.square(vectors[:, None] - vectors[None]).sum(axis=2) / 2


def link_slowly(points: Points, links: Links) -> list[Merge]:
    """Merge linked clusters, the nearest first, of equal ones the lower row, then the other."""
    distances = half_squares(points)
    members = {row: [row] for row in range(len(distances))}
    heights = {(a, b): float(distances[a, b]) for a, b in links}
    merges: list[Merge] = []
    while heights:
        height, kept, gone = min((height, a, b) for (a, b), height in heights.items())
        merges.append((kept, gone, height))
        members[kept] += members.pop(gone)
        around = {
            {kept, gone}.symmetric_difference(pair).intersection(pair).pop()
            for pair in heights
            if len({kept, gone}.intersection(pair)) == 1
        }
        heights = {pair: h for pair, h in heights.items() if not {kept, gone}.intersection(pair)}
        for other in around:
            pairs = distances[np.ix_(members[kept], members[other])]
            heights[min(kept, other), max(kept, other)] = float(pairs.sum() / pairs.size)
    return merges


def nearest_pairs(points: Points, links: Links) -> Links:
    """What connects the components: the nearest pair of two of them, again and again (Kruskal)."""
    distances = half_squares(points)
    n = len(distances)
    component = list(range(n))

    def put_together(a: int, b: int) -> bool:
        old, new = component[b], component[a]
        component[:] = [new if one == old else one for one in component]
        return old != new

    for a, b in links:
        put_together(a, b)
    all_pairs = sorted((distances[a, b], a, b) for b in range(n) for a in range(b))
    return {(a, b) for _, a, b in all_pairs if component[a] != component[b] and put_together(a, b)}


def clusters_after(
    merges: Any, alive: NDArray[np.bool_], n_counted: int, vectors: NDArray[np.float32]
) -> list[tuple[list[int], int]]:
    """Living members and center of each cluster, after so many merges of two living sides."""
    members = {row: [row] if alive[row] else [] for row in range(len(alive))}
    for kept, gone in merges.tolist():
        if n_counted == 0:
            break
        n_counted -= bool(members[kept]) and bool(members[gone])
        members[kept] += members.pop(gone)
    assert n_counted == 0
    found = []
    for rows in filter(None, members.values()):
        some = vectors[rows].astype(np.float64)
        squares = np.square(some - some.mean(axis=0)).sum(axis=1)
        about_equal = [
            row for row, s in zip(rows, squares, strict=True) if s <= squares.min() * (1 + 1e-12)
        ]
        found.append((rows, min(about_equal)))
    return found
