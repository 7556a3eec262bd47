"""The propagated classifier: labels spread through the graph of the pool."""

from typing import Any, NamedTuple

import numpy as np
from numba import get_num_threads
from numpy.typing import NDArray

from al_server.campaign import propagation_kernels as kernels
from al_server.campaign.classifier import NOTHING, Beliefs, LabelBook, Predictions, Voters
from al_server.campaign.graph import N_LINKS, PoolGraph
from al_server.campaign.nearest import NearestLists
from embeddings.index import KnnIndex
from strategies.kernels.distances import cosine_distances
from strategies.kernels.threads import threads_for

BALANCE = 0.75  # how far classes that reach little are raised to those that reach much
PRIOR = 0.3  # of all classes together, in mean reaches of a class
MOST_THREADS, LABELS_A_THREAD = 4, 32  # where all labels spread at once
N_VOTERS = 10  # labels that a prediction is explained by
_FIXED = 2.0**40  # whole numbers in a coordinate of 1

Whole = NDArray[np.int64]


class Known(NamedTuple):
    """What the labels say, whatever they are asked about.

    Attributes
    ----------
    factors : float32 array of shape (n_classes,), what a reach counts
    centroids : float32 array of shape (n_classes, n_features), unit rows, or zeros without labels
    moved_at : int64 array of shape (n_classes,), the version in which each centroid moved last
    is_seen : bool array of shape (n_classes,), which classes have labels
    steepness : float, of the softmax over cosines
    """

    factors: NDArray[np.float32]
    centroids: NDArray[np.float32]
    moved_at: NDArray[np.int64]
    is_seen: NDArray[np.bool_]
    steepness: float


class Cosines:
    """Cosines of some vectors to the centroids of the classes; only those that moved are renewed.

    Parameters
    ----------
    vectors : float32 array of shape (n, n_features), unit rows

    Attributes
    ----------
    values : float32 array of shape (n_classes, n)
    """

    def __init__(self, vectors: NDArray[np.float32], n_classes: int) -> None:
        self._vectors = vectors
        self.values: NDArray[np.float32] = np.zeros((n_classes, len(vectors)), np.float32)
        self._known_at: Whole = np.zeros(n_classes, np.int64)

    def add_classes(self, n_new: int) -> None:
        """Append classes without labels."""
        more = np.zeros((n_new, self.values.shape[1]), np.float32)
        self.values = np.concatenate([self.values, more])
        self._known_at = np.concatenate([self._known_at, np.zeros(n_new, np.int64)])

    def follow(self, centroids: NDArray[np.float32], moved_at: NDArray[np.int64]) -> list[int]:
        """Renew the cosines to centroids that have moved since; return which these are."""
        moved: list[int] = np.flatnonzero(moved_at > self._known_at).tolist()
        for label in moved:
            self.values[label] = 1 - cosine_distances(self._vectors, centroids[label][None])[0]
        self._known_at[:] = moved_at
        return moved


