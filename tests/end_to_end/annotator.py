"""An annotator at the other end of the line, who does everything that people and networks do."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np

from tests.end_to_end.claims import Claims

PATIENCE_S = 120.0
_PAUSE_S = 0.2
# chances of what is not simply answering
_ALL_AT_ONCE, _SKIP, _TWICE, _UNDO, _RELABEL, _LATE = 0.2, 0.04, 0.15, 0.05, 0.03, 0.05
_N_AT_MOST = 4

Answer = dict[str, Any]


class Annotator:
    """Asks, answers, skips, errs, undoes; repeats a request until the server has answered it.

    Some answers are sent twice at the same time, some once more long after: the key says that they
    are the same.

    Parameters
    ----------
    name : of the annotator
    url : of the server
    campaign : name of the campaign
    label_of : the label this annotator gives to a sample
    wrong_label : what is given by mistake, and corrected
    seed : of what happens by chance
    """

    def __init__(
        self,
        name: str,
        *,
        url: str,
        campaign: str,
        label_of: Callable[[str], str],
        wrong_label: str,
        seed: int,
    ) -> None:
        self.claims = Claims(name)
        self.n_repeats = 0
        self._client = httpx.Client(
            base_url=f"{url}/api/v1/campaigns/{campaign}/", timeout=PATIENCE_S, trust_env=False
        )
        self._label_of = label_of
        self._wrong_label = wrong_label
        self._rng = np.random.default_rng(seed)
        self._n_sent = 0
        self._sent: list[Answer] = []

    def give(self, n_labels: int) -> None:
        """Go on until so many labels of this annotator stand."""
        with self._client, ThreadPoolExecutor(2) as lines:
            while (n_missing := n_labels - self.claims.n_labels) > 0:
                sample_ids = self._next(n_missing)
                together = self._by_chance(_ALL_AT_ONCE)
                for group in [sample_ids] if together else [[one] for one in sample_ids]:
                    self._answer([self._new_answer(one) for one in group], lines)
                    self._think_again(group[-1])

    def _next(self, n_missing: int) -> list[str]:
        n = min(n_missing, int(self._rng.integers(1, _N_AT_MOST + 1)))
        params = {"annotator": self.claims.annotator, "n": n}
        samples = self._send("GET", "next", params=params).json()["samples"]
        received_at = time.monotonic()
        assert 0 < len(samples) <= n, f"{len(samples)} samples for n={n}"
        for sample in samples:
            self.claims.offered(sample["sample_id"], received_at=received_at)
        return [sample["sample_id"] for sample in samples]

    def _new_answer(self, sample_id: str, *, label: str | None = None) -> Answer:
        if label is None and not self._by_chance(_SKIP):
            label = self._label_of(sample_id)
        self._n_sent += 1
        name = self.claims.annotator
        key = f"{name}-{self._n_sent}"
        return {"sample_id": sample_id, "label": label, "annotator": name, "key": key}

    def _answer(self, answers: list[Answer], lines: ThreadPoolExecutor) -> None:
        n_times = 2 if self._by_chance(_TWICE) else 1
        body = {"labels": answers}
        posts = [lines.submit(self._send, "POST", "labels", json=body) for _ in range(n_times)]
        for post in posts:
            assert post.result().json()["accepted"] == len(answers)
        for answer in answers:
            self.claims.acknowledged(answer["sample_id"], answer["label"])
        self._sent.extend(answers)
        if self._by_chance(_LATE):
            late = self._sent[int(self._rng.integers(len(self._sent)))]
            # known by its key, whatever has become of the sample since
            self._send("POST", "labels", json={"labels": [late]})

    def _think_again(self, sample_id: str) -> None:
        if self._by_chance(_UNDO):
            self._undo(sample_id, lease=self._by_chance(0.5))
        elif self.claims.answers[sample_id] is not None and self._by_chance(_RELABEL):
            answer = self._new_answer(sample_id, label=self._wrong_label)
            self._send("POST", "labels", json={"labels": [answer]})
            self.claims.acknowledged(sample_id, self._wrong_label)

    def _undo(self, sample_id: str, *, lease: bool) -> None:
        sent_at = time.monotonic()
        params = {"annotator": self.claims.annotator, "lease": lease}
        # 409, nothing to undo: it was done when the server died, before it could say so
        self._send("DELETE", f"labels/{sample_id}", params=params, also_fine=409)
        self.claims.undone(sample_id, sent_at=sent_at, leased_again=lease)

    def _send(
        self, method: str, path: str, *, also_fine: int | None = None, **content: Any
    ) -> httpx.Response:
        """Repeat the same request until a server lives to answer it."""
        deadline = time.monotonic() + PATIENCE_S
        n_tries = 0
        while True:
            try:
                answer = self._client.request(method, path, **content)
            except httpx.TransportError:
                assert time.monotonic() < deadline, f"no server for {PATIENCE_S} s"
                self.n_repeats += 1
                n_tries += 1
                time.sleep(_PAUSE_S)
                continue
            repeated_fine = answer.status_code == also_fine and n_tries > 0
            assert answer.status_code == 200 or repeated_fine, answer.text
            return answer

    def _by_chance(self, probability: float) -> bool:
        return bool(self._rng.random() < probability)
