"""Strategies whose fate is known before they run."""

from dataclasses import dataclass

import numpy as np

from al_server.lab.data import LabeledData
from strategies.pool import PoolView, Rows
from strategies.uniform import Uniform


@dataclass(frozen=True)
class OtherUniform:
    """Random sampling, with other draws than the baseline's."""

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        return Uniform().select(pool, budget, rng.spawn(1)[0])


@dataclass(frozen=True)
class Peeking:
    """It knows the labels: always the class that has the fewest, nearest to its center first."""

    data: LabeledData

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        del rng
        place = {row.tobytes(): number for number, row in enumerate(self.data.embeddings)}
        rows = [place[row.tobytes()] for row in pool.embeddings]
        truth = self.data.labels[rows]
        typical = np.zeros(len(truth))
        for one in range(pool.n_classes):
            mine = truth == one
            typical[mine] = pool.embeddings[mine] @ pool.embeddings[mine].mean(axis=0)
        counts = np.bincount(pool.labels[pool.labels >= 0], minlength=pool.n_classes)
        free = pool.candidate_rows()
        order = np.lexsort((-typical[free], counts[truth[free]]))
        return free[order[:budget]]


@dataclass(frozen=True)
class Stuck:
    """One class and no other, as long as it lasts."""

    data: LabeledData

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        del rng
        place = {row.tobytes(): number for number, row in enumerate(self.data.embeddings)}
        free = pool.candidate_rows()
        truth = self.data.labels[[place[pool.embeddings[row].tobytes()] for row in free]]
        return free[np.argsort(truth, kind="stable")[:budget]]
