"""The short queue: the few tasks that Label Studio serves next, kept in it as predictions.

Label Studio serves, of the tasks that carry a prediction of the version `al-queue`, the one with
the lowest score. So a new pick gets a score below all others and is the next to be served; the
older ones are the reserve for annotators who ask at the same time. In the campaign the tasks of
the queue are leased to a holder of their own: they count as covered, and are nobody else's.
"""

import logging
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from al_server.campaign.campaign import Campaign
from al_server.errors import ALError
from integrations.label_studio.answers import result_of
from integrations.label_studio.client import Client
from integrations.label_studio.config_parser import Control
from integrations.label_studio.connection import QUEUE_VERSION
from integrations.label_studio.samples import sample_of, task_of

HOLDER = "label-studio queue"
MARGIN = 6
"""Unserved tasks beyond one an annotator."""
MOST_ANNOTATORS = 50
RENEW_S = 24 * 3600.0
LEASE_S = 30 * RENEW_S
STEP = 1e-6
"""Between two scores. Label Studio drops scores outside 0 to 1 without a word."""
QUICK_S = 0.25
"""How long an annotator's answer waits for the new pick to arrive; Label Studio waits 1 s."""
_log = logging.getLogger(__name__)


@dataclass
class Entry:
    """A task in the queue.

    Attributes
    ----------
    score : its rank; lower is served first
    prediction : id of the prediction in Label Studio, None until it is there
    served : whether an annotator was seen to open it
    is_posting : whether its prediction is on the way
    is_doubtful : whether one may have arrived of which we do not know
    """

    score: float
    prediction: int | None = None
    served: bool = False
    is_posting: bool = False
    is_doubtful: bool = False


