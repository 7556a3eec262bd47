"""Every annotation of a project, as far as we have heard of it, in whatever order.

Of each annotation the version changed last counts, and a deletion counts for good; so the order
and the number of times in which news comes make no difference. A user may annotate a task several
times: the annotation changed last is the user's answer.
"""

from collections.abc import Iterable
from typing import NamedTuple, TypeVar

from integrations.label_studio.answers import Annotation

Pair = tuple[str, str]
"""A sample and an annotator."""
_Key = TypeVar("_Key")
_MOST_DELETED = 100_000


class Heard(NamedTuple):
    """An annotation, and when news of it came: the number of the news."""

    annotation: Annotation
    at: int


class Book:
    """The annotations of one project. Not thread-safe: its owner locks."""

    def __init__(self) -> None:
        self._heard: dict[int, Heard] = {}
        self._by_pair: dict[Pair, set[int]] = {}
        self._by_sample: dict[str, set[int]] = {}
        self._deleted: dict[int, int] = {}  # id -> number of the news
        self.clock = 0

    def __len__(self) -> int:
        return len(self._heard)

    def n_skips(self) -> int:
        """Count the annotations that say nothing."""
        return sum(one.annotation.label is None for one in self._heard.values())

    def pairs(self) -> Iterable[Pair]:
        """Return who has answered what."""
        return self._by_pair.keys()

    def answer(self, pair: Pair) -> Annotation | None:
        """Return what an annotator says about a sample now."""
        ids = self._by_pair.get(pair)
        if not ids:
            return None
        return max((self._heard[one].annotation for one in ids), key=lambda a: a.version)

    def write(self, annotation: Annotation) -> set[Pair]:
        """Take in an annotation, new or changed; return whose answer may have changed."""
        self.clock += 1
        before = self._heard.get(annotation.id)
        if annotation.id in self._deleted:
            return set()
        if before is not None and before.annotation.updated_at > annotation.updated_at:
            return set()
        changed = self._forget(annotation.id)
        pair = (annotation.sample_id, annotation.annotator)
        self._heard[annotation.id] = Heard(annotation, self.clock)
        self._by_pair.setdefault(pair, set()).add(annotation.id)
        self._by_sample.setdefault(annotation.sample_id, set()).add(annotation.id)
        return changed | {pair}

    def erase(self, annotation_id: int) -> set[Pair] | None:
        """Take in a deletion; None where the annotation was not known."""
        self.clock += 1
        self._deleted[annotation_id] = self.clock
        while len(self._deleted) > _MOST_DELETED:
            del self._deleted[next(iter(self._deleted))]
        if annotation_id not in self._heard:
            return None
        return self._forget(annotation_id)

    def erase_sample(self, sample_id: str) -> set[Pair]:
        """Take in that a task was deleted, and its annotations with it."""
        gone = list(self._by_sample.get(sample_id, ()))
        return {pair for one in gone for pair in self.erase(one) or ()}

    def replace(
        self, found: Iterable[Annotation], *, since: int, samples: set[str] | None = None
    ) -> set[Pair]:
        """Take in everything that a listing has found.

        Parameters
        ----------
        found : annotations of the listing
        since : `clock` before the listing was asked for; news that came later stands
        samples : what the listing was about; None for everything
        """
        listed = {annotation.id: annotation for annotation in found}
        changed: set[Pair] = set()
        for annotation in listed.values():
            if self._deleted.get(annotation.id, since + 1) <= since:
                del self._deleted[annotation.id]
            changed |= self.write(annotation)
        missing = [
            one
            for one, held in self._heard.items()
            if one not in listed
            and held.at <= since
            and (samples is None or held.annotation.sample_id in samples)
        ]
        for one in missing:
            changed |= self._forget(one)
        return changed

    def _forget(self, annotation_id: int) -> set[Pair]:
        held = self._heard.pop(annotation_id, None)
        if held is None:
            return set()
        pair = (held.annotation.sample_id, held.annotation.annotator)
        _discard(self._by_pair, pair, annotation_id)
        _discard(self._by_sample, pair[0], annotation_id)
        return {pair}


def _discard(index: dict[_Key, set[int]], key: _Key, one: int) -> None:
    index[key].discard(one)
    if not index[key]:
        del index[key]