class Propagated:
    """Class probabilities by what reaches a sample, and by the centroids of the classes.

    P = 1/2 propagation + 1/2 centroid. The reach of class c is F_c, the sum over its
    labels i of pi_i = (1 - a)(I - a S)^-1 e_i, a = 0.9, with S the graph of the 10 nearest
    neighbours, symmetrized and normalized; propagation takes classes in proportion to N F_c / m
    (m / m_c)^0.75 + 0.3 / C, where m_c is the sum of F_c over the pool and m its mean over the
    classes seen. Centroid is the softmax over the classes seen of cos(x, sum of the vectors of the
    class) / the standard deviation of these cosines over the pool. Samples are chosen by P. What
    people are told is P^2, scaled to sum to 1: the mean of two cautious opinions is too cautious,
    and the square brings the calibration error on real sets from some .3 to .1 (chosen by it,
    samples gained .5 points less on MNIST and CIFAR-10).

    Linear in the labels: a label adds its pi_i, an undo takes the same away, in whole numbers, so
    that nothing depends on the order. pi_i is found by pushing what arrives on, from sample to
    sample, until less than 1e-4 is left at each: some 20,000 samples of a large pool are reached.
    Beliefs are brought up to date when they are asked for: time O(n_samples n_classes).

    Source: Zhou et al. 2004, "Learning with local and global consistency"; class mass after Zhu,
    Ghahramani and Lafferty 2003; pushes after Andersen, Chung and Lang 2006; the mixture is ours.

    Parameters
    ----------
    embeddings : float32 array of shape (n_samples, n_features), of the pool
    book : the labels of the pool
    graph : of the pool
    """

    wants_distances = False
    follows_pool = False

    def __init__(self, embeddings: NDArray[np.float32], book: LabelBook, graph: PoolGraph) -> None:
        self.embeddings = embeddings
        self.graph = graph
        self._book = book
        self.version = 0  # grows with everything that is learned
        self._is_outgrown = False  # whether the sums are of a smaller pool
        self._begin()

    def _begin(self) -> None:
        n_samples, n_classes = len(self.embeddings), self._book.n_classes
        self._work = kernels.make_work(n_samples)
        self._said: dict[int, int] = {}  # the labels that are in the sums
        self.reach: Whole = np.zeros((n_classes, n_samples), np.int64)
        self._totals: Whole = np.zeros(n_classes, np.int64)
        self._sums: Whole = np.zeros((n_classes, self.embeddings.shape[1]), np.int64)
        self._n_labels: Whole = np.zeros(n_classes, np.int64)
        self._cosines = Cosines(self.embeddings, n_classes)
        # of each class the mean cosine and the mean square
        self._moments: NDArray[np.float64] = np.zeros((n_classes, 2))
        self._beliefs = Beliefs.blank(n_samples, n_classes)
        # versions in which centroids moved last
        self._moved_at: Whole = np.zeros(n_classes, np.int64)
        self._is_stale = True
        self.version += 1

    @property
    def keys(self) -> NDArray[np.uint64]:
        """Tie keys of the pool."""
        return self._book.keys

    # -- labels --------------------------------------------------------------------------------

    def learn(self, row: int, column: NDArray[np.float32]) -> None:
        """Take in the label that `row` has just been given in the book; no distances are needed."""
        self._said[row] = int(self._book.labels[row])
        self._add(row, self._said[row], 1)

    def forget(self, row: int) -> None:
        """Give up a label that has just been taken out of the book."""
        self._add(row, self._said.pop(row), -1)

    def relearn(self, row: int) -> None:
        """Take in that the label of `row` has become another one."""
        self.forget(row)
        self.learn(row, NOTHING)

    def rebuild(self, positions: NDArray[np.int64]) -> None:
        """Compute everything from the book; no row can be computed alone."""
        self._is_outgrown = False
        self._begin()
        labeled = self._book.labeled_rows()
        labeled = labeled[np.argsort(self._book.labels[labeled], kind="stable")]
        classes = self._book.labels[labeled]
        self._said = dict(zip(labeled.tolist(), classes.tolist(), strict=True))
        n_threads = min(MOST_THREADS, get_num_threads(), 1 + len(labeled) // LABELS_A_THREAD)
        graph = self.graph.now()
        kernels.add_many_labels(graph, labeled, classes, n_threads, self.reach, self._totals)
        for row, label in self._said.items():
            self._move_centroid(row, label, 1)

    def grow(self, embeddings: NDArray[np.float32]) -> None:
        """Follow pool and graph to where they have grown; the sums follow when they are wanted."""
        self.embeddings = embeddings
        self._is_outgrown = True
        self.version += 1

    def _catch_up(self) -> None:
        """Bring sums that are of a smaller pool up to date: every label reaches elsewhere now."""
        if self._is_outgrown:
            self.rebuild(np.arange(len(self.embeddings)))

    def set_pool(self, pool: NDArray[np.float32]) -> None:
        """Do nothing: `grow` brings the pool."""

    def add_classes(self) -> None:
        """Make room for classes that were appended to the book: they reach nobody yet."""
        n_new = self._book.n_classes - len(self.reach)
        self.reach, self._sums, self._moments, self._totals, self._n_labels, self._moved_at = (
            np.concatenate([one, np.zeros((n_new, *one.shape[1:]), one.dtype)])
            for one in (
                self.reach,
                self._sums,
                self._moments,
                self._totals,
                self._n_labels,
                self._moved_at,
            )
        )
        self._cosines.add_classes(n_new)
        self._beliefs = Beliefs.blank(len(self._beliefs.predicted), self._book.n_classes)
        self._is_stale = True
        self.version += 1

    def _add(self, row: int, label: int, sign: int) -> None:
        if self._is_outgrown:
            self.version += 1
            return  # all sums will be made from the book
        one = np.array([row]), np.array([label])
        kernels.add_labels(self.graph.now(), *one, sign, self._work, self.reach, self._totals)
        self._move_centroid(row, label, sign)

    def _move_centroid(self, row: int, label: int, sign: int) -> None:
        self.version += 1
        self._sums[label] += sign * np.rint(self.embeddings[row] * _FIXED).astype(np.int64)
        self._n_labels[label] += sign
        self._moved_at[label] = self.version
        self._is_stale = True

    # -- beliefs -------------------------------------------------------------------------------

    @property
    def beliefs(self) -> Beliefs:
        """What is believed of every row of the pool."""
        self._catch_up()
        if self._is_stale:
            known = self.known()
            factors = known.factors, PRIOR / self._book.n_classes, known.is_seen, known.steepness
            with threads_for(10 * self.reach.size):
                kernels.believe(self.reach, self._cosines.values, *factors, *self._beliefs)
            self._is_stale = False
        return self._beliefs

    def known(self) -> Known:
        """Return what the labels say."""
        self._catch_up()
        is_seen = self._n_labels > 0
        norms = np.sqrt((self._sums.astype(np.float64) ** 2).sum(axis=1, keepdims=True))
        centroids = np.divide(self._sums, norms, where=norms > 0, out=np.zeros(self._sums.shape))
        centroids = centroids.astype(np.float32)
        for label in self._cosines.follow(centroids, self._moved_at):
            with threads_for(len(self.embeddings)):
                self._moments[label] = kernels.moments(self._cosines.values[label])
        factors = np.zeros(len(is_seen), np.float32)
        if is_seen.any():
            totals = self._totals[is_seen] / kernels.UNIT
            mean = totals.mean()
            scale = len(self.embeddings) / mean * (mean / totals) ** BALANCE
            factors[is_seen] = scale / kernels.UNIT
        return Known(factors, centroids, self._moved_at, is_seen, self._steepness(is_seen))

    def _steepness(self, is_seen: NDArray[np.bool_]) -> float:
        mean, square = self._moments[is_seen].mean(axis=0) if is_seen.any() else (0.0, 1.0)
        return float(1 / np.sqrt(max(square - mean**2, 1e-12)))

    def believe(
        self, cosines: Cosines, near: NDArray[np.int32], weights: NDArray[np.float32]
    ) -> Beliefs:
        """Return what people are told of samples from outside the pool.

        Parameters
        ----------
        cosines : of these samples
        near : int32 array of shape (n, N_LINKS), the pool rows nearest to them; -1 is none
        weights : float32 array of the same shape, of their links
        """
        known = self.known()
        reach = np.zeros((self._book.n_classes, len(near)), np.int64)
        kernels.mean_reach(self.reach, near, weights, reach)
        cosines.follow(known.centroids, known.moved_at)
        beliefs = Beliefs.blank(len(near), self._book.n_classes)
        factors = known.factors, PRIOR / self._book.n_classes, known.is_seen, known.steepness
        kernels.believe(reach, cosines.values, *factors, *beliefs)
        return beliefs._replace(probabilities=self.told(beliefs.probabilities))

    def answers_for(self, vectors: NDArray[np.float32]) -> "Onlookers":
        """Answer for samples outside the pool, again and again."""
        return Onlookers(vectors, self)

    def told(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what people are told: the squares, scaled to sum to 1."""
        squares = np.square(probabilities)
        squares /= squares.sum(axis=-1, keepdims=True)
        return squares

    @property
    def n_classes(self) -> int:
        """How many classes there are."""
        return self._book.n_classes

    def neighbors_of(self, row: int) -> Voters:
        """Return the labeled rows that reach a row most, and their distances."""
        self._catch_up()
        # what i sends to j is what j sends to i: one spreading tells of all labels
        found, arrived = kernels.reach_from(self.graph.now(), row, self._work)
        is_labeled = self._book.labels[found] >= 0
        found, arrived = found[is_labeled], arrived[is_labeled]
        most = found[np.lexsort((self._book.keys[found], -arrived))][:N_VOTERS]
        vector = self.embeddings[row][None]
        distances = cosine_distances(self.embeddings, vector, rows=most.astype(np.int64))[0]
        return Voters(most, distances)

    def predict(self, vectors: NDArray[np.float32], index: KnnIndex) -> Predictions:
        """Tell of samples from outside by the nearest samples of the pool, labeled or not.

        Those who are named for it are the nearest labeled ones.
        """
        k = min(N_VOTERS, len(index))
        if k == 0:
            nobody = Voters(np.empty(0, np.int32), np.empty(0, np.float32))
            return Predictions(Onlookers(vectors, self).beliefs, [nobody] * len(vectors))
        near = index.search(vectors, k=k)
        voters = [Voters(*one) for one in zip(*near, strict=True)]
        return Predictions(Onlookers(vectors, self).beliefs, voters)


class Onlookers:
    """Samples outside the pool that the propagated classifier is asked about again and again.

    Parameters
    ----------
    vectors : float32 array of shape (n, n_features), unit rows
    classifier : which is asked
    """

    wants_distances = False
    follows_pool = True

    def __init__(self, vectors: NDArray[np.float32], classifier: Propagated) -> None:
        self.embeddings = vectors
        self._classifier = classifier
        self.set_pool(classifier.embeddings)
        self._asked_at = -1
        self._cosines = Cosines(vectors, classifier.n_classes)
        self._beliefs = Beliefs.blank(0, 0)

    def set_pool(self, pool: NDArray[np.float32]) -> None:
        """Find the nearest samples of the pool, which may have grown."""
        lists = NearestLists(len(self.embeddings), n_watched=N_LINKS, n_spare=0)
        positions, everyone = np.arange(len(self.embeddings)), np.arange(len(pool))
        lists.fill(positions, self.embeddings, everyone, pool, self._classifier.keys)
        self._near = lists.rows
        self._weights: NDArray[Any] = np.exp(
            -lists.distances / np.float32(self._classifier.graph.width)
        )

    @property
    def beliefs(self) -> Beliefs:
        """What is believed of them now."""
        if self._asked_at != self._classifier.version:
            self._asked_at = self._classifier.version
            self._beliefs = self._classifier.believe(self._cosines, self._near, self._weights)
        return self._beliefs

    def learn(self, row: int, column: NDArray[np.float32]) -> None:
        """Do nothing: what the pool has learned is asked for anew."""

    def forget(self, row: int) -> None:
        """Do nothing, as in `learn`."""

    def relearn(self, row: int) -> None:
        """Do nothing, as in `learn`."""

    def rebuild(self, positions: NDArray[np.int64]) -> None:
        """Do nothing, as in `learn`."""

    def add_classes(self) -> None:
        """Make room for classes that were appended to the book."""
        self._cosines.add_classes(self._classifier.n_classes - len(self._cosines.values))
