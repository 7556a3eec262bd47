"""A replay labels as a campaign would, and is the same every time."""

import numpy as np
import pytest

from al_server.lab.measures import quality
from al_server.lab.replay import K, Track, make_track, replay
from al_server.lab.splits import repeated_holdout
from strategies.registry import make
from tests.lab.toys import blobs


def _track(repeat: int = 0, seed: int = 0) -> Track:
    data = blobs()
    (split,) = repeated_holdout(data, share=0.25, n_repeats=1, seed=seed, by_group=False)
    return make_track(data, split, seed=seed, repeat=repeat)


def test_every_pick_is_of_the_pool_and_no_pick_comes_twice() -> None:
    track = _track()
    for batch in (1, 7):
        trace = replay(track, make("in_class"), budget=50, batch=batch)
        assert len(set(trace.picks.tolist())) == 50
        assert set(trace.picks) <= set(track.split.pool)
        assert trace.n_labeled[-1] == 50
        assert trace.n_labeled[0] == batch


def test_a_budget_beyond_the_pool_ends_with_the_pool() -> None:
    track = _track()
    trace = replay(track, make("margin"), budget=1000, batch=11)
    assert sorted(trace.picks) == sorted(track.split.pool)


def test_the_same_track_gives_the_same_trace_and_another_repeat_another() -> None:
    for name in ("uniform", "in_class"):
        first, same = (replay(_track(), make(name), budget=20) for _ in range(2))
        assert np.array_equal(first.picks, same.picks)
        assert first.qualities == same.qualities
    other = replay(_track(repeat=1), make("uniform"), budget=20)
    assert not np.array_equal(first.picks, other.picks)


def test_shared_labels_are_the_same_for_all_arms() -> None:
    track = _track()
    arms = [replay(track, make(name), budget=15, n_shared=6) for name in ("margin", "uniform")]
    assert np.array_equal(arms[0].picks[:6], arms[1].picks[:6])
    assert arms[0].n_labeled[0] == 7


@pytest.mark.parametrize("k", [1, 3, K])
def test_the_curve_is_that_of_the_nearest_neighbors_of_the_holdout(k: int) -> None:
    track = _track()
    data, holdout = track.data, track.split.holdout
    trace = replay(track, make("uniform"), budget=30, classifier="knn", k=k)
    for place in (0, 9, 29):
        labeled = trace.picks[: trace.n_labeled[place]]
        away = 1 - data.embeddings[holdout] @ data.embeddings[labeled].T
        nearest = labeled[np.argsort(away, axis=1)[:, :k]]
        # votes weigh by distance; where all agree the answer is certain
        votes = data.labels[nearest]
        certain = (votes == votes[:, :1]).all(axis=1)
        found = trace.qualities[place].accuracy
        right = (votes[:, 0] == data.labels[holdout])[certain].sum()
        assert right / len(holdout) <= found <= (right + (~certain).sum()) / len(holdout)


def test_quality_of_all_labels_is_high() -> None:
    trace = replay(_track(), make("default"), budget=90, batch=10)
    assert trace.qualities[-1].accuracy > 0.9
    assert trace.qualities[-1] != quality(np.array([0]), np.ones(1), np.array([0]))
