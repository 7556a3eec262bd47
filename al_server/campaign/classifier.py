"""What a classifier of the loop does, and the soft-vote nearest-neighbour one."""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from al_server.campaign import kernels
from al_server.campaign.nearest import NearestLists
from embeddings.index import KnnIndex
from strategies.kernels.threads import threads_for
from strategies.pool import Neighbors


@dataclass(frozen=True)
class VoteSettings:
    """How neighbours vote; fixed for the life of a campaign.

    Attributes
    ----------
    k : neighbours that vote
    width : tau in the vote's weight exp(-d^2 / tau), d the Euclidean distance of unit vectors
    smoothing : weight of the uniform prior, in votes at distance 0
    """

    k: int
    width: float
    smoothing: float


@dataclass
class LabelBook:
    """What is known of each sample of the pool, shared by all who vote with it.

    Attributes
    ----------
    labels : int64 array of shape (n_samples,), -1 where there is none
    targets : int8 array of shape (n_samples, n_classes), multi-label campaigns only: 1, 0, -1
    keys : uint64 array of shape (n_samples,), tie keys
    n_classes : int
    """

    labels: NDArray[np.int64]
    targets: NDArray[np.int8] | None
    keys: NDArray[np.uint64]
    n_classes: int

    def labeled_rows(self) -> NDArray[np.int64]:
        """Rows with a label, ascending."""
        return np.flatnonzero(self.labels >= 0)


class Beliefs(NamedTuple):
    """What is believed of each row; shapes as in `PoolView`."""

    probabilities: NDArray[np.float32]
    uncertainty: NDArray[np.float32]
    predicted: NDArray[np.int32]

    @classmethod
    def blank(cls, n_rows: int, n_classes: int) -> Self:
        """Return arrays to be written into."""
        return cls(
            np.empty((n_rows, n_classes), dtype=np.float32),
            np.empty(n_rows, dtype=np.float32),
            np.empty(n_rows, dtype=np.int32),
        )


class Voters(NamedTuple):
    """The labeled samples that a prediction comes from, those that count most first.

    Attributes
    ----------
    rows : integer array of shape (n,)
    distances : float32 array of shape (n,), cosine distance
    """

    rows: NDArray[np.integer]
    distances: NDArray[np.float32]


class Predictions(NamedTuple):
    """What is believed of some samples, and who says so, for each."""

    beliefs: Beliefs
    voters: list[Voters]


class Answers(Protocol):
    """Class probabilities of some rows, kept true while labels come and go in the book."""

    embeddings: NDArray[np.float32]
    wants_distances: bool
    """Whether `learn` looks at its column."""
    follows_pool: bool
    """Whether they come through the pool's own classifier, which must have learned before."""

    @property
    def beliefs(self) -> Beliefs:
        """What is believed of each row now."""
        ...

    def learn(self, row: int, column: NDArray[np.float32]) -> None:
        """Take in the label that `row` has just been given in the book; `column`: its distances."""
        ...

    def forget(self, row: int) -> None:
        """Give up a label that has just been taken out of the book."""
        ...

    def relearn(self, row: int) -> None:
        """Take in that the label of `row` has become another one."""
        ...

    def rebuild(self, positions: NDArray[np.int64]) -> None:
        """Compute the rows at `positions` from the book alone."""
        ...

    def set_pool(self, pool: NDArray[np.float32]) -> None:
        """Follow the pool's embeddings to where they have moved."""
        ...

    def add_classes(self) -> None:
        """Take in that classes were appended to the book."""
        ...


NOTHING: NDArray[np.float32] = np.empty(0, np.float32)
"""Goes for a column that nobody wants."""


