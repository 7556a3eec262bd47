"""Ask where a label would move the classifier most, in many different ways (BADGE)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strategies import inputs
from strategies.kernels import badge as kernel
from strategies.kernels.threads import threads_for
from strategies.pool import PoolView, Rows, Status

PROPOSALS, FEWEST = 256, 32  # drawn at a time, the fewest for a small batch
NEARLY = 1 - 2.0**-18  # squared lengths this close to the longest count as equal to it
# adding up the weights of a pool, once for each round of proposals, costs as much as comparing
# this share of the pool with one centre
COST_OF_A_ROUND = 0.25


@dataclass(frozen=True)
class Badge:
    """k-means++ on gradients: g = (p - e) x h, with e the predicted class and h the embedding.

    g is the gradient of the loss at a linear last layer if the prediction were right: long where
    the classifier is unsure. The first pick is the longest gradient, lowest tie_key first among
    equal ones, as in the authors' code; each further one is drawn with a chance in proportion to
    its squared distance to the nearest pick. Samples that are pending or skipped count as picks
    made before; labeled ones do not, as in the paper: their gradients are short. Before the first
    label all p are equal, and it is k-means++ on the embeddings. Where all that is left
    repeats what was picked, the lowest tie_keys fill the batch. With several classes a sample, e
    holds every class of p >= 1/2, which is not in the paper.

    Inner products are factorised, <q, q'> <h, h'>, in single precision: squared distances below
    2^-18 of the squared lengths count as 0. Draws are by rejection, from distances of the past,
    and exactly of the distribution above: only what is proposed is compared with all picks, and
    the whole pool only when too much is rejected. Time O(n b (C + d)) at most and far less for a
    large batch, memory O(n (C + d)).

    Source: Ash, Zhang, Krishnamurthy, Langford and Agarwal 2020, arXiv:1906.03671, Algorithm 1.
    """

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        """Return up to `budget` candidate rows, in the order they were drawn."""
        n_picks = inputs.n_picks(pool, budget)
        rows = inputs.in_tie_order(pool, pool.candidate_rows())
        covered = (pool.status == Status.PENDING) | (pool.status == Status.SKIPPED)
        gradients = gradients_of(pool, rows)
        centers = gradients_of(pool, inputs.in_tie_order(pool, np.flatnonzero(covered)))
        return rows[draw_centers(gradients, centers, n_picks, rng)]


def gradients_of(pool: PoolView, rows: Rows) -> kernel.Gradients:
    """Return the factors of the gradients of some rows."""
    errors = inputs.probabilities(pool, rows)
    if pool.targets is None:
        errors[np.arange(len(rows)), errors.argmax(axis=1)] -= 1
    else:
        errors -= errors >= 0.5
    vectors = inputs.embeddings(pool, rows)
    lengths = [np.einsum("ij,ij->i", factor, factor) for factor in (errors, vectors)]
    return kernel.Gradients(errors, vectors, lengths[0].astype(np.float64) * lengths[1])


def draw_centers(
    gradients: kernel.Gradients,
    chosen: kernel.Gradients,
    n_picks: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Return positions of k-means++ centres among the gradients, after those chosen before.

    Parameters
    ----------
    gradients : of the candidates, in the order of their tie_key
    chosen : gradients that are centres from the start
    n_picks : int, at most as many as there are gradients
    """
    picks = np.empty(n_picks, np.int64)
    sampler = _Sampler(gradients, chosen, n_picks)
    n_done = 0
    if sampler.n_centers == 0 and n_picks > 0:
        lengths = gradients.lengths
        picks[0] = np.flatnonzero(lengths >= lengths.max() * NEARLY)[0]
        sampler.add(picks[:1])
        n_done = 1
    while n_done < n_picks:
        accepted = sampler.draw(n_picks - n_done, rng)
        if len(accepted) == 0:
            break
        picks[n_done : n_done + len(accepted)] = accepted
        n_done += len(accepted)
    left = np.ones(len(gradients.lengths), np.bool_)
    left[picks[:n_done]] = False
    picks[n_done:] = np.flatnonzero(left)[: n_picks - n_done]
    return picks


