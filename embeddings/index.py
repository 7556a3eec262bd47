"""Nearest neighbours among vectors that come and go: exactly, or through an hnswlib graph."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from strategies.pool import Neighbors, Rows

Vectors = NDArray[np.float32]


class KnnIndex(Protocol):
    """Unit vectors by row, searched by cosine distance.

    Not thread-safe: its owner lets one thread in at a time.
    """

    def add(self, rows: Rows, vectors: Vectors) -> None:
        """Add vectors; a row that is there already gets the new vector.

        Parameters
        ----------
        rows : int64 array of shape (n,), distinct, in [0, 2**32)
        vectors : float32 array of shape (n, n_features), unit-length rows
        """
        ...

    def remove(self, rows: Rows) -> None:
        """Remove rows; raises ValueError, and removes nothing, if one of them is not there."""
        ...

    def search(self, vectors: Vectors, *, k: int) -> Neighbors:
        """Return the k nearest rows of each vector, nearest first.

        Parameters
        ----------
        vectors : float32 array of shape (n, n_features), unit-length rows
        k : int, >= 1

        Returns
        -------
        Neighbors, both of shape (n, min(k, len(self)))
        """
        ...

    def __len__(self) -> int: ...


class ExactIndex:
    """Scans everything; equal distances go to the lowest row.

    Search is O(n_queries * n * n_features) time; memory 4 * n * n_features bytes and a block.

    Parameters
    ----------
    n_features : int
    """

    def __init__(self, n_features: int) -> None:
        self.n_features = n_features
        self._vectors = np.empty((0, n_features), dtype=np.float32)
        self._rows = np.empty(0, dtype=np.uint64)
        self._slots: dict[int, int] = {}  # row -> where it stands in the two arrays

    def __len__(self) -> int:
        return len(self._slots)

    def add(self, rows: Rows, vectors: Vectors) -> None:
        """Add vectors; see `KnnIndex`."""
        rows, vectors = _checked(rows, vectors, self.n_features)
        self._reserve(len(self) + len(rows))
        slots = np.array([self._slots.setdefault(r, len(self._slots)) for r in rows.tolist()],
                         dtype=np.int64)  # fmt: skip
        self._vectors[slots] = vectors
        self._rows[slots] = rows

    def remove(self, rows: Rows) -> None:
        """Remove rows; see `KnnIndex`."""
        _check_known(rows, self._slots)
        for row in rows.tolist():
            slot, last = self._slots.pop(row), len(self._slots)
            if slot != last:  # the last one moves into the gap
                self._vectors[slot] = self._vectors[last]
                self._rows[slot] = self._rows[last]
                self._slots[int(self._rows[slot])] = slot

    def search(self, vectors: Vectors, *, k: int) -> Neighbors:
        """Return the k nearest rows of each vector; see `KnnIndex`."""
        n, k = len(self), _checked_k(k, len(self))
        vectors = _checked_vectors(vectors, self.n_features)
        nearest = np.empty((len(vectors), k), dtype=np.uint64)
        if k:
            block = max(1, _BLOCK // n)
            for start in range(0, len(vectors), block):
                similarity = vectors[start : start + block] @ self._vectors[:n].T
                # distances are >= 0, so their bits sort as they do; the row below breaks the ties
                bits = np.maximum(0, 1 - similarity).view(np.uint32).astype(np.uint64)
                keys = (bits << np.uint64(32)) | self._rows[:n]
                keys.partition(k - 1, axis=1)
                nearest[start : start + block] = np.sort(keys[:, :k], axis=1)
        return Neighbors(
            (nearest & np.uint64(0xFFFFFFFF)).astype(np.int64),
            (nearest >> np.uint64(32)).astype(np.uint32).view(np.float32),
        )

    def items(self) -> tuple[Rows, Vectors]:
        """Return all rows and their vectors, in no particular order; views, not copies."""
        return self._rows[: len(self)].astype(np.int64), self._vectors[: len(self)]

    def _reserve(self, n: int) -> None:
        if n > len(self._rows):
            capacity = max(n, 2 * len(self._rows), 64)
            rows, vectors = self.items()
            self._vectors = np.empty((capacity, self.n_features), dtype=np.float32)
            self._rows = np.empty(capacity, dtype=np.uint64)
            self._vectors[: len(rows)], self._rows[: len(rows)] = vectors, rows


_BLOCK = 4_000_000  # distances held at once: 16 MB, and their keys 32 MB


class HnswIndex:
    """An hnswlib graph; below `exact_below` rows an exact scan, which is as fast there.

    A removed row is only marked in the graph, and unmarked when it comes back. When the index has
    shrunk to half of `exact_below`, or more than half of the graph is removed rows, it is built
    anew.

    Source: Malkov and Yashunin 2016, arXiv:1603.09320. Search about O(log n) distances a query;
    memory about 4 * n_features + 8 * m bytes a row. The neighbours are approximate: the tests hold
    the recall against `ExactIndex` above a floor.

    Parameters
    ----------
    n_features : int
    m : int
        Links a row; more costs memory and time, and finds more.
    ef_construction, ef : int
        Rows kept in sight while adding and searching; `ef` is raised to 2 * k where k is large.
    exact_below : int
        Number of rows from which the graph is used.
    n_threads : int
        Threads for adding. With 1 the graph depends only on the order of the calls; -1: all cores.
    seed : int
    """

    def __init__(
        self,
        n_features: int,
        *,
        m: int = 16,
        ef_construction: int = 200,
        ef: int = 64,
        exact_below: int = 4096,
        n_threads: int = 1,
        seed: int = 0,
    ) -> None:
        self.n_features = n_features
        self.m, self.ef_construction, self.ef = m, ef_construction, ef
        self.exact_below, self.n_threads, self.seed = exact_below, n_threads, seed
        self._exact: ExactIndex | None = ExactIndex(n_features)
        self._graph: Any = None  # hnswlib.Index where _exact is None
        self._live: set[int] = set()  # rows in the graph; empty while _exact is used
        self._removed: set[int] = set()  # rows that are only marked as deleted in the graph

    def __len__(self) -> int:
        return len(self._live) if self._exact is None else len(self._exact)

    def add(self, rows: Rows, vectors: Vectors) -> None:
        """Add vectors; see `KnnIndex`."""
        rows, vectors = _checked(rows, vectors, self.n_features)
        if self._exact is None:
            self._add_to_graph(rows, vectors)
            return
        self._exact.add(rows, vectors)
        if len(self._exact) >= self.exact_below:
            self._build_graph(*self._exact.items())

    def remove(self, rows: Rows) -> None:
        """Remove rows; see `KnnIndex`."""
        if self._exact is not None:
            self._exact.remove(rows)
            return
        _check_known(rows, self._live)
        for row in rows.tolist():
            self._graph.mark_deleted(row)
        self._live.difference_update(rows.tolist())
        self._removed.update(rows.tolist())
        if len(self) < self.exact_below // 2 or len(self._removed) > len(self._live):
            self._rebuild()

    def search(self, vectors: Vectors, *, k: int) -> Neighbors:
        """Return the k nearest rows of each vector; see `KnnIndex`."""
        if self._exact is not None:
            return self._exact.search(vectors, k=k)
        k = _checked_k(k, len(self))
        vectors = _checked_vectors(vectors, self.n_features)
        ef = max(self.ef, 2 * k)
        while True:
            self._graph.set_ef(ef)
            try:
                rows, distances = self._graph.knn_query(vectors, k=k, num_threads=self.n_threads)
            except RuntimeError:
                # the walk met fewer than k live rows, the removed ones being in its way
                if ef >= len(self._live) + len(self._removed):
                    return self._copied_to_exact().search(vectors, k=k)
                ef *= 4
            else:
                return Neighbors(rows.astype(np.int64), np.maximum(0, distances))

    def _build_graph(self, rows: Rows, vectors: Vectors) -> None:
        import hnswlib

        graph = hnswlib.Index(space="ip", dim=self.n_features)  # on unit rows: cosine distance
        graph.init_index(
            max_elements=2 * len(rows),
            M=self.m,
            ef_construction=self.ef_construction,
            random_seed=self.seed,
        )
        graph.add_items(vectors, rows, num_threads=self.n_threads)
        self._graph, self._exact = graph, None
        self._live, self._removed = set(rows.tolist()), set()

    def _add_to_graph(self, rows: Rows, vectors: Vectors) -> None:
        n_needed = len(self._live | self._removed | set(rows.tolist()))
        if n_needed > self._graph.get_max_elements():
            self._graph.resize_index(2 * n_needed)
        changed = np.ones(len(rows), dtype=bool)
        for position, row in enumerate(rows.tolist()):
            if row in self._removed:
                self._graph.unmark_deleted(row)
                # undo brings the same vector back: then its links still hold
                before = np.asarray(self._graph.get_items([row])[0], dtype=np.float32)
                changed[position] = not np.array_equal(before, vectors[position])
        if changed.any():
            self._graph.add_items(vectors[changed], rows[changed], num_threads=self.n_threads)
        self._live.update(rows.tolist())
        self._removed.difference_update(rows.tolist())

    def _rebuild(self) -> None:
        """Start anew from the live rows, as a graph or a scan."""
        exact = self._copied_to_exact()
        if len(exact) >= self.exact_below:
            self._build_graph(*exact.items())
        else:
            self._graph, self._exact = None, exact
            self._live, self._removed = set(), set()

    def _copied_to_exact(self) -> ExactIndex:
        exact = ExactIndex(self.n_features)
        rows = np.array(sorted(self._live), dtype=np.int64)
        if len(rows):
            exact.add(rows, np.asarray(self._graph.get_items(rows), dtype=np.float32))
        return exact


def _checked(rows: Rows, vectors: Vectors, n_features: int) -> tuple[Rows, Vectors]:
    vectors = _checked_vectors(vectors, n_features)
    rows = np.asarray(rows, dtype=np.int64)
    if rows.shape != (len(vectors),):
        raise ValueError(f"{rows.shape} rows for {len(vectors)} vectors; give one row a vector")
    if len(rows) and (rows.min() < 0 or rows.max() >= 2**32):
        raise ValueError("rows must be in [0, 2**32)")
    if len(np.unique(rows)) != len(rows):
        raise ValueError("a row is given twice; give each row once")
    return rows, vectors


def _checked_vectors(vectors: Vectors, n_features: int) -> Vectors:
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    if vectors.ndim != 2 or vectors.shape[1] != n_features:
        raise ValueError(f"vectors of shape {vectors.shape}; this index wants (n, {n_features})")
    if not np.isfinite(vectors).all():
        raise ValueError("vectors hold NaN or infinity; leave those samples out")
    return vectors


def _checked_k(k: int, n: int) -> int:
    if k < 1:
        raise ValueError(f"k={k}; ask for at least one neighbour")
    return min(k, n)


def _check_known(rows: Rows, known: set[int] | dict[int, int]) -> None:
    wanted = rows.tolist()
    unknown = [row for row in wanted if row not in known]
    if unknown or len(set(wanted)) != len(wanted):
        raise ValueError(f"rows {unknown[:5] or 'given twice'} are not in the index")
