"""What leaves a campaign in bulk: copied on the writer's thread, spelled out on the caller's.

The copies are small and quick to make, so that nobody who labels waits for an export.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from al_server.campaign.ledger import Answer, Known, Ledger
from al_server.campaign.names import Names
from al_server.campaign.pool_state import PoolState
from al_server.models import Label as LabelName

_BLOCK = 65_536


class AnswerRow(NamedTuple):
    """An answer that stands; a label of None is a skip.

    Attributes
    ----------
    known : it came with the source
    random : the sample was drawn at random
    """

    sample_id: str
    annotator: str
    label: LabelName | None
    at: float
    lead_time_s: float | None
    known: bool
    random: bool = False


class PredictionRow(NamedTuple):
    """What is believed of a sample that nobody has answered."""

    sample_id: str
    label: LabelName
    probability: float


class Answers(NamedTuple):
    """A copy of the answers that stand: (row, annotator, answer), and (row, what was known)."""

    given: list[tuple[int, str, Answer]]
    known: list[tuple[int, Known]]
    drawn: frozenset[int] = frozenset()

    @classmethod
    def of(cls, ledger: Ledger) -> "Answers":
        """Copy them. On the writer's thread."""
        given = [
            (row, annotator, answer)
            for row, answers in ledger.answers.items()
            for annotator, answer in answers.items()
        ]
        return cls(given, list(ledger.known_labels().items()), frozenset(ledger.drawn))

    def rows(self, names: Names) -> Iterator[AnswerRow]:
        """Yield them in order of time."""
        rows = [
            (answer.at, row, annotator, answer.label, answer.lead_time_s, False)
            for row, annotator, answer in self.given
        ]
        rows += [(known.at, row, "", known.label, None, True) for row, known in self.known]
        rows.sort(key=lambda one: one[0])
        for at, row, annotator, label, lead_time_s, known in rows:
            name = None if label is None else names.label_name(label)
            sample_id, random = names.sample_ids[row], row in self.drawn and not known
            yield AnswerRow(sample_id, annotator, name, at, lead_time_s, known, random)


class BeliefsOfOthers(NamedTuple):
    """A copy of what is believed of the samples without a label.

    Attributes
    ----------
    rows : int64 array of shape (n_rows,), ascending
    predicted : int32 array of shape (n_rows,), the likeliest class
    probability : float32 array of shape (n_rows,), of that class
    likely : uint8 array of shape (n_rows, n_bytes), multi-label campaigns only: bits of the
        classes at 0.5 or above
    """

    rows: NDArray[np.int64]
    predicted: NDArray[np.int32]
    probability: NDArray[np.float32]
    likely: NDArray[np.uint8] | None

    @classmethod
    def of(cls, pool: PoolState) -> "BeliefsOfOthers":
        """Copy it. On the writer's thread; time O(n_samples), multi-label that times n_classes."""
        rows = np.flatnonzero((pool.book.labels < 0) & pool.is_believed())
        beliefs = pool.beliefs()
        predicted = beliefs.predicted[rows]
        likely = None
        if pool.book.targets is not None:
            likely = np.packbits(beliefs.probabilities >= 0.5, axis=1)[rows]
        told = pool.told(rows)[np.arange(len(rows)), predicted]
        return cls(rows, predicted, told, likely)

    def prediction_rows(self, names: Names) -> Iterator[PredictionRow]:
        """Yield it in order of the pool."""
        for start in range(0, len(self.rows), _BLOCK):
            some = slice(start, start + _BLOCK)
            shares = np.clip(self.probability[some], 0, 1).tolist()
            labels = self._labels(some, names)
            for row, label, share in zip(self.rows[some].tolist(), labels, shares, strict=True):
                yield PredictionRow(names.sample_ids[row], label, share)

    def _labels(self, some: slice, names: Names) -> Iterator[LabelName]:
        if self.likely is None:
            for predicted in self.predicted[some].tolist():
                yield names.classes[predicted]
            return
        for bits in self.likely[some]:
            yield [names.classes[c] for c in np.flatnonzero(np.unpackbits(bits)).tolist()]
