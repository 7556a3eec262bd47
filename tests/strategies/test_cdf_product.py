import numpy as np
import pytest

from strategies import scores
from strategies.cdf_product import CdfProduct
from strategies.pool import PoolView
from strategies.scores import Measure
from strategies.toy_pool import cold, toy_pool
from tests import oracles

RNG = np.random.default_rng(0)


def hand_made_pool() -> PoolView:
    """Four candidates and one labeled sample whose extreme values must not count."""
    return PoolView(
        embeddings=np.eye(5, dtype=np.float32),
        status=np.array([0, 0, 0, 0, 2], np.int8),
        labels=np.array([-1, -1, -1, -1, 0]),
        tie_key=np.array([5, 4, 3, 2, 1], np.uint64),
        n_classes=2,
        probabilities=np.full((5, 2), 0.5, np.float32),
        uncertainty=np.array([0.1, 0.2, 0.2, 0.4, 1.0], np.float32),
        density=np.array([4.0, 3.0, 2.0, 1.0, 9.0], np.float32),
        cover_distance=np.array([0.5, 0.9, 0.8, 0.1, 0.0], np.float32),
    )


def test_score_is_the_product_of_three_percentiles() -> None:
    pool = hand_made_pool()
    explained = CdfProduct().explain(pool, np.array([0, 1, 2, 3]))
    assert [e.parts["uncertainty"] for e in explained] == [0.25, 0.625, 0.625, 1.0]
    assert [e.parts["density"] for e in explained] == [1.0, 0.75, 0.5, 0.25]
    assert [e.parts["diversity"] for e in explained] == [0.5, 1.0, 0.75, 0.25]
    assert [e.score for e in explained] == [0.125, 0.46875, 0.234375, 0.0625]
    assert CdfProduct().select(pool, 1, RNG).tolist() == [1]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_distinct", [None, 7])
def test_batches_are_picks_one_after_another(seed: int, n_distinct: int | None) -> None:
    pool = toy_pool(n_samples=200, n_distinct=n_distinct, seed=seed)
    assert pool.uncertainty is not None
    expected = oracles.select_by_product(pool, 20, pool.uncertainty, in_class=False)
    assert CdfProduct().select(pool, 20, RNG).tolist() == expected


@pytest.mark.parametrize("measure", scores.MEASURES)
def test_any_uncertainty_can_be_multiplied(measure: Measure) -> None:
    pool = toy_pool(n_samples=200)
    assert pool.probabilities is not None
    uncertainty = scores.MEASURES[measure](pool.probabilities)
    expected = oracles.select_by_product(pool, 5, uncertainty, in_class=False)
    assert CdfProduct(measure).select(pool, 5, RNG).tolist() == expected


def test_first_pick_of_a_cold_pool_is_its_densest_sample() -> None:
    pool = cold(toy_pool())
    assert pool.density is not None
    assert CdfProduct().select(pool, 1, RNG) == pool.density.argmax()


def test_cold_batches_spread() -> None:
    pool = cold(toy_pool(n_samples=200))
    nothing = np.zeros(200, np.float32)
    expected = oracles.select_by_product(pool, 10, nothing, in_class=False)
    assert CdfProduct().select(pool, 10, RNG).tolist() == expected


def test_missing_arrays_come_with_the_remedy() -> None:
    pool = PoolView(**{**vars(hand_made_pool()), "density": None})
    with pytest.raises(ValueError, match=r"cdf_product needs pool.density; .*scores.density"):
        CdfProduct().select(pool, 1, RNG)
    pool = PoolView(**{**vars(hand_made_pool()), "cover_distance": None})
    with pytest.raises(ValueError, match=r"cdf_product needs pool.cover_distance.*inf"):
        CdfProduct().select(pool, 1, RNG)


def test_nan_is_found_by_row() -> None:
    pool = hand_made_pool()
    assert pool.cover_distance is not None
    pool.cover_distance[2] = np.nan
    with pytest.raises(ValueError, match=r"pool.cover_distance is NaN at row 2"):
        CdfProduct().select(pool, 1, RNG)
    with pytest.raises(ValueError, match=r"pool.cover_distance is NaN at row 2"):
        CdfProduct().explain(pool, np.array([0]))


def test_only_candidates_are_explained() -> None:
    with pytest.raises(ValueError, match="row 4 is LABELED, no candidate"):
        CdfProduct().explain(hand_made_pool(), np.array([4]))
