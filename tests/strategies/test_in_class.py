from dataclasses import replace

import numpy as np
import pytest

from strategies.in_class import InClass
from strategies.pool import PoolView
from strategies.toy_pool import cold, toy_pool
from tests import oracles

RNG = np.random.default_rng(0)


def hand_made_pool() -> PoolView:
    """Two candidates predicted as class 0, two as class 1; three labels of class 0."""
    return PoolView(
        embeddings=np.eye(7, dtype=np.float32),
        status=np.array([0, 0, 0, 0, 2, 2, 2], np.int8),
        labels=np.array([-1, -1, -1, -1, 0, 0, 0]),
        tie_key=np.arange(7, dtype=np.uint64),
        n_classes=2,
        probabilities=np.array([[0.6, 0.4]] * 2 + [[0.4, 0.6]] * 2 + [[1, 0]] * 3, np.float32),
        density=np.array([4.0, 3.0, 2.0, 1.0, 9.0, 9.0, 9.0], np.float32),
        cover_distance=np.array([0.5, 0.9, 0.8, 0.1, 0.0, 0.0, 0.0], np.float32),
    )


def test_density_is_ranked_in_the_predicted_class_and_common_classes_are_held_back() -> None:
    pool = hand_made_pool()
    explained = InClass().explain(pool, np.array([0, 1, 2, 3]))
    assert [e.parts["uncertainty"] for e in explained] == [0.625] * 4
    assert [e.parts["density"] for e in explained] == [1.0, 0.5, 1.0, 0.5]
    assert [e.parts["diversity"] for e in explained] == [0.5, 1.0, 0.75, 0.25]
    assert [e.score for e in explained] == [
        0.625 * 1.0 * 0.5 / 2,
        0.625 * 0.5 * 1.0 / 2,
        0.625 * 1.0 * 0.75,
        0.625 * 0.5 * 0.25,
    ]
    assert InClass().select(pool, 1, RNG).tolist() == [2]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_classes", [1, 3, 40])
@pytest.mark.parametrize("n_distinct", [None, 7])
def test_batches_are_picks_one_after_another(
    seed: int, n_classes: int, n_distinct: int | None
) -> None:
    pool = toy_pool(n_samples=200, n_classes=n_classes, n_distinct=n_distinct, seed=seed)
    assert pool.uncertainty is not None
    expected = oracles.select_by_product(pool, 20, pool.uncertainty, in_class=True)
    assert InClass().select(pool, 20, RNG).tolist() == expected


def test_batches_equal_single_picks_with_the_pool_updated_between() -> None:
    pool = toy_pool(n_samples=200)
    batch = InClass().select(pool, 6, RNG).tolist()
    singles = []
    for _ in range(6):
        singles.append(int(InClass().select(pool, 1, RNG)[0]))
        pool = oracles.covered_by(pool, singles[-1])
    assert batch == singles


def test_several_classes_count_a_sample_for_each() -> None:
    pool = toy_pool(n_samples=200, multi_label=True)
    assert pool.uncertainty is not None
    assert sum(oracles.labels_per_class(pool)) > (pool.status == 2).sum()
    expected = oracles.select_by_product(pool, 10, pool.uncertainty, in_class=True)
    assert InClass().select(pool, 10, RNG).tolist() == expected


def test_arrays_that_are_not_kept_are_computed() -> None:
    pool = toy_pool(n_samples=200)
    without = replace(pool, uncertainty=None, predicted=None)
    assert np.array_equal(InClass().select(without, 5, RNG), InClass().select(pool, 5, RNG))


def test_first_pick_of_a_cold_pool_is_its_densest_sample() -> None:
    pool = cold(toy_pool())
    assert pool.density is not None
    assert InClass().select(pool, 1, RNG) == pool.density.argmax()


def test_explained_score_is_that_of_the_pick() -> None:
    pool = toy_pool(n_samples=200)
    assert pool.uncertainty is not None
    rows, scores = oracles.pool_scores(pool, pool.uncertainty, in_class=True)
    explained = InClass().explain(pool, rows)
    assert [e.score for e in explained] == scores.tolist()
    assert InClass().select(pool, 1, RNG)[0] == rows[scores.argmax()]


def test_classes_that_do_not_exist_are_named() -> None:
    pool = toy_pool()
    predicted = np.zeros(60, np.int32)
    row = pool.candidate_rows()[5]
    for wrong in (3, -1):
        predicted[row] = wrong
        with pytest.raises(ValueError, match=f"pool.predicted is {wrong} at row {row}; .* 3 cl"):
            InClass().select(replace(pool, predicted=predicted), 1, RNG)


def test_other_memory_layouts_and_types_choose_the_same() -> None:
    pool = toy_pool(n_samples=200)
    assert pool.density is not None and pool.cover_distance is not None
    strided = replace(
        pool,
        density=np.repeat(pool.density, 2)[::2],
        cover_distance=pool.cover_distance.astype(np.float64),
    )
    assert np.array_equal(InClass().select(strided, 5, RNG), InClass().select(pool, 5, RNG))


def test_what_is_missing_is_said_in_its_own_name() -> None:
    with pytest.raises(ValueError, match=r"^in_class needs pool\.density"):
        InClass().select(replace(toy_pool(), density=None), 1, RNG)
    with pytest.raises(ValueError, match=r"^in_class needs pool\.cover_distance"):
        InClass().select(replace(toy_pool(), cover_distance=None), 1, RNG)
