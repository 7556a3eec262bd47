"""The arrays of a campaign, updated in place and equal, bit for bit, to a rebuild."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from al_server.campaign import kernels
from al_server.campaign.classifier import (
    NOTHING,
    Beliefs,
    Classifier,
    KnnVotes,
    LabelBook,
    VoteSettings,
)
from al_server.campaign.graph import PoolGraph, mass_of
from al_server.campaign.holdout import Holdout, HoldoutData
from al_server.campaign.nearest import NearestLists
from al_server.campaign.neighbors import density_of, extend_neighbors
from al_server.campaign.own_predictions import OwnPredictions
from al_server.campaign.propagated import Propagated
from embeddings.index import HnswIndex
from strategies.kernels.distances import cosine_distances
from strategies.kernels.threads import threads_for
from strategies.pool import Neighbors, PoolView, Status

ClassifierName = Literal["knn", "propagated"]
_KEPT_COLUMNS_BYTES = 64 * 2**20
_BLOCK = 4096
_T = TypeVar("_T", bound=np.generic)

Label = int | tuple[int, ...]
"""Class index; in multi-label campaigns the indices of all classes that apply."""


class PoolState:
    """Everything a strategy looks at, kept true after each answer.

    `set_sample` is the only way in for what people do; `view` the only way out for strategies.
    Not thread-safe: one thread owns it.

    Parameters
    ----------
    embeddings : float32 array of shape (n_samples, n_features), unit-length rows
    keys : uint64 array of shape (n_samples,), tie keys
    neighbors : nearest lists over the pool itself
    n_classes : int
    multi : bool, several classes per sample
    votes : settings of the classifier
    holdout : labeled samples to measure on, or None
    classifier : which one; the votes' width is that of the links of the propagated one
    keeps_mass : whether views hold the uncertainty mass
    """

    def __init__(
        self,
        embeddings: NDArray[np.float32],
        keys: NDArray[np.uint64],
        neighbors: NearestLists,
        *,
        n_classes: int,
        multi: bool,
        votes: VoteSettings,
        holdout: HoldoutData | None = None,
        classifier: ClassifierName = "knn",
        keeps_mass: bool = False,
    ) -> None:
        n_samples = len(embeddings)
        self.embeddings = embeddings
        self.status: NDArray[np.int8] = np.full(n_samples, Status.UNLABELED, dtype=np.int8)
        targets = np.full((n_samples, n_classes), -1, dtype=np.int8) if multi else None
        labels = np.full(n_samples, -1, dtype=np.int64)
        self.book = LabelBook(labels, targets, keys, n_classes)
        self.n_labeled = 0
        self.neighbors = neighbors
        self._density = density_of(neighbors)
        self.cover_distance: NDArray[np.float32] = np.full(n_samples, np.inf, dtype=np.float32)
        self._cover_row: NDArray[np.int32] = np.full(n_samples, -1, dtype=np.int32)
        self._graph = PoolGraph(neighbors, self.book, width=votes.width)
        self.votes: Classifier = (
            Propagated(embeddings, self.book, self._graph)
            if classifier == "propagated"
            else KnnVotes(embeddings, self.book, embeddings, votes)
        )
        self.holdout = None
        if holdout is not None:
            self.holdout = Holdout(self.votes.answers_for(holdout.embeddings), holdout.truth)
        self.width = votes.width
        self._keeps_mass = keeps_mass
        # answers for vectors from outside the pool come through this index
        self.index = HnswIndex(embeddings.shape[1])
        # a leased sample's distances are wanted again when its label comes
        self._columns: OrderedDict[int, NDArray[np.float32]] = OrderedDict()
        self._own: OwnPredictions | None = None

    # -- what people do ------------------------------------------------------------------------

    def set_sample(self, row: int, status: Status, label: Label | None, n_classes: int) -> None:
        """Make a sample what it now is.

        Parameters
        ----------
        row : int
        status : Status
        label : goes with LABELED alone
        n_classes : how many classes the label was chosen from; nothing is known about the later
        """
        was_covering = self.status[row] != Status.UNLABELED
        self.status[row] = status
        if was_covering != (status != Status.UNLABELED):
            self._uncover(row) if was_covering else self._cover(row)
        self._set_label(row, label if status == Status.LABELED else None, n_classes)

    def restore(
        self,
        samples: Iterable[tuple[int, Status, Label | None, int]],
        *,
        known: Iterable[tuple[int, Status, Label | None, int]] = (),
    ) -> None:
        """Do what `set_sample` does for many samples of a fresh pool, in one go.

        Parameters
        ----------
        samples : what people did, in the order in which they did it, for the curve
        known : what came with the source; one point of the curve for all of it
        """
        everyone = np.arange(len(self.status))
        labeled = [sample[0] for sample in known if self._write_sample(*sample)]
        teaches = self.holdout is not None and self.holdout.votes.follows_pool
        if self.holdout is not None and labeled:
            if teaches:
                self.votes.rebuild(everyone)
            self.holdout.votes.rebuild(np.arange(len(self.holdout.votes.embeddings)))
            self.holdout.measure(len(labeled))
        for row, status, label, n_classes in samples:
            if self._write_sample(row, status, label, n_classes):
                labeled.append(row)
                if teaches:
                    self.votes.learn(row, NOTHING)
                if self.holdout is not None:
                    self.holdout.learn(row, self.embeddings[row], n_labeled=len(labeled))
        self.n_labeled = len(labeled)
        self._cover_anew(everyone)
        if not teaches:
            self.votes.rebuild(everyone)
        self.index.add(np.array(labeled, dtype=np.int64), self.embeddings[labeled])

    def _write_sample(self, row: int, status: Status, label: Label | None, n_classes: int) -> bool:
        """Write status and label of an untouched sample; return whether it is labeled."""
        self.status[row] = status
        return status == Status.LABELED and self._write_label(row, label, n_classes)

    def _set_label(self, row: int, label: Label | None, n_classes: int) -> None:
        had_label = self.book.labels[row] >= 0
        if not self._write_label(row, label, n_classes):
            return
        if label is not None and not had_label:
            self._learn(row)
        elif label is None:
            self._forget(row)
        else:
            self.votes.relearn(row)
            if self.holdout is not None:
                self.holdout.votes.relearn(row)
                self.holdout.measure(self.n_labeled)

    def _learn(self, row: int) -> None:
        self.n_labeled += 1
        self.votes.learn(row, self._column(row) if self.votes.wants_distances else NOTHING)
        self._columns.pop(row, None)
        self.index.add(np.array([row]), self.embeddings[row : row + 1])
        if self.holdout is not None:
            self.holdout.learn(row, self.embeddings[row], n_labeled=self.n_labeled)

    def _forget(self, row: int) -> None:
        self.n_labeled -= 1
        self.votes.forget(row)
        self.index.remove(np.array([row]))
        if self.holdout is not None:
            self.holdout.votes.forget(row)
            self.holdout.measure(self.n_labeled)

    def _write_label(self, row: int, label: Label | None, n_classes: int) -> bool:
        """Write a label into the book; return whether that changed anything."""
        targets = self.book.targets
        if targets is None:
            value = -1 if label is None else label
            if self.book.labels[row] == value:
                return False
            self.book.labels[row] = value
            return True
        wanted = np.full(self.book.n_classes, -1, dtype=np.int8)
        if label is not None:
            # nobody was asked about the classes appended since, so nothing is known about them
            wanted[:n_classes] = 0
            wanted[list(label if isinstance(label, tuple) else (label,))] = 1
        known = -1 if label is None else int(wanted.argmax())
        if self.book.labels[row] == known and np.array_equal(targets[row], wanted):
            return False
        targets[row] = wanted
        # in multi-label campaigns `labels` says that the sample is labeled, and its first class
        self.book.labels[row] = known
        return True

    # -- cover ---------------------------------------------------------------------------------

    def _cover(self, row: int) -> None:
        column = self._column(row)
        with threads_for(len(column)):
            kernels.cover_by(self.cover_distance, self._cover_row, column, row)

    def _uncover(self, row: int) -> None:
        self._columns.pop(row, None)
        self._cover_anew(np.flatnonzero(self._cover_row == row))

    def _cover_anew(self, rows: NDArray[np.int64]) -> None:
        self.cover_distance[rows] = np.inf
        self._cover_row[rows] = -1
        covering = np.flatnonzero(self.status != Status.UNLABELED)
        for start in range(0, len(rows) if len(covering) else 0, _BLOCK):
            block = rows[start : start + _BLOCK]
            for first in range(0, len(covering), _BLOCK):
                some = covering[first : first + _BLOCK]
                columns = cosine_distances(self.embeddings, self.embeddings[some], rows=block)
                nearest = columns.argmin(axis=0)
                distance = columns[nearest, np.arange(len(block))]
                nearer = distance < self.cover_distance[block]
                self.cover_distance[block[nearer]] = distance[nearer]
                self._cover_row[block[nearer]] = some[nearest[nearer]]

    def _column(self, row: int) -> NDArray[np.float32]:
        column: NDArray[np.float32] | None = self._columns.get(row)
        if column is None:
            column = cosine_distances(self.embeddings, self.embeddings[row : row + 1])[0]
            n_kept = max(1, _KEPT_COLUMNS_BYTES // max(1, column.nbytes))
            while len(self._columns) >= n_kept:
                self._columns.popitem(last=False)
            self._columns[row] = column
        return column

    # -- the pool grows ------------------------------------------------------------------------

    def add_samples(self, embeddings: NDArray[np.float32], keys: NDArray[np.uint64]) -> None:
        """Append samples: both arrays hold the old ones and the new."""
        n_before, n_after = len(self.embeddings), len(embeddings)
        new_rows = np.arange(n_before, n_after)
        self._columns.clear()
        self.embeddings = embeddings
        self.status = _longer(self.status, n_after, Status.UNLABELED)
        self.book.labels = _longer(self.book.labels, n_after, -1)
        if self.book.targets is not None:
            self.book.targets = _longer(self.book.targets, n_after, -1)
        self.book.keys = keys
        extend_neighbors(self.neighbors, embeddings, keys, n_before)
        self._density = density_of(self.neighbors)
        self.cover_distance = _longer(self.cover_distance, n_after, np.inf)
        self._cover_row = _longer(self._cover_row, n_after, -1)
        self._cover_anew(new_rows)
        self._graph.outgrow()
        self.votes.set_pool(embeddings)
        self.votes.grow(embeddings)
        if self.holdout is not None:
            self.holdout.votes.set_pool(embeddings)
        if self._own is not None:
            self._own = self._own.grown(n_after, self.book.n_classes)

    def add_classes(self, n_classes: int) -> None:
        """Append classes up to `n_classes`."""
        n_new = n_classes - self.book.n_classes
        self.book.n_classes = n_classes
        if self.book.targets is not None:
            unknown = np.full((len(self.status), n_new), -1, dtype=np.int8)
            self.book.targets = np.concatenate([self.book.targets, unknown], axis=1)
        self.votes.add_classes()
        if self.holdout is not None:
            self.holdout.votes.add_classes()
            self.holdout.measure(self.n_labeled)
        if self._own is not None:
            self._own = self._own.grown(len(self.status), n_classes)

    # -- what strategies see -------------------------------------------------------------------

    def set_own_predictions(self, probabilities: NDArray[np.float32] | None) -> None:
        """Take uncertainty from a model of the user's own; None returns to the votes.

        Parameters
        ----------
        probabilities : float32 array of shape (n_samples, n_classes), or smaller: nothing is said
            of later rows, and 0 of later classes; NaN in other rows that nothing is said about
        """
        if probabilities is None:
            self._own = None
            return
        own = OwnPredictions(probabilities, multi=self.book.targets is not None)
        # what was kept in a file may be older than the newest samples and classes
        self._own = own.grown(len(self.status), self.book.n_classes)

    def probabilities_of(self, row: int) -> NDArray[np.float32]:
        """Return what people are told of one row, before the first label the prior."""
        (told,) = self.told(np.array([row]))
        return np.asarray(told, np.float32)

    def told(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return what people are told of some rows, shape (len(rows), n_classes)."""
        told = self.votes.told(self.votes.beliefs.probabilities[rows])
        if self._own is not None:
            said = self._own.said[rows]
            told[said] = self._own.probabilities[rows[said]]
        return told

    @property
    def own_probabilities(self) -> NDArray[np.float32] | None:
        """What a model of the user's own has said: NaN rows where nothing; None without one."""
        return None if self._own is None else self._own.probabilities

    def is_believed(self) -> NDArray[np.bool_]:
        """Tell for each row whether anything is known of it: by a label, or by the user's model."""
        if self.n_labeled > 0:
            return np.ones(len(self.status), dtype=np.bool_)
        return np.zeros(len(self.status), dtype=np.bool_) if self._own is None else self._own.said

    def is_believed_of(self, row: int) -> bool:
        """Tell whether anything is known of one row. Time O(1)."""
        return self.n_labeled > 0 or (self._own is not None and bool(self._own.said[row]))

    def beliefs(self) -> Beliefs:
        """Return what is believed of every row; where nothing is known, the prior."""
        beliefs = self.votes.beliefs
        return beliefs if self._own is None else self._own.over(beliefs)

    def view(self) -> PoolView:
        """Return the pool as it stands: the arrays themselves, not copies."""
        known = self.n_labeled > 0 or self._own is not None
        beliefs = self.beliefs()
        return PoolView(
            embeddings=self.embeddings,
            status=self.status,
            labels=self.book.labels,
            tie_key=self.book.keys,
            n_classes=self.book.n_classes,
            probabilities=beliefs.probabilities if known else None,
            uncertainty=beliefs.uncertainty if known else None,
            predicted=beliefs.predicted if known else None,
            density=self._density,
            cover_distance=self.cover_distance,
            neighbors=Neighbors(self.neighbors.rows, self.neighbors.distances),
            uncertainty_mass=self._mass(beliefs.uncertainty) if self._keeps_mass else None,
            targets=self.book.targets,
        )

    def _mass(self, uncertainty: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the uncertainty that a label would resolve; before the first one, the density."""
        unknown = np.where(self.status == Status.LABELED, np.float32(0), uncertainty)
        return mass_of(unknown, self._graph.now())


def _longer(array: NDArray[_T], n_rows: int, fill: float) -> NDArray[_T]:
    longer = np.full((n_rows, *array.shape[1:]), fill, dtype=array.dtype)
    longer[: len(array)] = array
    return longer
