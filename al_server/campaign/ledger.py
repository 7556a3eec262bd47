"""Who holds, answered and skipped what: the log folded into dictionaries."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from al_server.campaign.pool_state import Label
from al_server.store.event_log import Event, StoredLabel
from strategies.pool import Status


class Answer(NamedTuple):
    """An answer that stands; a label of None is a skip.

    `n_classes` is how many classes there were to choose from: classes may be appended later, and
    a multi-label answer says nothing about those.
    """

    label: Label | None
    n_classes: int
    seq: int
    at: float
    lead_time_s: float | None


class Known(NamedTuple):
    """A label that came with the source."""

    label: Label
    n_classes: int
    at: float


class KeyUse(NamedTuple):
    """The answer that an idempotency key came with; a label of None is a skip."""

    row: int
    annotator: str
    label: Label | None


class Standing(NamedTuple):
    """What a sample is, all answers taken together; `n_classes` is how many were asked about."""

    status: Status
    label: Label | None = None
    n_classes: int = 0


@dataclass(frozen=True)
class Counts:
    """Samples by status, and answers that count against the budget."""

    n_samples: int = 0
    n_labeled: int = 0
    n_pending: int = 0
    n_skipped: int = 0
    n_answers: int = 0


class Ledger:
    """The state of every sample that somebody has touched.

    `apply` is the only way to change it, so that a replay of the log ends where the run did.

    Parameters
    ----------
    overlap : int
        Answers wanted for each sample, by distinct annotators.
    """

    def __init__(self, *, overlap: int) -> None:
        self.overlap = overlap
        self.classes: list[str] = []
        self.n_samples = 0
        self.answers: dict[int, dict[str, Answer]] = {}
        self.leases: dict[str, dict[int, float]] = {}  # annotator -> row -> expires_at
        self.keys: dict[str, KeyUse] = {}
        self.predictions_file: str | None = None
        self.retired: set[int] = set()  # rows that are never offered again
        self.drawn: dict[int, StoredLabel] = {}  # random picks -> what was believed of each
        self._known: dict[int, Known] = {}
        self._holders: dict[int, dict[str, None]] = {}  # row -> annotators with a lease
        self._open: dict[int, None] = {}  # touched, and wanting more answers; oldest first
        self._standing: dict[int, Standing] = {}
        self._n_by_status: Counter[Status] = Counter()
        self._n_answers = 0

    # -- what happens --------------------------------------------------------------------------

    def apply(self, event: Event) -> None:
        """Take in one event of the log."""
        if event.key is not None and event.row is not None and event.annotator is not None:
            label = None if event.label is None else as_label(event.label)
            self.keys[event.key] = KeyUse(event.row, event.annotator, label)
        if event.kind == "repeat":
            return
        if event.kind == "samples":
            self.n_samples += (event.data or {})["n"]
        elif event.kind == "classes":
            self.classes.extend((event.data or {})["names"])
        elif event.kind == "predictions":
            self.predictions_file = (event.data or {})["file"]
        elif event.row is not None:
            self._apply_to_sample(event, event.row)
            self._settle(event.row)

    def _apply_to_sample(self, event: Event, row: int) -> None:
        if event.kind == "retire":
            self.retired.add(row)
            for annotator in list(self._holders.get(row, ())):
                self._end_lease(annotator, row)
            return
        if event.annotator is None:
            self._known[row] = Known(as_label(event.label), len(self.classes), event.at)
            return
        if event.kind == "lease":
            data = event.data or {}
            if "believed" in data:
                # the first draw counts: later ones may know an answer that was taken back
                self.drawn.setdefault(row, data["believed"])
            held = self.leases.get(event.annotator, {})
            lease = {row: data["expires_at"]}
            # a sample handed back is wanted at once; others wait in the order they were picked
            self.leases[event.annotator] = lease | held if data.get("first") else held | lease
            self._holders.setdefault(row, {})[event.annotator] = None
            return
        self._end_lease(event.annotator, row)
        answers = self.answers.setdefault(row, {})
        if event.kind in ("label", "skip"):
            label = as_label(event.label) if event.kind == "label" else None
            self._count(answers.pop(event.annotator, None), -1)
            answers[event.annotator] = Answer(
                label, len(self.classes), event.seq, event.at, event.lead_time_s
            )
            self._count(answers[event.annotator], +1)
            if self._n_wanted(row) <= 0:
                for annotator in list(self._holders.get(row, ())):
                    self._end_lease(annotator, row)
        elif event.kind == "undo":
            self._count(answers.pop(event.annotator, None), -1)
        if not answers:
            del self.answers[row]

    def _count(self, answer: Answer | None, step: int) -> None:
        if answer is not None and answer.label is not None:
            self._n_answers += step

    def _end_lease(self, annotator: str, row: int) -> None:
        held = self.leases.get(annotator, {})
        held.pop(row, None)
        if not held:
            self.leases.pop(annotator, None)
        holders = self._holders.get(row, {})
        holders.pop(annotator, None)
        if not holders:
            self._holders.pop(row, None)

    def _settle(self, row: int) -> None:
        before = self._standing.pop(row, None)
        if before is not None:
            self._n_by_status[before.status] -= 1
        standing = self._stand(row)
        if standing.status != Status.UNLABELED:
            self._standing[row] = standing
            self._n_by_status[standing.status] += 1
        wanting = self.overlap > 1 and standing.status != Status.UNLABELED
        settled = row in self._known or row in self.retired
        if wanting and not settled and self._n_free(row) > 0:
            self._open.setdefault(row)
        else:
            self._open.pop(row, None)

    def _stand(self, row: int) -> Standing:
        answers = self.answers.get(row, {})
        labels = [answer for answer in answers.values() if answer.label is not None]
        if labels:
            n_classes = max(answer.n_classes for answer in labels)
            return Standing(Status.LABELED, majority(labels), n_classes)
        if row in self._known:
            known = self._known[row]
            return Standing(Status.LABELED, known.label, known.n_classes)
        if self._holders.get(row):
            return Standing(Status.PENDING)
        refused = answers or row in self.retired
        return Standing(Status.SKIPPED if refused else Status.UNLABELED)

    # -- what is so ----------------------------------------------------------------------------

    def standing(self, row: int) -> Standing:
        """Return what a sample is now."""
        return self._standing.get(row, Standing(Status.UNLABELED))

    def answered_rows(self) -> list[int]:
        """Rows that people have touched, in the order of the answer that stands last on each."""

        def newest(row: int) -> int:
            answers = self.answers.get(row, {}).values()
            return max((answer.seq for answer in answers), default=0)

        touched = (row for row in self._standing if row not in self._known or row in self.answers)
        return sorted(touched, key=newest)

    def known_rows(self) -> list[int]:
        """Rows that have nothing but the label that came with the source."""
        return [row for row in self._known if row not in self.answers]

    def counts(self) -> Counts:
        """Count the samples by status, and the answers."""
        return Counts(
            self.n_samples,
            self._n_by_status[Status.LABELED],
            self._n_by_status[Status.PENDING],
            self._n_by_status[Status.SKIPPED],
            self._n_answers,
        )

    def n_leases(self) -> int:
        """Count the live leases of all annotators."""
        return sum(len(held) for held in self.leases.values())

    def open_rows(self, annotator: str) -> Iterator[int]:
        """Yield the samples that want another opinion and that this annotator may give it on."""
        for row in self._open:
            if annotator not in self.answers.get(row, ()) and annotator not in self._holders.get(
                row, ()
            ):
                yield row

    def expired(self, now: float) -> list[tuple[str, int]]:
        """Return (annotator, row) of the leases that have run out."""
        return [
            (annotator, row)
            for annotator, held in self.leases.items()
            for row, expires_at in held.items()
            if expires_at <= now
        ]

    def next_expiry(self) -> float | None:
        """Return when the next lease runs out, or None."""
        ends = (min(held.values()) for held in self.leases.values())
        return min(ends, default=None)

    def known_labels(self) -> dict[int, Known]:
        """Return the labels that came with the source."""
        return self._known

    def is_free(self, row: int) -> bool:
        """Tell whether one more annotator may have a sample."""
        return row not in self.retired and self._n_free(row) > 0

    def others_hold_what_is_left(self, annotator: str) -> bool:
        """Tell whether others have samples that this annotator could be asked about instead."""
        return any(
            annotator not in holders and annotator not in self.answers.get(row, ())
            for row, holders in self._holders.items()
        )

    def _n_wanted(self, row: int) -> int:
        answers = self.answers.get(row, {}).values()
        return self.overlap - sum(answer.label is not None for answer in answers)

    def _n_free(self, row: int) -> int:
        return self._n_wanted(row) - len(self._holders.get(row, ()))


def as_label(stored: StoredLabel) -> Label:
    """Return a label as the arrays want it: an index, or a tuple of them."""
    if stored is None:
        raise ValueError("a label event without a label")
    return tuple(stored) if isinstance(stored, list) else stored


def majority(answers: list[Answer]) -> Label:
    """Return the label that most answers give; ties go to the one that was given first.

    In multi-label campaigns each class is voted on by itself, by those who were asked about it,
    and a tied class goes with the earliest of them.
    """
    if isinstance(answers[0].label, tuple):
        named = {c for answer in answers for c in _classes(answer.label)}
        return tuple(c for c in sorted(named) if _is_voted_in(c, answers))
    votes_for = Counter(answer.label for answer in answers)
    most = max(votes_for.values())
    first = min(
        (answer for answer in answers if votes_for[answer.label] == most),
        key=lambda answer: answer.seq,
    )
    assert first.label is not None
    return first.label


def _is_voted_in(c: int, answers: list[Answer]) -> bool:
    asked = [answer for answer in answers if c < answer.n_classes]
    n_yes = sum(c in _classes(answer.label) for answer in asked)
    if 2 * n_yes != len(asked):
        return 2 * n_yes > len(asked)
    return c in _classes(min(asked, key=lambda answer: answer.seq).label)


def _classes(label: Label | None) -> tuple[int, ...]:
    return label if isinstance(label, tuple) else ()
