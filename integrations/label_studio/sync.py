"""What Label Studio says becomes what the campaign says.

News comes by webhook, in any order, doubled, or not at all; a listing makes good what was missed.
Both go through the `Book`, and what differs from the campaign is written to its log.
"""

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from al_server.campaign.campaign import Campaign
from al_server.errors import AlreadyExists
from al_server.models import AnswerIn
from al_server.models import Label as LabelName
from integrations.label_studio.answers import ANNOTATOR_PREFIX, Annotation, read_annotation
from integrations.label_studio.book import Book, Pair
from integrations.label_studio.config_parser import Control
from integrations.label_studio.samples import sample_of

_BLOCK = 10_000
_Plain = str | tuple[str, ...] | None
_log = logging.getLogger(__name__)


class Sync:
    """Keeps the answers of one campaign equal to the annotations of one project.

    Attributes
    ----------
    book : the annotations we have heard of
    waiting : samples that annotations speak of and the campaign does not have (yet)
    """

    def __init__(self, campaign: Campaign, control: Control) -> None:
        self._campaign = campaign
        self.control = control
        self.book = Book()
        self.waiting: set[str] = set()
        self._lock = threading.RLock()
        self._gone: set[int] = set()  # tasks that were deleted: late news of them is no news
        self._standing = _standing(campaign)

    @property
    def clock(self) -> int:
        """The number of the newest piece of news."""
        with self._lock:
            return self.book.clock

    # -- news ----------------------------------------------------------------------------------

    def written(self, raws: Sequence[Mapping[str, Any]]) -> set[str]:
        """Take in annotations that were created or changed; return the samples concerned."""
        with self._lock:
            annotations = [self._read(raw) for raw in raws if raw.get("task") not in self._gone]
            pairs = {pair for one in annotations for pair in self.book.write(one)}
            self._follow(pairs)
        return {one.sample_id for one in annotations}

    def erased(self, ids: Iterable[int]) -> bool:
        """Take in deletions; return whether one of them was of an annotation not known."""
        with self._lock:
            found = [self.book.erase(one) for one in ids]
            self._follow({pair for pairs in found for pair in pairs or ()})
        return None in found

    def tasks_gone(self, tasks: Sequence[int]) -> None:
        """Take in that tasks were deleted."""
        with self._lock:
            self._gone.update(tasks)
            sample_ids = [sample_of(self._campaign, one) for one in tasks]
            for one in sample_ids:
                for pair in self.book.erase_sample(one):
                    self._standing.pop(pair, None)  # retiring takes the answer back
            known = [one for one in sample_ids if self._campaign.has_sample(one)]
            self._campaign.retire(known)

    def tasks_came(self, tasks: Iterable[int]) -> None:
        """Take in that there are tasks of these numbers, whatever there was before."""
        with self._lock:
            self._gone.difference_update(tasks)

    def listed(
        self,
        tasks: Iterable[Mapping[str, Any]],
        *,
        since: int,
        samples: set[str] | None = None,
    ) -> int:
        """Take in a listing of tasks with their annotations; return how many answers differed.

        `since` and `samples` as for `Book.replace`.
        """
        found = [self._read(raw, task=task["id"]) for task in tasks for raw in task["annotations"]]
        with self._lock:
            changed = self.book.replace(found, since=since, samples=samples)
            if samples is None:
                # also what we have of old and they do not
                self._standing = _standing(self._campaign)
                changed |= set(self._standing) | set(self.book.pairs())
            n_differing = self._follow(changed)
            if samples is None:
                self._mend_order()
            return n_differing

    def follow_waiting(self) -> None:
        """Try again what spoke of samples that were not there."""
        with self._lock:
            waiting, self.waiting = self.waiting, set()
            self._follow({pair for pair in self.book.pairs() if pair[0] in waiting})

    def _read(self, raw: Mapping[str, Any], *, task: int | None = None) -> Annotation:
        annotation = read_annotation(raw, self.control, task=task)
        return annotation._replace(sample_id=sample_of(self._campaign, annotation.sample_id))

    # -- into the campaign ---------------------------------------------------------------------

    def _follow(self, pairs: Iterable[Pair]) -> int:
        """Make the campaign say of these pairs what the book says; return how many differed."""
        answers: list[Annotation] = []
        gone: list[Pair] = []
        for pair in pairs:
            annotation = self.book.answer(pair)
            if annotation is None:
                gone.extend([pair] if pair in self._standing else [])
            elif not self._campaign.has_sample(annotation.sample_id):
                self.waiting.add(annotation.sample_id)
            elif pair not in self._standing or self._standing[pair] != _plain(annotation.label):
                answers.append(annotation)
        self._take_back(gone)
        # the first of several answers breaks a tie
        answers.sort(key=lambda one: (one.created_at, one.id))
        for start in range(0, len(answers), _BLOCK):
            self._record(answers[start : start + _BLOCK])
        return len(gone) + len(answers)

    def _take_back(self, pairs: Sequence[Pair]) -> None:
        if pairs:
            self._campaign.take_back(pairs)
        for pair in pairs:
            self._standing.pop(pair, None)

    def _record(self, annotations: Sequence[Annotation]) -> None:
        answers = [answer for one in annotations if (answer := self._answer(one)) is not None]
        self._grow_classes(answers)
        self._campaign.record_labels(answers)
        for one in annotations:  # what cannot be recorded is not tried again and again
            self._standing[one.sample_id, one.annotator] = _plain(one.label)

    def _answer(self, annotation: Annotation) -> AnswerIn | None:
        try:
            return AnswerIn(
                sample_id=annotation.sample_id,
                label=annotation.label,
                annotator=annotation.annotator,
                lead_time_s=annotation.lead_time_s,
            )
        except ValueError as error:  # such as a label too long: the others must not wait for it
            name, reason = self._campaign.spec.name, str(error).replace("\n", " ")
            _log.warning("%s: annotation %d cannot be used: %s", name, annotation.id, reason)
            return None

    def _grow_classes(self, answers: Sequence[AnswerIn]) -> None:
        """Append what annotators have chosen and the campaign does not know: Label Studio rules."""
        known = set(self._campaign.info().classes)
        named = [name for one in answers for name in _names(one.label)]
        self.add_classes([name for name in dict.fromkeys(named) if name not in known])

    def add_classes(self, names: Sequence[str]) -> None:
        """Append classes; those that are there already are passed over."""
        new = [name for name in names if name not in self._campaign.info().classes]
        if new:
            try:
                self._campaign.add_classes(new)
            except AlreadyExists:  # by another thread, meanwhile
                self.add_classes(names)

    def _mend_order(self) -> None:
        """Where several answers of a sample differ, let them stand in the order of their making.

        A tie goes to the first, and late news must not decide which one that is.
        """
        said: dict[str, set[_Plain]] = {}
        for (sample_id, _), label in self._standing.items():
            said.setdefault(sample_id, set()).add(label)
        for sample_id in [one for one, labels in said.items() if len(labels) > 1]:
            ours = [a.annotator for a in self._campaign.sample(sample_id).answers]
            ours = [one for one in ours if one.startswith(ANNOTATOR_PREFIX)]
            answers = [a for one in ours if (a := self.book.answer((sample_id, one))) is not None]
            wanted = sorted(answers, key=lambda one: (one.created_at, one.id))
            if wanted != answers:
                self._take_back([(sample_id, one.annotator) for one in wanted])
                self._record(wanted)


def _standing(campaign: Campaign) -> dict[Pair, _Plain]:
    return {
        (row.sample_id, row.annotator): _plain(row.label)
        for row in campaign.answer_rows()
        if row.annotator.startswith(ANNOTATOR_PREFIX)
    }


def _plain(label: LabelName | None) -> _Plain:
    """Return a label so that equal ones compare equal: the order of several names says nothing."""
    return tuple(sorted(label)) if isinstance(label, list) else label


def _names(label: LabelName | None) -> list[str]:
    return [label] if isinstance(label, str) else label or []
