from dataclasses import replace

import numpy as np
import pytest

from strategies.compose import Balance
from strategies.compose.balance import _turns
from strategies.inputs import DoesNotFitPool
from strategies.pool import PoolView
from strategies.toy_pool import cold, toy_pool
from strategies.uncertainty import Margin
from tests import oracles, oracles_compose

RNG = np.random.default_rng(0)


def classes_of(pool: PoolView, rows: np.ndarray) -> list[int]:
    assert pool.predicted is not None
    return pool.predicted[rows].tolist()


@pytest.mark.parametrize("shares", [[1, 1, 1], [0.7, 0.2, 0.1], [1, 0, 3]])
def test_turns_go_to_the_class_furthest_behind(shares: list[float]) -> None:
    proportions = np.array(shares) / sum(shares)
    for counts, waiting in (
        ([0, 0, 0], [9, 9, 9]),
        ([5, 0, 1], [3, 20, 2]),
        ([0, 9, 9], [0, 4, 9]),
    ):
        n_picks = sum(waiting)
        found = _turns(proportions, np.array(counts), np.array(waiting), n_picks)
        expected = oracles_compose.turns(proportions.tolist(), counts, waiting, n_picks)
        assert found.tolist() == expected


def test_classes_with_few_labels_catch_up() -> None:
    pool = toy_pool(n_samples=300, seed=3)
    have = np.array(oracles.labels_per_class(pool))
    have += np.bincount(classes_of(pool, np.flatnonzero(pool.status == 1)), minlength=3)
    n_picks = 3 * int(have.max()) - int(have.sum())
    rows = Balance("margin").select(pool, n_picks, RNG)
    after = have + np.bincount(classes_of(pool, rows), minlength=3)
    assert after.tolist() == [have.max()] * 3


def test_inside_a_class_the_strategy_decides() -> None:
    pool = toy_pool(n_samples=300)
    rows = Balance("margin", shares=(1, 2, 3)).select(pool, 40, RNG)
    everything = Margin().select(pool, 999, RNG)
    for label in range(3):
        expected = [row for row in everything if classes_of(pool, row) == label]
        found = [row for row in rows if classes_of(pool, row) == label]
        assert found == expected[: len(found)]


def test_shares_may_be_those_of_the_pool() -> None:
    pool = toy_pool(n_samples=3000, seed=1)
    blank = replace(pool, status=np.zeros_like(pool.status), labels=np.full(3000, -1))
    assert pool.predicted is not None
    shares = np.bincount(pool.predicted) / 3000
    rows = Balance("margin", shares="pool").select(blank, 100, RNG)
    assert np.abs(np.bincount(classes_of(pool, rows)) - 100 * shares).max() <= 1


def on_a_circle(degrees: list[float], classes: list[int], status: list[int]) -> PoolView:
    angles = np.radians(degrees)
    embeddings = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    covering = embeddings[np.array(status) != 0]
    return PoolView(
        embeddings=embeddings,
        status=np.array(status, np.int8),
        labels=np.where(np.array(status) == 2, classes, -1),
        tie_key=np.arange(len(degrees), dtype=np.uint64),
        n_classes=2,
        predicted=np.array(classes, np.int32),
        cover_distance=(1 - embeddings @ covering.T).min(axis=1),
    )


def test_picks_of_other_classes_cover_their_surroundings() -> None:
    pool = on_a_circle([0, 90, 91, 60], classes=[1, 0, 1, 1], status=[2, 0, 0, 0])
    # 91 is farthest from the label at 0, but next to the pick at 90
    assert Balance("k_center").select(pool, 2, RNG).tolist() == [1, 3]


def test_what_is_in_somebodys_hands_counts_as_predicted() -> None:
    classes = [0, 0, 0, 1, 1, 0, 0]
    pool = on_a_circle([0, 10, 20, 30, 40, 50, 60], classes, status=[1, 1, 0, 0, 0, 0, 3])
    assert classes_of(pool, Balance("k_center").select(pool, 3, RNG)) == [1, 1, 0]


def test_before_the_first_label_the_strategy_decides_alone() -> None:
    pool = cold(toy_pool())
    rows = Balance("density").select(pool, 10, RNG)
    assert pool.density is not None
    candidates = pool.candidate_rows()
    expected = candidates[np.lexsort((pool.tie_key[candidates], -pool.density[candidates]))]
    assert rows.tolist() == expected[:10].tolist()


@pytest.mark.parametrize("shares", ["fair", (), (0, 0), (-1, 2), (float("nan"), 1)])
def test_shares_that_are_none_are_refused(shares: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="shares="):
        Balance(shares=shares)


def test_shares_must_fit_the_classes() -> None:
    with pytest.raises(DoesNotFitPool, match="2 shares, the pool 3 classes"):
        Balance(shares=(1, 2)).select(toy_pool(), 1, RNG)
    pool = toy_pool()
    assert pool.predicted is not None
    with pytest.raises(ValueError, match=r"pool\.predicted is 7 at row 0"):
        Balance().select(replace(pool, predicted=np.full_like(pool.predicted, 7)), 1, RNG)
