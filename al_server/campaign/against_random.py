"""A running campaign against random sampling, measured on its own random picks.

The random picks and the samples before them in the campaign's random order (`campaign.lottery`)
are what random sampling would have labeled: R, r of them. From labels alone that people gave, two
classifiers are compared for one number of labels after the other, up to r - 1:

- *campaign*: learns from the first m labels of the campaign;
- *random*: learns from m samples of R, drawn anew `N_ORDERS` times.

Both are asked about the same samples: those of R whose labels came after the first r - 1 of the
campaign. These are a random sample of what the campaign had not labeled by then, they had no
influence on what it picked, and each is left out of the random labels that judge it. So no label
helps to judge a prediction that it helped to make, neither as a neighbor nor by steering the
picks. Labels that came with the source are given to both. r grows with a share of the labels: the
comparison speaks of the first r labels, not of all.

The judge is the vote of the nearest labeled samples, the same for both, whatever the campaign's
own classifier is. The variance of a difference has two parts: that over the samples asked about,
by Agresti and Min 2005, who add half a sample to each of the four outcomes of a pair; and, for the
luck of the labels learned from, that between the random orders. Of simulated campaigns that
sampled at random (MNIST, CIFAR-10 and tweets, 100 to 200 runs each) the interval of the mean left
0 out in 1 to 6%, that of the last point in up to 10%.

Time O(N_ORDERS N_POINTS r^2) and the distances, O(r^2 d); r ends at `MOST_RANDOM`.
"""

from dataclasses import dataclass
from itertools import islice
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from al_server.answers import AgainstRandom, ComparedPoint, Gain
from al_server.campaign.ledger import Ledger
from al_server.campaign.loop import Loop
from strategies.kernels.distances import cosine_distances
from strategies.pool import Status

MOST_RANDOM = 500
MOST_KNOWN = 2000
FEWEST_TESTED = 10
N_ORDERS = 10
N_POINTS = 15
_Z = 1.96

Shares = NDArray[np.float64]
"""How far each test sample (row) is predicted right at each point (column), in [0, 1]."""


@dataclass(frozen=True)
class LiveSample:
    """What the comparison needs of a campaign; small, and made quickly on the writer's thread.

    Attributes
    ----------
    first : rows of the campaign's first labels, in their order
    drawn : rows of R
    is_tested : of each of `drawn`, whether its label came later than those of `first`
    known : rows whose labels came with the source
    labels : of `first`, `drawn`, `known`: the classes that apply
    n_classes : in all
    embeddings : of the pool
    width, k : of the vote
    multi : several classes per sample
    """

    first: list[int]
    drawn: list[int]
    is_tested: list[bool]
    known: list[int]
    labels: list[tuple[int, ...]]
    n_classes: int
    embeddings: NDArray[np.float32]
    width: float
    k: int
    multi: bool

    @classmethod
    def of(cls, loop: Loop, *, width: float) -> "LiveSample | None":
        """Take it from a loop; None while there are too few random labels. O(labels)."""
        ledger, pool = loop.ledger, loop.pool
        head = loop.lottery.head(ledger.drawn, pool.book.keys) if ledger.drawn else []
        drawn = [row for row in head if _is_labeled(ledger, row) and row in ledger.answers]
        drawn = drawn[:MOST_RANDOM]
        # a dictionary keeps the order of the first answers
        labeled = (row for row in ledger.answers if _is_labeled(ledger, row))
        first = list(islice(labeled, max(0, len(drawn) - 1)))
        learned = {*first}
        is_tested = [row not in learned for row in drawn]
        if not first or sum(is_tested) < FEWEST_TESTED:
            return None
        known = ledger.known_rows()[:MOST_KNOWN]
        return cls(
            first,
            drawn,
            is_tested,
            known,
            [_classes_of(ledger, row) for row in (*first, *drawn, *known)],
            n_classes=len(ledger.classes),
            embeddings=pool.embeddings,
            width=width,
            k=loop.spec.k,
            multi=pool.book.targets is not None,
        )