class _Sampler:
    """Draws centres in proportion to squared distances, which it knows only as well as it must."""

    def __init__(self, gradients: kernel.Gradients, chosen: kernel.Gradients, room: int) -> None:
        self.gradients = gradients
        self.n_centers = 0
        n_rows = -(-(len(chosen.lengths) + room) // 4) * 4
        self._centers = kernel.Gradients(
            np.zeros((n_rows, chosen.errors.shape[1]), np.float32),
            np.zeros((n_rows, chosen.vectors.shape[1]), np.float32),
            np.zeros(n_rows),
        )
        self._add(chosen)
        self._squared = np.full(len(gradients.lengths), np.inf)
        self._n_compared = np.zeros(len(gradients.lengths), np.int32)
        self._n_fresh = 0  # centres that every gradient has been compared with
        self._in_vain = np.inf  # comparisons spent on what was rejected since then

    def add(self, positions: NDArray[np.int64]) -> None:
        """Make some of the gradients centres."""
        errors, vectors, lengths = self.gradients
        self._add(kernel.Gradients(errors[positions], vectors[positions], lengths[positions]))

    def _add(self, chosen: kernel.Gradients) -> None:
        added = slice(self.n_centers, self.n_centers + len(chosen.lengths))
        self._centers.errors[added] = chosen.errors
        self._centers.vectors[added] = chosen.vectors
        self._centers.lengths[added] = chosen.lengths
        self.n_centers = added.stop

    def draw(self, n_wanted: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw up to `n_wanted` more centres; none only where no gradient is away from all."""
        while True:
            n_stale = self.n_centers - self._n_fresh
            if self._in_vain >= len(self._squared) * n_stale:
                self._bring_up_to_date(n_stale)
            sums = np.cumsum(self._squared)
            if sums[-1] == 0:
                return np.empty(0, np.int64)
            uniforms = rng.random((2, min(PROPOSALS, max(FEWEST, 2 * n_wanted))))
            proposals = np.searchsorted(sums, uniforms[0] * sums[-1], "right")
            # rounding must not lead past the last one that has a weight
            proposals = np.minimum(proposals, np.searchsorted(sums, sums[-1]))
            accepted = self._accept(proposals, uniforms[1], n_wanted)
            if len(accepted):
                return accepted

    def _bring_up_to_date(self, n_stale: int) -> None:
        with threads_for(len(self._squared) * n_stale * self.gradients.vectors.shape[1]):
            kernel.bring_up_to_date(
                self.gradients, self._centers, self.n_centers, self._n_compared, self._squared
            )
        self._n_fresh, self._in_vain = self.n_centers, 0.0

    def _accept(
        self, proposals: NDArray[np.int64], chances: NDArray[np.float64], n_wanted: int
    ) -> NDArray[np.int64]:
        """Accept proposals one after another; each that is accepted makes the next ones nearer.

        A proposal was drawn in proportion to a distance of the past. Accepted with the chance
        (distance now) / (distance of the past), it is drawn in proportion to the distance now.
        """
        enough = chances * self._squared[proposals]
        known = (self.gradients, self._centers, self.n_centers, self._n_compared, self._squared)
        n_before = self._n_compared[proposals]
        with threads_for(len(proposals) * self.n_centers * self.gradients.vectors.shape[1]):
            now, n_seen = kernel.compare(proposals, enough, *known)
        accepted = np.empty(min(n_wanted, len(proposals)), np.int64)
        n_accepted = kernel.accept(proposals, enough, now, n_seen, *known, accepted)
        self.n_centers += n_accepted
        spent = COST_OF_A_ROUND * len(self._squared) + float((n_seen - n_before).sum())
        self._in_vain += spent * (1 - n_accepted / len(proposals))
        return accepted[:n_accepted]
