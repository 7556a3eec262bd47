"""Ask for the labels that, taken together, say most about which classifier is right (BatchBALD)."""

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from strategies import inputs
from strategies.kernels import committee as kernel
from strategies.kernels.nearest import nearest
from strategies.kernels.threads import threads_for
from strategies.labeled import SMOOTHING, labeled_samples, vote_weights
from strategies.pool import PoolView, Rows
from strategies.power import draw
from strategies.scores import best_first

# so many of the nearest, times n_neighbors and besides: a third of them is not in a resample
LISTED, BESIDES = 3, 10
DIGITS = 9  # of an information in nats
MOST_ENTRIES = 2**24  # numbers that the posteriors of all members may take, 128 MB


@dataclass(frozen=True)
class BatchBald:
    """Mutual information between the labels of a batch and the classifier, chosen greedily.

    The classifier is uncertain in that it could be any member of a committee of `n_members`
    nearest-neighbour classifiers, each of a bootstrap resample of the labeled samples: the vote of
    its `n_neighbors` nearest, with weights as in `labeled.vote_weights`, and a tenth of a vote
    spread over all classes. A batch B scores I = H(labels of B) - mean over members of the sum
    over B of H(label | member). H(labels of B) is a sum over all C^(b-1) configurations of the
    labels chosen before while there are at most `n_configurations` of them, and over as many drawn
    ones after that.

    The greedy search sees the `n_candidates` rows that say most by themselves, fewer with very
    many classes. The information of a committee is at most log n_members, so that a batch cannot
    say more after some picks: beyond `n_joint` rows, the others are drawn by their own information
    (`Power` with beta 1). Before the first label the batch is drawn uniformly. A member lacks
    votes, rarely, where its k nearest are not among the 3k + 10 nearest of all labeled samples.

    One neighbour is the default because it was much better on digits than ten: what lies far from
    all labels must not look certain to every member.

    Time O(n L d + n n_members (k + C)) and O(n_candidates C n_configurations n_members) a pick;
    memory O(n k).

    Source: Kirsch, van Amersfoort and Gal 2019, arXiv:1906.08158, Algorithm 1 and section 3.4;
    there the committee are dropout masks.

    Attributes
    ----------
    n_members : classifiers in the committee
    n_neighbors : k, votes of a member
    n_candidates : rows that the greedy search looks at
    n_configurations : of the labels of the rows chosen before
    n_joint : rows that are chosen jointly
    """

    n_members: int = 50
    n_neighbors: int = 1
    n_candidates: int = 1000
    n_configurations: int = 1000
    n_joint: int = 10

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        for setting in fields(self):
            value = getattr(self, setting.name)
            if value < 1:
                raise ValueError(f"{setting.name}={value} is below 1")

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        """Return up to `budget` candidate rows, in the order they were chosen."""
        inputs.one_label_a_sample(pool, "batch_bald")
        n_picks = inputs.n_picks(pool, budget)
        rows = inputs.in_tie_order(pool, pool.candidate_rows())
        votes = self._votes(pool, rows, rng)
        if votes is None:
            return rng.choice(rows, size=n_picks, replace=False)
        scores = _informations(pool, votes)
        n_classes, n_joint = max(pool.n_classes, 1), min(n_picks, self.n_joint)
        n_seen = min(self.n_candidates, MOST_ENTRIES // (self.n_members * n_classes))
        # positions are in the order of their tie_key
        seen = np.sort(best_first(scores, pool.tie_key[rows], max(n_seen, n_joint)))
        members = np.empty((len(seen), n_classes, self.n_members))
        with threads_for(members.size * self.n_neighbors):
            kernel.posteriors(votes, seen, members)
        picks = seen[jointly(members, n_joint, rng, n_configurations=self.n_configurations)]
        is_left = np.ones(len(rows), np.bool_)
        is_left[picks] = False
        left = np.flatnonzero(is_left)
        others = left[draw(scores[left], n_picks - n_joint, rng)]
        batch: list[Rows] = [picks, others]
        return rows[np.concatenate(batch)]

    def score(self, pool: PoolView, rows: Rows, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return what the label of each row says by itself, in nats: BALD. 0 without labels."""
        inputs.one_label_a_sample(pool, "batch_bald")
        votes = self._votes(pool, rows, rng)
        return np.zeros(len(rows), np.float32) if votes is None else _informations(pool, votes)

    def _votes(self, pool: PoolView, rows: Rows, rng: np.random.Generator) -> kernel.Votes | None:
        """Draw a committee and list its voters for each row; None where nobody can vote."""
        vectors, labeled = inputs.embeddings(pool, rows), labeled_samples(pool)
        n_labeled = len(labeled.classes)
        if n_labeled == 0 or len(rows) == 0:
            return None
        times = np.empty((n_labeled, self.n_members), np.int32)
        for member in times.T:
            member[:] = np.bincount(rng.integers(n_labeled, size=n_labeled), minlength=n_labeled)
        listed = nearest(vectors, labeled.vectors, k=LISTED * self.n_neighbors + BESIDES)
        return kernel.Votes(
            listed.positions,
            vote_weights(listed, labeled.width(pool)),
            labeled.classes,
            times,
            self.n_neighbors,
            SMOOTHING,
        )


def jointly(
    members: NDArray[np.float64], n_picks: int, rng: np.random.Generator, *, n_configurations: int
) -> NDArray[np.int64]:
    """Return positions of rows whose labels say most about the member, found greedily.

    Parameters
    ----------
    members : float64 array of shape (n_rows, n_classes, n_members), posteriors
    n_picks : at most as many as there are rows
    n_configurations : of the labels chosen before; more of them are represented by so many drawn
    """
    picks: list[int] = []
    gains = np.empty(len(members))
    while len(picks) < n_picks:
        chances, shares = _configurations(members[picks], n_configurations, rng)
        with threads_for(members.size * len(shares)):
            kernel.joint_informations(members, chances, shares, gains)
        gains[picks] = -np.inf
        # rounded, so that rounding errors do not decide between equal ones
        picks.append(int(gains.round(DIGITS).argmax()))
    return np.array(picks, np.int64)


class _Configurations(NamedTuple):
    """Labels that some rows may have: how likely for each member, and for how many they stand."""

    chances: NDArray[np.float64]  # (n_configurations, n_members)
    shares: NDArray[np.float64]  # (n_configurations,)


def _configurations(
    chosen: NDArray[np.float64], n_most: int, rng: np.random.Generator
) -> _Configurations:
    """List all labels of the chosen rows, or draw some, each by one member after the other."""
    n_chosen, n_classes, n_members = chosen.shape
    if n_classes**n_chosen <= n_most:
        chances = np.ones((1, n_members))
        for posterior in chosen:
            chances = (chances[:, None] * posterior).reshape(-1, n_members)
        return _Configurations(chances, np.ones(len(chances)))
    chances = np.ones((n_most, n_members))
    who = np.arange(n_most) % n_members
    for posterior in chosen:
        sums = posterior[:, who].cumsum(axis=0)
        labels = np.minimum((sums <= rng.random(n_most)).sum(axis=0), n_classes - 1)
        chances *= posterior[labels]
    # drawn in proportion to their mean chance, which the sum over all of them must not count twice
    return _Configurations(chances, 1 / (n_most * chances.mean(axis=1)))


def _informations(pool: PoolView, votes: kernel.Votes) -> NDArray[np.float32]:
    scores = np.empty(len(votes.positions), np.float32)
    with threads_for(votes.positions.size * votes.times.shape[1]):
        kernel.informations(votes, max(pool.n_classes, 1), scores)
    return scores
