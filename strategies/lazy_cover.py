"""Greedy batches of samples that are worth something by themselves and something by being far off.

The exact greedy for ranks that are frozen during a round, without the distance of every candidate
to every pick.
"""

import numpy as np
from numpy.typing import NDArray

from strategies.kernels import lazy_cover as kernel
from strategies.kernels.lazy_cover import RankMap
from strategies.kernels.threads import threads_for
from strategies.pool import PoolView, Rows

N_RANKED = 32_768
"""Candidates whose cover distances stand for all of them where ranks are taken."""

FEWEST = 512  # candidates that are looked at closely at once
MOST_NUMBERS = 2**19  # in their embeddings, which stay in the cache
_ALL_OTHERS_WORSE = (-np.inf, np.int64(-1))


def round_size(n_picked: int) -> int:
    """Return how many picks the next round of a batch has: an eighth of those before, at least 1.

    That depends on nothing else, so that a batch is the beginning of every larger one.
    """
    return max(1, n_picked // 8)


class LazyCover:
    """Candidates, their cover distances as far as known, and the picks of a batch.

    Parameters
    ----------
    pool : where the embeddings are, finite ones
    rows : the candidates, in the order of their tie_key; positions below are places in it
    cover_distance : float32 array of shape (len(rows),), against what was covered before the batch

    Attributes
    ----------
    is_left : bool array of shape (len(rows),), not picked yet
    """

    def __init__(self, pool: PoolView, rows: Rows, cover_distance: NDArray[np.float32]) -> None:
        # another memory layout would be another compiled kernel, with other bits
        self._embeddings = np.ascontiguousarray(pool.embeddings, dtype=np.float32)
        self._rows = rows
        self._cover = np.array(cover_distance, np.float32)
        self._tested = np.zeros(len(rows), np.int32)
        self._picks: NDArray[np.float32] = self._embeddings[:0]
        self.is_left = np.ones(len(rows), np.bool_)

    def ranks(self, *, strength: float = 1.0, n_ranked: int = N_RANKED) -> RankMap:
        """Freeze the ranks of the cover distances among the candidates that are left.

        Of more than `n_ranked` candidates an even sample is ranked. A distance is worth `strength`
        times the logarithm of its share: (those below + half of those equal + 1/2) / all.
        """
        left = np.flatnonzero(self.is_left)
        left = left[:: -(-len(left) // n_ranked) or 1]
        nothing = RankMap(np.empty(0, np.float32), np.empty(0), np.zeros(1))
        self._resume(left, np.zeros(len(self._rows)), nothing, -np.inf)
        values, counts = np.unique(self._cover[left], return_counts=True)
        below = np.concatenate([[0], np.cumsum(counts)])
        return RankMap(
            values,
            strength * np.log((below[:-1] + (counts + 1) / 2) / max(len(left), 1)),
            strength * np.log((below + 0.5) / max(len(left), 1)),
        )

    def pick(self, static: NDArray[np.float64], ranks: RankMap, n_picks: int) -> NDArray[np.int64]:
        """Pick by static + the worth of the cover distance, each pick covering its surroundings.

        Parameters
        ----------
        static : float64 array of shape (len(rows),), finite where a candidate is left
        ranks : as `ranks` returns them; they stay as they are for these picks
        n_picks : not more than are left

        Returns
        -------
        int64 array of shape (n_picks,), positions
        """
        static = np.where(self.is_left, static, -np.inf)
        bounds = self._bounds(np.arange(len(static)), static, ranks)
        picked: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
        n_left = n_picks
        while n_left:
            chosen = self._pick_some(static, ranks, bounds, n_left)
            picked.append(chosen)
            n_left -= len(chosen)
        return np.concatenate(picked)

    def _pick_some(
        self,
        static: NDArray[np.float64],
        ranks: RankMap,
        bounds: NDArray[np.float64],
        n_picks: int,
    ) -> NDArray[np.int64]:
        """Bring the most promising candidates up to date and pick while they are the best."""
        n_close = min(16 * n_picks, MOST_NUMBERS // max(self._embeddings.shape[1], 1))
        close, rival = _highest(bounds, max(n_close, FEWEST))
        close = close[static[close] > -np.inf]
        self._resume(close, static, ranks, rival[0])
        bounds[close] = self._bounds(close, static, ranks)
        close = close[bounds[close] >= rival[0]]  # the others have stopped
        cover, places = self._cover[close], np.empty(n_picks, np.int64)
        vectors = self._embeddings[self._rows[close]]
        n_picked = kernel.pick_among(vectors, close, static[close], ranks, rival, cover, places)
        chosen = close[places[:n_picked]]
        self._picks = np.concatenate([self._picks, vectors[places[:n_picked]]])
        self._cover[close], self._tested[close] = cover, len(self._picks)
        self.is_left[chosen] = False
        static[chosen] = -np.inf
        bounds[close] = self._bounds(close, static, ranks)
        return chosen

    def _bounds(
        self, positions: NDArray[np.int64], static: NDArray[np.float64], ranks: RankMap
    ) -> NDArray[np.float64]:
        bounds = np.empty(len(positions))
        with threads_for(64 * len(positions)):
            kernel.bounds(static[positions], ranks, self._cover[positions], bounds)
        return bounds

    def _resume(
        self,
        positions: NDArray[np.int64],
        static: NDArray[np.float64],
        ranks: RankMap,
        floor: float,
    ) -> None:
        """Test positions against the picks they have not met, unless they fall below `floor`."""
        behind = positions[self._tested[positions] < len(self._picks)]
        with threads_for(len(behind) * self._picks.size):
            kernel.resume(
                self._embeddings,
                self._rows,
                behind,
                self._picks,
                static,
                ranks,
                floor,
                self._cover,
                self._tested,
            )


def _highest(
    bounds: NDArray[np.float64], n_highest: int
) -> tuple[NDArray[np.int64], tuple[float, np.int64]]:
    """Return the positions of the highest bounds, ascending, and the best of the others.

    Equal bounds count as higher at a lower position.
    """
    if n_highest >= len(bounds):
        return np.arange(len(bounds)), _ALL_OTHERS_WORSE
    # the first that is not among them
    place = len(bounds) - 1 - n_highest
    edge = np.partition(bounds, place)[place]
    higher = np.flatnonzero(bounds > edge)
    equal = np.flatnonzero(bounds == edge)
    n_equal = n_highest - len(higher)
    rival = (float(edge), np.int64(equal[n_equal]))
    return np.sort(np.concatenate([higher, equal[:n_equal]])), rival
