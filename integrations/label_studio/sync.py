"""What Label Studio says becomes what the campaign says.

News comes by webhook, in any order, doubled, or not at all; a listing makes good what was missed.
Both go through the `Book`, and what differs from the campaign is written to its log.
"""

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from al_server.campaign.campaign import Campaign
from al_server.errors import ALError, AlreadyExists
from al_server.models import AnswerIn
from al_server.models import Label as LabelName
from integrations.label_studio.answers import ANNOTATOR_PREFIX, Annotation, read_annotation
from integrations.label_studio.book import Book, Pair
from integrations.label_studio.config_parser import Control

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
        self._gone: set[str] = set()  # tasks that were deleted; their ids never come back
        self._standing = _standing(campaign)

    @property
    def clock(self) -> int:
        """The number of the newest piece of news."""
        with self._lock:
            return self.book.clock

    # -- news ----------------------------------------------------------------------------------

    def written(self, raws: Sequence[Mapping[str, Any]]) -> set[str]:
        """Take in annotations that were created or changed; return the samples concerned."""
        annotations = [read_annotation(raw, self.control) for raw in raws]
        with self._lock:
            annotations = [one for one in annotations if one.sample_id not in self._gone]
            pairs = {pair for one in annotations for pair in self.book.write(one)}
            self._follow(pairs)
        return {one.sample_id for one in annotations}

    def erased(self, ids: Iterable[int]) -> bool:
        """Take in deletions; return whether one of them was of an annotation not known."""
        with self._lock:
            found = [self.book.erase(one) for one in ids]
            self._follow({pair for pairs in found for pair in pairs or ()})
        return None in found

    def tasks_gone(self, sample_ids: Sequence[str]) -> None:
        """Take in that tasks were deleted."""
        with self._lock:
            self._gone.update(sample_ids)
            pairs = {pair for one in sample_ids for pair in self.book.erase_sample(one)}
            self._follow(pairs)
            known = [one for one in sample_ids if self._campaign.has_sample(one)]
            self._campaign.retire(known)

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
        found = [
            read_annotation(raw, self.control, task=task["id"])
            for task in tasks
            for raw in task["annotations"]
        ]
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

    # -- into the campaign ---------------------------------------------------------------------

    def _follow(self, pairs: Iterable[Pair]) -> int:
        """Make the campaign say of these pairs what the book says; return how many differed."""
        answers: list[Annotation] = []
        n_undone = 0
        for pair in pairs:
            annotation = self.book.answer(pair)
            if annotation is None:
                n_undone += self._undo(pair)
            elif not self._campaign.has_sample(annotation.sample_id):
                self.waiting.add(annotation.sample_id)
            elif pair not in self._standing or self._standing[pair] != _plain(annotation.label):
                answers.append(annotation)
        # the first of several answers breaks a tie
        answers.sort(key=lambda one: (one.created_at, one.id))
        for start in range(0, len(answers), _BLOCK):
            self._record(answers[start : start + _BLOCK])
        return n_undone + len(answers)

    def _undo(self, pair: Pair) -> bool:
        if pair not in self._standing:
            return False
        try:
            self._campaign.undo(pair[0], annotator=pair[1])
        except ALError as error:  # taken back by somebody else, in our own pages
            _log.info("%s: %s", self._campaign.spec.name, error)
        del self._standing[pair]
        return True

    def _record(self, annotations: Sequence[Annotation]) -> None:
        self._grow_classes(annotations)
        self._campaign.record_labels(
            [
                AnswerIn(
                    sample_id=one.sample_id,
                    label=one.label,
                    annotator=one.annotator,
                    lead_time_s=one.lead_time_s,
                )
                for one in annotations
            ]
        )
        for one in annotations:
            self._standing[one.sample_id, one.annotator] = _plain(one.label)

    def _grow_classes(self, annotations: Sequence[Annotation]) -> None:
        """Append what annotators have chosen and the campaign does not know: Label Studio rules."""
        known = set(self._campaign.info().classes)
        named = [name for one in annotations for name in _names(one.label)]
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
                for one in wanted:
                    self._undo((sample_id, one.annotator))
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