class Queue:
    """The queue of one connection. Every method may be called from any thread."""

    def __init__(self, campaign: Campaign, client: Client, control: Control, project: int) -> None:
        self._campaign = campaign
        self._client = client
        self._control = control
        self._project = project
        self._lock = threading.RLock()
        self._entries: dict[str, Entry] = {}
        self._leftover: list[int] = []  # predictions to be deleted
        self._lowest = 1.0
        self._quickly = ThreadPoolExecutor(2, thread_name_prefix="label-studio-pick")
        self._renew_at = 0.0
        self.n_annotators = 1

    def close(self) -> None:
        """Finish what is on the way to Label Studio."""
        self._quickly.shutdown()

    # -- what it is ----------------------------------------------------------------------------

    def control_changed(self, control: Control) -> None:
        """Follow a label config that has grown."""
        self._control = control

    def listed(self) -> list[tuple[str, Entry]]:
        """Return task and entry, the next to be served first."""
        with self._lock:
            return sorted(self._entries.items(), key=lambda item: item[1].score)

    @property
    def target(self) -> int:
        """How many tasks should wait unserved."""
        return min(self.n_annotators, MOST_ANNOTATORS) + MARGIN

    def n_unserved(self) -> int:
        """Count the tasks that nobody has opened."""
        with self._lock:
            return sum(not entry.served for entry in self._entries.values())

    def is_short(self) -> bool:
        """Whether the background should top it up.

        Not at the first task that is opened: its answer brings a pick that knows more.
        """
        return self.n_unserved() <= self.target - MARGIN // 2

    # -- while annotators wait -----------------------------------------------------------------

    def served(self, sample_id: str) -> None:
        """Remember that an annotator has opened a task."""
        with self._lock:
            if sample_id in self._entries:
                self._entries[sample_id].served = True

    def leave(self, sample_ids: Iterable[str]) -> int:
        """Take tasks out that were answered, or are gone; return how many were in.

        Label Studio follows in `tidy`.
        """
        with self._lock:
            gone = [one for one in sample_ids if one in self._entries]
            for one in gone:
                prediction = self._entries.pop(one).prediction
                if prediction is not None:
                    self._leftover.append(prediction)
        if gone:
            self._campaign.release(HOLDER, gone)
        return len(gone)

    def add_pick(self) -> None:
        """Put a new pick to the front; returns before it is there if that takes long."""
        posting = [self._quickly.submit(self._try_to_post, one) for one in self._reserve(1)]
        wait(posting, QUICK_S)

    def _try_to_post(self, sample_id: str) -> None:
        try:
            self._post(sample_id)
        except ALError as error:  # the background tries again
            _log.warning("%s: %s", self._campaign.spec.name, error)

    def _reserve(self, n: int) -> list[str]:
        """Lease new picks and enter them, the most valuable with the lowest score."""
        with self._lock:
            picks = self._campaign.reserve(HOLDER, n, lease_s=LEASE_S)
            lowest = self._lowest
            self._lowest -= STEP * len(picks)
            for place, sample_id in enumerate(reversed(picks), start=1):
                self._entries[sample_id] = Entry(lowest - STEP * place)
            return picks

    def _post(self, sample_id: str) -> None:
        with self._lock:
            entry = self._entries.get(sample_id)
            if entry is None or entry.prediction is not None or entry.is_posting:
                return
            entry.is_posting = True
        try:
            if entry.is_doubtful:
                entry.prediction = self._arrived(sample_id)
            if entry.prediction is None:
                entry.is_doubtful = True
                prediction = self._prediction(sample_id, entry.score)
                entry.prediction = self._client.add_prediction(prediction)
        finally:
            entry.is_posting = False
        with self._lock:
            if self._entries.get(sample_id) is not entry:  # answered meanwhile
                self._leftover.append(entry.prediction)

    def _arrived(self, sample_id: str) -> int | None:
        rows = self._client.predictions_of(task_of(sample_id))
        ids = [int(row["id"]) for row in rows if row["model_version"] == QUEUE_VERSION]
        return max(ids, default=None)

    def _prediction(self, sample_id: str, score: float) -> dict[str, Any]:
        (believed,) = self._campaign.believed([sample_id])
        return {
            "task": task_of(sample_id),
            "project": self._project,
            "model_version": QUEUE_VERSION,
            "score": score,
            "result": result_of(None if believed is None else believed.label, self._control),
        }

    # -- in the background ---------------------------------------------------------------------

    def tidy(self) -> None:
        """Make Label Studio follow: what has left goes, what is missing comes, up to the target."""
        if self._lowest < STEP * 1000:
            self.rebuild()
            return
        self._fill()
        self._drop_leftover()

    def _fill(self) -> None:
        if self.is_short():
            self._reserve(self.target - self.n_unserved())
        if not self.n_unserved():
            self._withdraw()
            return
        for sample_id, entry in self.listed():
            if entry.prediction is None:
                self._post(sample_id)

    def _withdraw(self) -> None:
        """Take back what orders tasks that are all open: to others it would hide all the rest.

        Label Studio serves nothing but tasks with our prediction as long as there is one.
        """
        with self._lock:
            for entry in self._entries.values():
                if entry.prediction is not None:
                    self._leftover.append(entry.prediction)
                    entry.prediction, entry.is_doubtful = None, False

    def _drop_leftover(self) -> None:
        while self._leftover:
            prediction = self._leftover[-1]
            self._client.drop_prediction(prediction)
            with self._lock:
                self._leftover.remove(prediction)

    def rebuild(self) -> None:
        """Pick the whole queue anew and make Label Studio's rows the same."""
        rows: dict[str, list[int]] = {}
        for row in self._client.predictions(self._project, QUEUE_VERSION):
            if row["model_version"] == QUEUE_VERSION:
                sample_id = sample_of(self._campaign, row["task"])
                rows.setdefault(sample_id, []).append(int(row["id"]))
        with self._lock:
            opened = {one for one, entry in self._entries.items() if entry.served}
            opened &= set(self._campaign.held(HOLDER))  # an answer that was missed ends the lease
            self._add_newer(rows)
            self._entries.clear()
            self._leftover.clear()
            self._lowest = 1.0
            self._campaign.release(HOLDER, self._campaign.held(HOLDER))
            self._reserve(self.target + len(opened))
            for sample_id, entry in self._entries.items():
                entry.served = sample_id in opened
                if sample_id in rows:
                    entry.prediction = rows[sample_id].pop()
            self._leftover = [one for ids in rows.values() for one in ids]
            kept = [(s, e) for s, e in self._entries.items() if e.prediction is not None]
        for sample_id, entry in kept:
            changes = self._prediction(sample_id, entry.score)
            self._client.change_prediction(entry.prediction or 0, changes)
        # first what is new, then away with the old: nobody finds the queue empty
        self._fill()
        self._drop_leftover()

    def _add_newer(self, rows: dict[str, list[int]]) -> None:
        """Add what an annotator's answer has brought there since the rows were listed."""
        newest = max((one for ids in rows.values() for one in ids), default=0)
        for sample_id, entry in self._entries.items():
            if entry.prediction is not None and entry.prediction > newest:
                rows.setdefault(sample_id, []).append(entry.prediction)

    def renew(self) -> None:
        """Let the leases last on, once a day."""
        if time.monotonic() >= self._renew_at:
            self._campaign.renew(HOLDER, lease_s=LEASE_S)
            self._renew_at = time.monotonic() + RENEW_S
