"""What annotators were told by the server, and whether what it knows in the end agrees."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from typing import NamedTuple


class Tenure(NamedTuple):
    """A time in which a sample belonged to one annotator, by lease or by answer.

    It begins when the offer had arrived and ends when the answer's undo was sent: inside what the
    server granted, so that two that overlap prove a fault, whatever the delays on the way.
    """

    sample_id: str
    annotator: str
    start: float
    end: float


class Exported(NamedTuple):
    """A line of the export; a label of None is a skip."""

    sample_id: str
    annotator: str
    label: str | None


@dataclass
class Claims:
    """What one annotator was told; times are those of one clock for all annotators.

    Attributes
    ----------
    answers : acknowledged ones that were not taken back, by sample
    n_labels : how many of them are not skips; may be read while the annotator goes on
    ended : tenures that are over
    """

    annotator: str
    answers: dict[str, str | None] = field(default_factory=dict)
    n_labels: int = 0
    ended: list[Tenure] = field(default_factory=list)
    _since: dict[str, float] = field(default_factory=dict)

    def offered(self, sample_id: str, *, received_at: float) -> None:
        """A lease arrived, or arrived again."""
        self._since.setdefault(sample_id, received_at)

    def acknowledged(self, sample_id: str, label: str | None) -> None:
        """The server has said that an answer is on disk; it replaces an earlier one."""
        self.n_labels += _is_label(label) - _is_label(self.answers.get(sample_id))
        self.answers[sample_id] = label

    def undone(self, sample_id: str, *, sent_at: float, leased_again: bool) -> None:
        """The server has said that an answer is taken back."""
        self.n_labels -= _is_label(self.answers.pop(sample_id))
        if not leased_again:
            start = self._since.pop(sample_id)
            self.ended.append(Tenure(sample_id, self.annotator, start, sent_at))

    def tenures(self) -> list[Tenure]:
        """Return all tenures; those that go on have no end."""
        lasting = (Tenure(sample, self.annotator, at, inf) for sample, at in self._since.items())
        return [*self.ended, *lasting]


def faults(claims: Iterable[Claims], exported: Iterable[Exported]) -> list[str]:
    """Say what is wrong: nothing, if the server kept its word."""
    claims, exported = list(claims), list(exported)
    shared = samples_of_two([tenure for one in claims for tenure in one.tenures()])
    return [*_broken_words(claims, exported), *shared]


def _broken_words(claims: list[Claims], exported: list[Exported]) -> list[str]:
    told = {
        (sample, one.annotator): label for one in claims for sample, label in one.answers.items()
    }
    found = {(line.sample_id, line.annotator): line.label for line in exported}
    n_lines = Counter((line.sample_id, line.annotator) for line in exported)
    return [
        *(f"doubled: {answer} stands {n} times" for answer, n in n_lines.items() if n > 1),
        *(f"lost: {answer}" for answer in told.keys() - found.keys()),
        *(f"invented: {answer}" for answer in found.keys() - told.keys()),
        *(
            f"changed: {answer} was {told[answer]!r}, is {found[answer]!r}"
            for answer in told.keys() & found.keys()
            if told[answer] != found[answer]
        ),
    ]


def samples_of_two(tenures: Iterable[Tenure]) -> list[str]:
    """Name the samples that belonged to two annotators at one time."""
    ordered = sorted(tenures, key=lambda tenure: (tenure.sample_id, tenure.start))
    return [
        f"shared: {later.sample_id} given to {later.annotator} while {earlier.annotator} had it"
        for earlier, later in pairwise(ordered)
        if later.sample_id == earlier.sample_id and later.start < earlier.end
    ]


def _is_label(label: str | None) -> int:
    return int(label is not None)
