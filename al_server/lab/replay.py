"""One strategy, labeling one pool as an annotator who knows all answers would."""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from al_server.campaign.classifier import VoteSettings
from al_server.campaign.holdout import HoldoutData
from al_server.campaign.nearest import NearestLists
from al_server.campaign.neighbors import pool_neighbors, vote_width
from al_server.campaign.pool_building import SMOOTHING
from al_server.campaign.pool_state import PoolState
from al_server.lab.data import LabeledData
from al_server.lab.measures import Quality, quality
from al_server.lab.plan import Classifier
from al_server.lab.splits import Rows, Split
from strategies.mass import reads_uncertainty_mass
from strategies.pool import Status, Strategy

K = 10  # neighbours that vote, as campaigns have it where nothing is said


@dataclass(frozen=True)
class Track:
    """What all arms of one repeat have in common.

    Attributes
    ----------
    data : what is replayed
    split : rows of it
    keys : uint64 array of shape (n_pool,), tie keys: they decide among equal first picks, so they
        are drawn anew for each repeat
    neighbors : nearest lists over the pool
    seed, repeat : of the random streams
    """

    data: LabeledData
    split: Split
    keys: NDArray[np.uint64]
    neighbors: NearestLists
    seed: int
    repeat: int


@dataclass(frozen=True)
class Trace:
    """What one arm did in one repeat.

    Attributes
    ----------
    picks : int64 array of shape (n_labels,), rows of the data in the order of their labels
    n_labeled : labels at each point of the curve
    qualities : of the classifier at each point
    select_s : seconds that a query took, one for each batch
    """

    picks: Rows
    n_labeled: list[int]
    qualities: list[Quality]
    select_s: list[float]


def make_track(data: LabeledData, split: Split, *, seed: int, repeat: int) -> Track:
    """Prepare a pool for all arms of a repeat."""
    embeddings = data.embeddings[split.pool]
    rng = np.random.default_rng([seed, repeat])
    keys = rng.permutation(len(split.pool)).astype(np.uint64)
    return Track(data, split, keys, pool_neighbors(embeddings, keys), seed, repeat)


def replay(
    track: Track,
    strategy: Strategy,
    *,
    budget: int,
    batch: int = 1,
    n_shared: int = 0,
    classifier: Classifier = "propagated",
    k: int = K,
) -> Trace:
    """Label up to `budget` samples, `batch` at a time.

    Parameters
    ----------
    n_shared : the first so many labels are drawn at random, the same ones for all arms; 0: every
        strategy begins by itself
    k : neighbours that vote, where the classifier is `knn`
    """
    pool = _pool(track, classifier, k, keeps_mass=reads_uncertainty_mass(strategy))
    assert pool.holdout is not None
    truth = track.data.labels[track.split.pool]
    drawn = np.random.default_rng([track.seed, track.repeat, 1]).permutation(len(truth))
    rows: list[int] = [int(row) for row in drawn[: min(n_shared, budget)]]
    curve: list[tuple[int, Quality]] = []
    select_s: list[float] = []
    for row in rows:
        pool.set_sample(row, Status.LABELED, int(truth[row]), pool.book.n_classes)
    while len(rows) < min(budget, len(truth)):
        # the stream is that of the step, whatever the arm drew before
        rng = np.random.default_rng([track.seed, track.repeat, 2, len(rows)])
        began = time.perf_counter()
        picked = strategy.select(pool.view(), min(batch, budget - len(rows)), rng)
        select_s.append(time.perf_counter() - began)
        if len(picked) == 0:
            raise ValueError(f"{strategy} picks nothing of {len(truth) - len(rows)} candidates")
        for row in picked.tolist():
            pool.set_sample(row, Status.LABELED, int(truth[row]), pool.book.n_classes)
            rows.append(row)
        curve.append((len(rows), _measure(pool, track)))
    return Trace(
        picks=track.split.pool[np.array(rows, np.int64)],
        n_labeled=[n for n, _ in curve],
        qualities=[one for _, one in curve],
        select_s=select_s,
    )


def _pool(track: Track, classifier: Classifier, k: int, *, keeps_mass: bool) -> PoolState:
    data, split = track.data, track.split
    return PoolState(
        data.embeddings[split.pool],
        track.keys,
        track.neighbors,
        n_classes=len(data.classes),
        multi=False,
        votes=VoteSettings(k, vote_width(track.neighbors), SMOOTHING),
        holdout=HoldoutData(data.embeddings[split.holdout], data.labels[split.holdout]),
        classifier=classifier,
        keeps_mass=keeps_mass,
    )


def _measure(pool: PoolState, track: Track) -> Quality:
    assert pool.holdout is not None
    beliefs = pool.holdout.votes.beliefs
    confidence = beliefs.probabilities[np.arange(len(beliefs.predicted)), beliefs.predicted]
    return quality(beliefs.predicted, confidence, track.data.labels[track.split.holdout])
