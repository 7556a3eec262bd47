"""Several strategies at once: the product of their percentiles, each with a strength."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from strategies import inputs
from strategies.compose.parts import Scorer, name_of, scorer
from strategies.lazy_cover import LazyCover, round_size
from strategies.pool import Explanation, PoolView, Rows, Strategy
from strategies.scores import best_first, ecdf
from strategies.shelf import SHELF

if TYPE_CHECKING:
    from typing import Self

Part = tuple[Strategy, float]
Given = Mapping[Strategy | str, float] | Iterable[tuple[Strategy | str, float]]

STRONGEST: Final = 1e6  # beyond, logarithms of shares overflow in the end
DEFAULT: Final[Mapping[Strategy | str, float]] = {"margin": 1.0, "density": 1.0, "k_center": 1.0}


@dataclass(frozen=True, init=False)
class Product:
    """Score = product over the parts of R(score of the part) ^ strength.

    R is the tie-averaged rank among the candidates divided by their number, so that scales do not
    matter; a part that knows nothing yet, all its scores equal, changes nothing. The parts are
    scored and ranked once, when the batch is asked for.

    A `k_center` part is diversity, the percentile of the cover distance, and the only one that
    changes within a batch: every pick covers its surroundings for the next. The ranks of the cover
    distances, among the candidates that are left, are taken anew for each of the first 16 picks,
    then once in a round of an eighth of the picks before, over an even sample where there are more
    than 32,768. Without `k_center` nothing keeps a batch diverse. Time that of the parts and O(n
    log n); with `k_center` also O(n) a round and O(n b d) at most, mostly far less. Memory O(n).

    Source: `cdf_product` with other parts and strengths; as a weighted geometric mean of ranks,
    e.g. Settles and Craven 2008 for the strength of a density factor.

    Parameters
    ----------
    parts : strategies that have scores, or their names, and their strengths: a mapping, or pairs;
        none at all is the plain product of margin, density and k_center
    **strengths : the same by name, ``Product(margin=2, density=1)``

    Attributes
    ----------
    parts : tuple of (strategy, strength)
    """

    parts: tuple[Part, ...]

    def __init__(self, parts: Given = (), **strengths: float) -> None:
        pairs = [*(parts.items() if isinstance(parts, Mapping) else parts), *strengths.items()]
        made = tuple(_part(part, strength) for part, strength in pairs or DEFAULT.items())
        object.__setattr__(self, "parts", made)

    @classmethod
    def from_settings(cls, settings: Mapping[str, str], make: Callable[[str], Strategy]) -> "Self":
        """Make it from text, where every setting is a strategy and its strength."""
        pairs = []
        for text, strength in settings.items():
            try:
                pairs.append((make(text), float(strength)))
            except ValueError as error:
                raise ValueError(f"{text}={strength!r} does not fit; {error}") from error
        return cls(pairs)

    def to_settings(self, describe: Callable[[Strategy], str]) -> dict[str, str]:
        """Return the settings that `from_settings` makes it from."""
        return {describe(part): repr(strength) for part, strength in self.parts}

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        """Return up to `budget` candidate rows, best first."""
        n_picks = inputs.n_picks(pool, budget)
        rows = inputs.in_tie_order(pool, pool.candidate_rows())
        if n_picks == 0:
            return rows[:0]
        static = np.zeros(len(rows))
        for part, strength in self.parts:
            if not _is_diversity(part):
                static += strength * np.log(ecdf(part_scores(part, pool, rows, rng)))
        diversity = sum(strength for part, strength in self.parts if _is_diversity(part))
        if not diversity:
            return rows[best_first(static, pool.tie_key[rows], n_picks)]
        if n_picks > 1:
            inputs.check_embeddings(pool)
        lazy = LazyCover(pool, rows, _cover_distance(pool, rows))
        picked: list[NDArray[np.int64]] = []
        n_picked = 0
        while n_picked < n_picks:
            n_round = min(round_size(n_picked), n_picks - n_picked)
            picked.append(lazy.pick(static, lazy.ranks(strength=diversity), n_round))
            n_picked += n_round
        return rows[np.concatenate(picked)]

    def score(self, pool: PoolView, rows: Rows, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return the product for candidate rows, in [0, 1]."""
        percentiles = self._percentiles(pool, rows, rng)
        logs = np.zeros(len(rows))
        for (_, strength), shares in zip(self.parts, percentiles, strict=True):
            logs += strength * np.log(shares)
        return np.exp(logs).astype(np.float32)

    def explain(self, pool: PoolView, rows: Rows) -> list[Explanation]:
        """Return the product for candidate rows, and the percentile in each part."""
        rng = np.random.default_rng(0)  # parts that draw have no reasons to give
        scores = self.score(pool, rows, rng)
        names = [name_of(part) for part, _ in self.parts]
        percentiles = np.array(self._percentiles(pool, rows, rng)).T
        return [
            Explanation(float(score), dict(zip(names, map(float, shares), strict=True)))
            for score, shares in zip(scores, percentiles, strict=True)
        ]

    def _percentiles(
        self, pool: PoolView, rows: Rows, rng: np.random.Generator
    ) -> list[NDArray[np.float64]]:
        """Return the percentiles of some rows among all candidates, one array a part."""
        candidates = inputs.in_tie_order(pool, pool.candidate_rows())
        places = np.full(len(pool.status), -1)
        places[candidates] = np.arange(len(candidates))
        if len(rows) and (np.max(rows) >= len(places) or np.min(places[rows]) < 0):
            inputs.check_candidates(pool, rows)
        return [
            ecdf(part_scores(part, pool, candidates, rng))[places[rows]] for part, _ in self.parts
        ]


def part_scores(
    part: Strategy, pool: PoolView, rows: Rows, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return what a part thinks of candidate rows."""
    if _is_diversity(part):
        return _cover_distance(pool, rows)
    return scorer(part, "product").score(pool, rows, rng)


def _cover_distance(pool: PoolView, rows: Rows) -> NDArray[np.float32]:
    cover = inputs.cover_distance(pool, "product with k_center")
    return inputs.refuse_nan("cover_distance", cover, rows)


def _is_diversity(part: Strategy) -> bool:
    return f"{type(part).__module__}:{type(part).__qualname__}" == SHELF["k_center"].target


def _part(part: Strategy | str, strength: float) -> tuple[Scorer, float]:
    strategy = scorer(part, "product")
    if not 0 < strength <= STRONGEST:
        limit = f"give a number above 0, at most {STRONGEST:g}"
        raise ValueError(f"{name_of(strategy)}={strength!r} is no strength; {limit}")
    return strategy, float(strength)
