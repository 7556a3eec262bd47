"""The loop itself: answers into the log, the log into the arrays, the arrays into the next pick.

Not thread-safe: the campaign's writer thread owns it. A test or a benchmark may own it as well.
"""

import logging
import time
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Update

from al_server.answers import Measured
from al_server.campaign.ledger import Counts, Ledger
from al_server.campaign.lottery import Lottery
from al_server.campaign.measured import believed_label, random_accuracy
from al_server.campaign.names import Names
from al_server.campaign.offering import (
    Picks,
    Reason,
    explain,
    n_affordable,
    pick_by_lot,
    second_opinions,
    why_nothing,
    without,
)
from al_server.campaign.pool_state import Label, PoolState
from al_server.campaign.recording import answer_events
from al_server.errors import ALError, NothingToUndo, StrategyFailed
from al_server.models import AnswerIn, CampaignSpec
from al_server.store.event_log import Event, EventLog, NewSample
from strategies.pool import Explanation, PoolView, Strategy

_LOOKAHEAD_UP_TO = 200_000  # samples; beyond, a pick costs more than a preload saves
_RETRY_S = 5.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """What may be read at any time from any thread; replaced as a whole."""

    counts: Counts
    holdout_accuracy: float | None
    random_accuracy: Measured | None


@dataclass(frozen=True)
class Offer:
    """What an annotator is given.

    Attributes
    ----------
    rows : leased to the annotator now, in order
    reason : why there are none, or None
    """

    rows: list[int]
    reason: Reason | None