class Classifier(Answers, Protocol):
    """One that answers for the pool itself."""

    def neighbors_of(self, row: int) -> Voters:
        """Return the labeled samples that decide on a row."""
        ...

    def grow(self, embeddings: NDArray[np.float32]) -> None:
        """Let rows be appended: `embeddings` holds the old ones and the new."""
        ...

    def answers_for(self, vectors: NDArray[np.float32]) -> Answers:
        """Answer for unit vectors outside the pool, kept true while the pool learns."""
        ...

    def told(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what people are told where these probabilities are believed; never a view."""
        ...

    def predict(self, vectors: NDArray[np.float32], index: KnnIndex) -> Predictions:
        """Tell of unit vectors from outside; `index` holds the labeled samples."""
        ...


class KnnVotes:
    """Class probabilities of some rows by the labeled samples nearest to them.

    p_c = (sum of w_i [y_i = c] + a / C) / (sum of w_i + a) with w = exp(-d^2 / tau) over the k
    nearest labeled samples; multi-label campaigns vote class by class with the prior 1/2.
    A label changes the k nearest of about k / (n_labeled + 1) of the rows, and only those are
    computed again. Whatever order the labels came in, the bits are the same.

    Parameters
    ----------
    embeddings : float32 array of shape (n_rows, n_features), the rows to predict for
    book : the labels of the pool
    pool : float32 array of shape (n_samples, n_features), embeddings of the pool
    """

    wants_distances = True
    follows_pool = False

    def __init__(
        self,
        embeddings: NDArray[np.float32],
        book: LabelBook,
        pool: NDArray[np.float32],
        settings: VoteSettings,
    ) -> None:
        self.settings = settings
        self.embeddings = embeddings
        self._book = book
        self._pool = pool
        self._nearest = NearestLists(len(embeddings), n_watched=settings.k)
        self.beliefs = Beliefs.blank(len(embeddings), book.n_classes)
        self.rebuild(np.arange(len(embeddings)))

    def learn(self, row: int, column: NDArray[np.float32]) -> None:
        """Take in the label that `row` has just been given in the book; `column`: its distances."""
        self._vote(self._nearest.insert(row, column, self._book.keys))

    def forget(self, row: int) -> None:
        """Give up a label that has just been taken out of the book."""
        labeled = self._book.labeled_rows()
        changed, starved = self._nearest.remove(row, n_left=len(labeled))
        self._fill(starved, labeled)
        self._vote(changed)

    def relearn(self, row: int) -> None:
        """Take in that the label of `row` has become another one."""
        self._vote(self._nearest.holders(row))

    def rebuild(self, positions: NDArray[np.int64]) -> None:
        """Compute the rows at `positions` from the book alone."""
        self._fill(positions, self._book.labeled_rows())
        self._vote(positions)

    def set_pool(self, pool: NDArray[np.float32]) -> None:
        """Follow the pool's embeddings to where they have moved."""
        self._pool = pool

    def grow(self, embeddings: NDArray[np.float32]) -> None:
        """Let rows be appended: `embeddings` holds the old ones and the new."""
        n_before = len(self.embeddings)
        self.embeddings = embeddings
        self._nearest.grow(len(embeddings))
        before, self.beliefs = (
            self.beliefs,
            Beliefs.blank(len(embeddings), self._book.n_classes),
        )
        for old, new in zip(before, self.beliefs, strict=True):
            new[:n_before] = old
        self.rebuild(np.arange(n_before, len(embeddings)))

    def add_classes(self) -> None:
        """Vote anew after classes were appended to the book: the prior is 1 / n_classes."""
        self.beliefs = Beliefs.blank(len(self.embeddings), self._book.n_classes)
        self._vote(np.arange(len(self.embeddings)))

    def answers_for(self, vectors: NDArray[np.float32]) -> "KnnVotes":
        """Vote on samples outside the pool, too."""
        return KnnVotes(vectors, self._book, self._pool, self.settings)

    def told(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the same: a vote is as sure as it should be."""
        return probabilities.copy()

    def neighbors_of(self, row: int) -> Voters:
        """Return the labeled samples that vote on a row, nearest first."""
        n_voting = min(int(self._nearest.count[row]), self.settings.k)
        return Voters(
            self._nearest.rows[row, :n_voting],
            self._nearest.distances[row, :n_voting],
        )

    def predict(self, vectors: NDArray[np.float32], index: KnnIndex) -> Predictions:
        """Vote on unit vectors from outside by the labeled samples of an index."""
        k = min(self.settings.k, len(index))
        found = index.search(vectors, k=k) if k else _nobody(len(vectors))
        beliefs = Beliefs.blank(len(vectors), self._book.n_classes)
        count = np.full(len(vectors), k, dtype=np.int16)
        lists = (found.rows.astype(np.int32), found.distances, count)
        _vote(np.arange(len(vectors)), lists, self._book, self.settings, beliefs)
        return Predictions(beliefs, [Voters(*one) for one in zip(*found, strict=True)])

    def _fill(self, positions: NDArray[np.int64], labeled: NDArray[np.int64]) -> None:
        self._nearest.fill(positions, self.embeddings, labeled, self._pool, self._book.keys)

    def _vote(self, positions: NDArray[np.int64]) -> None:
        nearest = self._nearest
        lists = (nearest.rows, nearest.distances, nearest.count)
        _vote(positions, lists, self._book, self.settings, self.beliefs)


def _nobody(n_samples: int) -> Neighbors:
    return Neighbors(np.empty((n_samples, 0), np.int32), np.empty((n_samples, 0), np.float32))


def _vote(
    positions: NDArray[np.int64],
    lists: tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int16]],
    book: LabelBook,
    settings: VoteSettings,
    beliefs: Beliefs,
) -> None:
    kernel = kernels.vote_single if book.targets is None else kernels.vote_multi
    known: NDArray[Any] = book.labels if book.targets is None else book.targets
    # an exponential costs as much as some ten multiplications
    with threads_for(10 * len(positions) * (settings.k + book.n_classes)):
        kernel(positions, *lists, settings.k, known, settings.width, settings.smoothing, *beliefs)
