"""Towards given samples: more of the same kind."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategies import inputs
from strategies.compose.parts import scorer
from strategies.compose.product import STRONGEST, Product
from strategies.compose.views import distance_to
from strategies.pool import Explanation, PoolView, Rows, Status, Strategy
from strategies.scores import best_first
from strategies.tie_keys import tie_keys


@dataclass(frozen=True)
class Nearness:
    """Score = cosine similarity to the nearest of the given samples; the same for all without any.

    Samples are given in any of four ways, which add up; in none of them, the labeled samples count.
    Time O(n m d) for m given samples, memory O(n).

    Attributes
    ----------
    to : ids of samples of the pool, whose `tie_key` is their `strategies.tie_keys.tie_keys`
    keys : `tie_key` of samples of the pool
    vectors : embeddings, from the pool or not, scaled to unit length here
    label : class whose labeled samples count; None: no class
    """

    to: tuple[str, ...] = ()
    keys: tuple[int, ...] = ()
    vectors: tuple[tuple[float, ...], ...] = ()
    label: int | None = None

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        """Return up to `budget` candidate rows, the most similar first."""
        n_picks = inputs.n_picks(pool, budget)
        rows = pool.candidate_rows()
        return rows[best_first(self.score(pool, rows, rng), pool.tie_key[rows], n_picks)]

    def score(self, pool: PoolView, rows: Rows, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return the similarity of some rows to the nearest given sample, in [-1, 1]."""
        inputs.check_embeddings(pool)
        given = self._given(pool)
        if not len(given):
            return np.zeros(len(rows), np.float32)
        return np.float32(1) - distance_to(given, pool)[rows]

    def _given(self, pool: PoolView) -> NDArray[np.float32]:
        """Return the embeddings of the given samples."""
        labeled = pool.status == Status.LABELED
        if self.label is not None:
            if not 0 <= self.label < pool.n_classes:
                raise inputs.DoesNotFitPool(
                    f"similar: label={self.label} is no class; pool.n_classes is {pool.n_classes}"
                )
            inputs.labels_per_class(pool)  # refuses labels that are no class
            is_class = (
                pool.labels == self.label
                if pool.targets is None
                else pool.targets[:, self.label] == 1
            )
            rows = [np.flatnonzero(labeled & is_class)]
        elif self.to or self.keys or self.vectors:
            rows = []
        else:
            rows = [np.flatnonzero(labeled)]
        rows.append(_rows_of(pool, dict(zip(tie_keys(self.to).tolist(), self.to, strict=True))))
        rows.append(_rows_of(pool, dict(zip(self.keys, self.keys, strict=True))))
        inside = inputs.embeddings(pool, np.concatenate(rows))
        if not self.vectors:
            return inside
        vectors = np.array(self.vectors, np.float64)
        if vectors.shape[1] != inside.shape[1]:
            raise inputs.DoesNotFitPool(
                f"similar: vectors of {vectors.shape[1]} numbers, but pool.embeddings has "
                f"{inside.shape[1]} columns"
            )
        vectors /= np.abs(vectors).max(axis=1, keepdims=True)  # whatever their scale
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.concatenate([inside, vectors.astype(np.float32)])


@dataclass(frozen=True)
class Similar:
    """Score = R(score of `strategy`) R(similarity to the nearest given sample) ^ strength.

    R is the tie-averaged rank among the candidates divided by their number. It finds more of a rare
    kind of which a few are known. The samples are given as ids, keys, vectors, or by their label,
    which also works in text, ``similar?label=3``; in none of these ways, the labeled samples count.
    Without any yet, `strategy` decides alone. Batches are as in `Product`: with the strategy
    k_center they spread. Time O(n m d) for m given samples beyond that of the product, memory O(n).

    Source: relevance feedback, Rocchio 1971, with the nearest example instead of their mean.

    Attributes
    ----------
    strategy : strategy with a score, or its name
    to : ids of samples of the pool, whose `tie_key` is their `strategies.tie_keys.tie_keys`
    keys : `tie_key` of samples of the pool
    vectors : embeddings, from the pool or not; scaled to unit length
    label : class whose labeled samples count, beside those above; None: no class
    strength : how much similarity counts against the strategy, above 0
    """

    strategy: Strategy | str = "margin"
    to: tuple[str, ...] = ()
    keys: tuple[int, ...] = ()
    vectors: tuple[tuple[float, ...], ...] = ()
    label: int | None = None
    strength: float = 1.0
    _name: ClassVar[str] = "similar"  # in messages

    def __post_init__(self) -> None:
        """Make the strategy, and refuse settings that mean nothing."""
        object.__setattr__(self, "strategy", scorer(self.strategy, self._name))
        object.__setattr__(self, "to", tuple([self.to] if _is_text(self.to) else self.to))
        object.__setattr__(self, "keys", tuple(map(int, self.keys)))
        object.__setattr__(self, "vectors", _vectors(self.vectors))
        if not 0 < self.strength <= STRONGEST:
            limit = f"give a number above 0, at most {STRONGEST:g}"
            raise ValueError(f"strength={self.strength!r} does not fit; {limit}")

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        """Return up to `budget` candidate rows, best first."""
        return self._product().select(pool, budget, rng)

    def score(self, pool: PoolView, rows: Rows, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return the product for candidate rows, in [0, 1]."""
        return self._product().score(pool, rows, rng)

    def explain(self, pool: PoolView, rows: Rows) -> list[Explanation]:
        """Return the product for candidate rows, and the two percentiles."""
        return self._product().explain(pool, rows)

    def _product(self) -> Product:
        nearness = Nearness(self.to, self.keys, self.vectors, self.label)
        return Product([(self.strategy, 1.0), (nearness, self.strength)])


def _is_text(given: object) -> bool:
    return isinstance(given, str)


def _vectors(given: Iterable[Iterable[float]]) -> tuple[tuple[float, ...], ...]:
    vectors = tuple(tuple(map(float, vector)) for vector in given)
    if len({len(vector) for vector in vectors}) > 1:
        raise ValueError("vectors differ in length; give one number a column of pool.embeddings")
    if not all(all(map(math.isfinite, vector)) and any(vector) for vector in vectors):
        raise ValueError("vectors holds NaN, inf or a vector of zeros; give others")
    return vectors


def _rows_of(pool: PoolView, names: dict[int, str] | dict[int, int]) -> Rows:
    """Return the rows that have these tie_keys; `names` says what to call one that is not there."""
    wanted = np.fromiter(names, np.uint64, len(names))
    rows = np.flatnonzero(np.isin(pool.tie_key, wanted))
    lost = set(names) - set(pool.tie_key[rows].tolist())
    if lost:
        raise inputs.DoesNotFitPool(
            f"similar: the pool has no sample {names[min(lost)]!r} (by its tie_key); name one that "
            "is in it, or give its vector"
        )
    return rows
