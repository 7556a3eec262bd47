"""A peer's strategy as one of ours: our loop, our classifier, our measuring, their choice."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from strategies.pool import PoolView, Rows, Status
from strategies.uniform import Uniform
from tests.benchmarks.peer_pipe import Peer, PeerStopped

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = {
    "scikit-activeml": ROOT / ".venv-bench",
    "small-text": ROOT / ".venv-bench-older",
    "modAL": ROOT / ".venv-bench-older",
}


@dataclass(frozen=True)
class PeerStrategy:
    """Asks a peer, which stays for the life of this process.

    A strategy that needs labels or a classifier gets uniform picks until the first label; from then
    on our classifier has a probability for each class. The log says which batches those were.

    Attributes
    ----------
    library, name : as `peer_strategies.STRATEGIES` has them
    environment : the folder of a virtual environment
    needs_labels : cannot choose before the first label
    log : one line of JSON a batch: the seconds that the peer itself took, None where it was not
        asked. Sending arrays is not in them.
    script : that answers, as `Peer` takes it
    """

    library: str
    name: str
    environment: Path
    needs_labels: bool
    log: Path
    script: str = "peer_strategies"

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        """Return the rows that the peer picks, as many as there are at most."""
        candidates = pool.candidate_rows()
        n_picks = min(budget, len(candidates))
        n_labeled = int((pool.status == Status.LABELED).sum())
        if self.needs_labels and n_labeled == 0:
            self._note(n_labeled, None)
            return Uniform().select(pool, n_picks, rng)
        probabilities = pool.probabilities
        if probabilities is None:
            shape = len(pool.status), pool.n_classes
            probabilities = np.full(shape, 1 / pool.n_classes, np.float32)
        answer = _desk(self.script, self.environment).query(
            pool,
            {"library": self.library, "strategy": self.name, "n_picks": n_picks},
            # numbers of the pool that nobody knows yet must not travel
            labels=np.where(pool.status == Status.LABELED, pool.labels, -1),
            probabilities=probabilities,
            seed=int(rng.integers(2**31)),
        )
        self._note(n_labeled, answer.told["seconds"])
        rows: Rows = answer.arrays["rows"]
        if len(set(rows.tolist()) & set(candidates.tolist())) != n_picks or len(rows) != n_picks:
            raise PeerStopped(f"{self.library} {self.name} picked {rows}, not {n_picks} candidates")
        return rows

    def _note(self, n_labeled: int, seconds: float | None) -> None:
        line = {"arm": self.name, "n_labeled": n_labeled, "seconds": seconds}
        with self.log.open("a") as file:  # short lines of several processes do not mix
            file.write(json.dumps(line) + "\n")


class _Desk:
    """A peer and the pool it has been told of: embeddings travel once."""

    def __init__(self, script: str, environment: Path) -> None:
        self.peer = Peer(script, environment)
        self.embeddings: Any = None

    def query(self, pool: PoolView, told: dict[str, Any], *, seed: int, **arrays: Any) -> Any:
        if self.embeddings is not pool.embeddings:
            self.peer.ask({"ask": "pool"}, {"embeddings": pool.embeddings})
            self.embeddings = pool.embeddings
        told = told | {"ask": "query", "n_classes": pool.n_classes, "seed": seed}
        return self.peer.ask(told, arrays)


_desks: dict[tuple[str, Path], _Desk] = {}


def _desk(script: str, environment: Path) -> _Desk:
    key = script, environment
    if key not in _desks:
        _desks[key] = _Desk(script, environment)
    return _desks[key]


def close_all() -> None:
    """End the peers of this process; one that ends closes their pipes, and so ends them, too."""
    while _desks:
        _desks.popitem()[1].peer.close()