class Loop:
    """Ledger, arrays and strategy of one campaign, and the log in front of them.

    Attributes
    ----------
    explanations : why a leased row was picked, by (annotator, row); lost on a restart
    lottery : which picks are random
    """

    def __init__(
        self,
        spec: CampaignSpec,
        *,
        log: EventLog,
        names: Names,
        ledger: Ledger,
        pool: PoolState,
        strategy: Strategy,
    ) -> None:
        self.spec = spec
        self.names = names
        self.ledger = ledger
        self.pool = pool
        self.explanations: dict[tuple[str, int], Explanation | None] = {}
        self.lottery = Lottery(spec.random_share, seed=spec.seed)
        self._log = log
        self._strategy = strategy
        self._changed_rows: dict[int, None] = {}  # in the ledger already, not yet in the arrays
        self._ready: Picks | None = None
        self._tried = -1  # the event after which the strategy could not choose
        self._no_wake_before = 0.0
        self._broken: Exception | None = None
        self.snapshot = self._take_snapshot()

    # -- what people do ------------------------------------------------------------------------

    def record(self, answers: Sequence[AnswerIn]) -> None:
        """Put answers into the log, all or none."""
        self.commit(answer_events(answers, self.names, self.ledger))

    def undo(self, row: int, annotator: str, *, lease: bool) -> Label | None:
        """Take an answer back and return it.

        With `lease` the annotator has the sample again, if nobody else has it meanwhile and the
        budget allows it.
        """
        answer = self.ledger.answers.get(row, {}).get(annotator)
        if answer is None:
            raise NothingToUndo(
                f"{annotator!r} has no answer on {self.names.sample_ids[row]!r}",
                "undo takes back an annotator's own answer",
            )
        self.commit([Event("undo", row=row, annotator=annotator)])
        affordable = n_affordable(self.ledger, self.spec.budget, 1) > 0
        if lease and affordable and self.ledger.is_free(row):
            data = {"expires_at": time.time() + self.spec.lease_s, "first": True}
            self.commit([Event("lease", row=row, annotator=annotator, data=data)])
        return answer.label

    def take_back(self, answers: Iterable[tuple[int, str]]) -> None:
        """Take the answers of (row, annotator) back in one go; those that are gone do not count."""
        known = self.ledger.answers
        found = [(row, who) for row, who in answers if who in known.get(row, {})]
        self.commit([Event("undo", row=row, annotator=who) for row, who in found])

    def offer(self, annotator: str, n: int) -> Offer:
        """Lease up to `n` samples: those the annotator holds, second opinions, then new picks."""
        held = list(self.ledger.leases.get(annotator, ()))[:n]
        n_new = n_affordable(self.ledger, self.spec.budget, n - len(held))
        begun = second_opinions(self.ledger, annotator, n_new)
        n_fresh = n_new - len(begun)
        picks = self._picks(n_fresh) if n_fresh else Picks(0, [])
        fresh = picks.rows[:n_fresh]
        explanations = explain(self._strategy, self._view(), fresh)
        running_out = self._running_out(annotator, held)
        leased = [*running_out, *begun, *fresh]
        self.commit(self._leases(annotator, leased, random=picks.random))
        for row, explanation in zip(fresh, explanations, strict=True):
            self.explanations[annotator, row] = None if row in picks.random else explanation
        rows = [*held, *begun, *fresh]
        if not rows and n_new and self._changed_rows:
            # what was just handed back is not in the arrays yet: rather late than "exhausted"
            self.catch_up()
            return self.offer(annotator, n)
        return Offer(
            rows=rows,
            reason=None if rows else why_nothing(self.ledger, annotator, self.spec.budget),
        )

    def likely_next(self) -> int | None:
        """Return a row that may well be offered next, for a page to load its picture ahead.

        Picked as if what is in somebody's hands covered nothing yet, which costs no distances.
        """
        if len(self.names.sample_ids) > _LOOKAHEAD_UP_TO:
            return None
        return next(iter(self._picks(1).rows), None)

    def reserve(self, holder: str, n: int, *, lease_s: float) -> list[int]:
        """Lease up to `n` new picks to a holder, beside what it holds; most valuable first."""
        n_new = n_affordable(self.ledger, self.spec.budget, n)
        picks = self._picks(n_new) if n_new > 0 else Picks(0, [])
        rows = picks.rows[:n_new]
        self.commit(self._leases(holder, rows, lease_s=lease_s, random=picks.random))
        return rows

    def renew(self, holder: str, *, lease_s: float) -> None:
        """Let all leases of a holder last from now on anew."""
        self.commit(self._leases(holder, self.ledger.leases.get(holder, ()), lease_s=lease_s))

    def release(self, holder: str, rows: Iterable[int]) -> None:
        """End leases of a holder; rows that it does not hold are passed over."""
        held = self.ledger.leases.get(holder, {})
        self.commit([Event("expire", row=row, annotator=holder) for row in rows if row in held])

    def retire(self, rows: Iterable[int]) -> None:
        """Never offer these samples again; answers that stand on them are taken back."""
        events = []
        for row in rows:
            if row not in self.ledger.retired:
                given = self.ledger.answers.get(row, {})
                events += [Event("undo", row=row, annotator=annotator) for annotator in given]
                events.append(Event("retire", row=row))
        self.commit(events)

    def _running_out(self, annotator: str, rows: Iterable[int]) -> list[int]:
        """Held rows with less than half of their time left: asked for again, they begin anew."""
        ends = self.ledger.leases.get(annotator, {})
        soon = time.time() + self.spec.lease_s / 2
        return [row for row in rows if ends[row] < soon]

    def _leases(
        self,
        annotator: str,
        rows: Iterable[int],
        *,
        lease_s: float | None = None,
        random: Container[int] = (),
    ) -> list[Event]:
        data = {"expires_at": time.time() + (lease_s or self.spec.lease_s)}
        return [
            Event(
                "lease",
                row=row,
                annotator=annotator,
                data=data | {"believed": believed_label(self.pool, row)} if row in random else data,
            )
            for row in rows
        ]

    def _picks(self, n: int) -> Picks:
        if n == 1 and self._ready is not None and self._ready.seq == self._log.last_seq:
            return self._ready
        seed, seq = self.spec.seed, self._log.last_seq
        return pick_by_lot(self.lottery, self._strategy, self._view(), n, seed=seed, seq=seq)

    def _view(self) -> PoolView:
        # rows whose news has not reached the arrays yet must not be offered
        return without(self.pool.view(), np.fromiter(self._changed_rows, dtype=np.int64))

    # -- log first, then ledger, then arrays ---------------------------------------------------

    def commit(self, events: Sequence[Event]) -> None:
        """Write events to the log, then to the ledger; the arrays follow as backlog."""
        if events:
            self._take_in(self._log.append(events))

    def _take_in(self, events: Sequence[Event]) -> None:
        for event in events:
            self.ledger.apply(event)
            if event.row is None or event.kind == "repeat":
                continue
            self._changed_rows[event.row] = None
            if event.kind != "lease" and event.annotator is not None:
                self.explanations.pop((event.annotator, event.row), None)
        self.snapshot = self._take_snapshot()

    def _take_snapshot(self) -> Snapshot:
        curve = self.pool.holdout.curve if self.pool.holdout is not None else []
        return Snapshot(
            self.ledger.counts(),
            curve[-1].accuracy if curve else None,
            random_accuracy(self.ledger),
        )

    def has_backlog(self) -> bool:
        """Tell whether the arrays or the next pick are behind the log."""
        if self._broken is not None:
            return True
        newest = self._log.last_seq
        ready = self._ready is not None and self._ready.seq == newest
        return bool(self._changed_rows) or not (ready or self._tried == newest)

    def work_off_one(self) -> None:
        """Bring one sample into the arrays, or, when all are in, make the next pick ready."""
        if self._broken is not None:
            raise RuntimeError("the arrays do not hold all that the log holds") from self._broken
        if not self._changed_rows:
            self._make_ready()
            return
        row = next(iter(self._changed_rows))
        del self._changed_rows[row]
        self.pool.set_sample(row, *self.ledger.standing(row))
        self.snapshot = self._take_snapshot()

    def _make_ready(self) -> None:
        try:
            self._ready = self._picks(1)
        except StrategyFailed as error:
            # said again, and loudly, to the first annotator who asks
            _log.warning("%s: %s", self.spec.name, error)
            self._tried = self._log.last_seq

    def catch_up(self) -> None:
        """Bring everything into the arrays."""
        while self._changed_rows:
            self.work_off_one()

    def peek(self) -> int | None:
        """Bring everything into the arrays and return the row that would be picked next."""
        while self.has_backlog():
            self.work_off_one()
        return next(iter(self._picks(1).rows), None)

    def wake_at(self) -> float | None:
        """Return when the next lease runs out, seconds since 1970."""
        at = self.ledger.next_expiry()
        return None if at is None else max(at, self._no_wake_before)

    def wake(self) -> None:
        """Let the leases that have run out expire."""
        expired = self.ledger.expired(time.time())
        try:
            self.commit([Event("expire", row=row, annotator=who) for who, row in expired])
        except ALError as error:
            # they live on until the disk has room again
            self._no_wake_before = time.time() + _RETRY_S
            _log.warning("leases of %s could not expire: %s", self.spec.name, error)

    # -- what grows ----------------------------------------------------------------------------

    def add_classes(self, names: Sequence[str]) -> None:
        """Append classes."""
        self.catch_up()
        self.commit([Event("classes", data={"names": list(names)})])
        with self._all_or_stop():
            self.names.add_classes(names)
            self.pool.add_classes(len(self.names.classes))

    def add_samples(
        self,
        new: Sequence[NewSample],
        events: Sequence[Event],
        *,
        embeddings: NDArray[np.float32],
        keys: NDArray[np.uint64],
        together_with: Sequence[Update] = (),
    ) -> None:
        """Append samples; `embeddings` and `keys` hold the old ones and the new."""
        self.catch_up()
        stored = self._log.append(events, new_samples=new, together_with=together_with)
        with self._all_or_stop():
            self.names.add_samples([sample.sample_id for sample in new])
            self.pool.add_samples(embeddings, keys)
            self._take_in(stored)

    def set_predictions(self, file: str | None, probabilities: NDArray[np.float32] | None) -> None:
        """Let uncertainty come from a model of the user's own, kept in `file`; None ends that."""
        self.catch_up()
        self.commit([Event("predictions", data={"file": file})])
        with self._all_or_stop():
            self.pool.set_own_predictions(probabilities)

    def change_vectors(
        self,
        data: dict[str, Any],
        build: Callable[[], PoolState],
        *,
        together_with: Sequence[Update],
    ) -> None:
        """Go on with arrays built anew from the ledger, over other vectors of the same samples.

        Parameters
        ----------
        data : what the log says of it
        build : makes the arrays; if it fails, nothing has changed
        together_with : statements of the same transaction
        """
        self.catch_up()
        pool = build()
        self._log.append([Event("reembed", data=data)], together_with=together_with)
        self.pool = pool
        self._ready = None
        self.snapshot = self._take_snapshot()

    @property
    def strategy(self) -> Strategy:
        """What picks."""
        return self._strategy

    @contextmanager
    def _all_or_stop(self) -> Iterator[None]:
        """Stop the campaign where only half of what the log holds has reached the arrays."""
        try:
            yield
        except Exception as error:
            self._broken = error
            raise

    @property
    def seq(self) -> int:
        """Number of the newest event."""
        return self._log.last_seq