class LiveComparison:
    """The comparison of one campaign, computed anew only when something has changed.

    May be asked from any thread.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._of: tuple[list[int], list[int], list[tuple[int, ...]]] | None = None
        self._found: AgainstRandom | None = None

    def compare(self, sample: LiveSample | None) -> AgainstRandom | None:
        """Compare, or return what was found for the same sample."""
        if sample is None:
            return None
        asked = (sample.first, sample.drawn, sample.labels)
        with self._lock:
            if asked != self._of:
                self._of, self._found = asked, against_random(sample)
            return self._found


def against_random(sample: LiveSample) -> AgainstRandom:
    """Compare a campaign with random sampling."""
    from al_server.lab.statistics import area, labels_to

    points = np.unique(np.geomspace(1, len(sample.first), N_POINTS).round().astype(np.int64))
    ours, orders = _both(sample, points)
    theirs = np.mean(orders, axis=0)
    means = np.array([one.mean(axis=0) for one in orders])
    # at the last points the orders hold nearly the same labels, and differ too little
    luck = float(area(means, points).var(ddof=1))
    lucks = np.maximum(means.var(axis=0, ddof=1), luck)
    gains = map(gain_of, (ours - theirs).T, lucks.tolist())
    # with half of its labels: the campaign can need more than random sampling, not only less
    middle = float(points[-1]) / 2
    target = float(np.interp(middle, points, theirs.mean(axis=0)))
    reached = labels_to(target, ours, theirs, points, seed=0)
    estimate, low, high = (None if np.isnan(one) else float(one) for one in reached.ratio)
    return AgainstRandom(
        n_test=len(ours),
        gain=gain_of(area(ours - theirs, points), luck),
        points=[
            ComparedPoint(n_labeled=int(n), campaign=float(our), random=float(their), gain=gain)
            for n, our, their, gain in zip(
                points, ours.mean(axis=0), theirs.mean(axis=0), gains, strict=True
            )
        ],
        target=target,
        labels=reached.labels,
        ratio=(estimate, low, high),
    )


def gain_of(differences: NDArray[np.float64], luck: float) -> Gain:
    """Return the mean of paired differences, each in [-1, 1], with its interval.

    Parameters
    ----------
    luck : variance that the labels learned from add
    """
    n, total = len(differences), float(differences.sum())
    middle = total / (n + 2)
    spread = max(0.0, (float(np.square(differences).sum()) + 1) / (n + 2) - middle**2)
    half = _Z * (spread / (n + 2) + luck) ** 0.5
    return Gain(mean=total / n, low=max(-1.0, middle - half), high=min(1.0, middle + half))


def _both(sample: LiveSample, points: NDArray[np.int64]) -> tuple[Shares, list[Shares]]:
    """Judge the campaign, and each order of the random labels."""
    n_first, n_drawn = len(sample.first), len(sample.drawn)
    tested = np.flatnonzero(sample.is_tested)
    rows = np.array([*sample.first, *sample.drawn, *sample.known], np.int64)
    vectors = np.ascontiguousarray(sample.embeddings[rows], np.float32)
    distances = cosine_distances(vectors, vectors[n_first + tested])
    truth = _as_matrix(sample.labels)
    first, drawn, known = np.split(np.arange(len(rows)), [n_first, n_first + n_drawn])
    always = np.broadcast_to(known, (len(tested), len(known)))

    def right(order: NDArray[np.int64]) -> Shares:
        """Judge the first labels of an order, one row of it for each test sample."""
        learned = (np.concatenate([order[:, :n], always], axis=1) for n in points)
        asked = truth[n_first + tested]
        return np.stack([_right(distances, one, truth, asked, sample) for one in learned], axis=1)

    ours = right(np.broadcast_to(first, (len(tested), n_first)))
    theirs: list[Shares] = []
    rng = np.random.default_rng(0)
    for _ in range(N_ORDERS):
        order = rng.permutation(n_drawn)
        own = np.argsort(order)[tested]
        # each test sample is taken out of its row
        others = np.arange(n_drawn - 1) + (np.arange(n_drawn - 1) >= own[:, None])
        theirs.append(right(drawn[order[others]]))
    return ours, theirs


def _right(
    distances: NDArray[np.float32],
    learned: NDArray[np.int64],
    truth: NDArray[np.int8],
    asked: NDArray[np.int8],
    sample: LiveSample,
) -> NDArray[np.float64]:
    """Tell how far the vote of the nearest is right, for each test sample.

    Parameters
    ----------
    distances : shape (n_test, n_places)
    learned : shape (n_test, n_labels), places that may vote
    truth : shape (n_places, n_classes)
    asked : the same of the test samples
    """
    distances = np.take_along_axis(distances, learned, axis=1)
    if distances.shape[1] > sample.k:
        near = np.argpartition(distances, sample.k - 1, axis=1)[:, : sample.k]
        distances = np.take_along_axis(distances, near, axis=1)
        learned = np.take_along_axis(learned, near, axis=1)
    # relative to the nearest, so that far from everything the weights do not all become 0
    weights = np.exp(-2 * (distances - distances.min(axis=1, keepdims=True)) / sample.width)
    votes = np.einsum("tk,tkc->tc", weights, truth[learned])
    if not sample.multi:
        right: NDArray[np.int8] = asked[np.arange(len(asked)), votes.argmax(axis=1)]
        return right.astype(np.float64)
    yes = votes >= weights.sum(axis=1, keepdims=True) / 2
    # classes that nobody has named have no column, and are right
    share: NDArray[np.float64] = 1 - (yes != (asked == 1)).sum(axis=1) / sample.n_classes
    return share


def _as_matrix(labels: list[tuple[int, ...]]) -> NDArray[np.int8]:
    """Return 1 where a class applies, one column for each class that is named."""
    columns = {c: column for column, c in enumerate(sorted({c for one in labels for c in one}))}
    matrix = np.zeros((len(labels), max(1, len(columns))), np.int8)
    for place, one in enumerate(labels):
        matrix[place, [columns[c] for c in one]] = 1
    return matrix


def _classes_of(ledger: Ledger, row: int) -> tuple[int, ...]:
    label = ledger.standing(row).label
    assert label is not None  # only labeled rows are asked about
    return label if isinstance(label, tuple) else (label,)


def _is_labeled(ledger: Ledger, row: int) -> bool:
    return ledger.standing(row).status == Status.LABELED
