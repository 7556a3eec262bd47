from dataclasses import replace

import numpy as np
import pytest

from strategies.compose import Product
from strategies.density import Density
from strategies.k_center import KCenter
from strategies.lazy_cover import round_size
from strategies.pool import PoolView
from strategies.toy_pool import cold, toy_pool
from strategies.uncertainty import Entropy, Margin
from tests import oracles, oracles_compose, oracles_rounds

RNG = np.random.default_rng(0)


def hand_made_pool() -> PoolView:
    """Four candidates; the labeled sample's extreme values must not count."""
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


def test_score_is_the_product_of_percentiles_to_the_power_of_their_strengths() -> None:
    pool = hand_made_pool()
    product = Product(margin=2, density=1)
    rows = pool.candidate_rows()
    expected = [0.25**2 * 1.0, 0.625**2 * 0.75, 0.625**2 * 0.5, 1.0**2 * 0.25]
    assert product.score(pool, rows, RNG) == pytest.approx(expected)
    assert product.select(pool, 4, RNG).tolist() == [1, 3, 2, 0]
    explained = product.explain(pool, rows[1:3])
    assert explained[0].parts == {"margin": 0.625, "density": 0.75}
    assert [e.score for e in explained] == pytest.approx(expected[1:3])


def test_all_ways_to_write_it_are_the_same() -> None:
    product = Product(margin=2, density=1)
    assert product == Product({"margin": 2, "density": 1})
    assert product == Product({Margin(): 2, Density(): 1})
    assert product == Product([("margin", 2), (Density(), 1)])
    assert product == Product({"margin": 2}, density=1)
    assert product == replace(product)
    assert hash(product) == hash(Product(margin=2, density=1))


@pytest.mark.parametrize("strengths", [{"margin": 2.0}, {"entropy": 0.3, "density": 4.0}])
def test_picks_follow_the_formula(strengths: dict[str, float]) -> None:
    for seed in range(4):
        pool = toy_pool(n_samples=200, n_distinct=None if seed % 2 else 40, seed=seed)
        assert pool.density is not None
        columns = {
            "margin": Margin().score(pool, np.arange(200), RNG),
            "entropy": Entropy().score(pool, np.arange(200), RNG),
            "density": pool.density,
        }
        scores = oracles_compose.product(pool, columns, strengths)
        rows = pool.candidate_rows()
        # ties as they are, not as two ways of computing a product round them
        order = np.lexsort((pool.tie_key[rows], -np.round(scores, 12)))
        found = Product(strengths).select(pool, 50, RNG)
        assert found.tolist() == rows[order[:50]].tolist()


@pytest.mark.parametrize("strength", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("is_cold", [False, True])
def test_k_center_spreads_a_batch_pick_by_pick_then_in_rounds(
    strength: float, is_cold: bool
) -> None:
    for seed in range(3):
        pool = toy_pool(n_samples=150, n_distinct=None if seed else 30, seed=seed)
        pool = cold(pool) if is_cold else pool
        rows = pool.candidate_rows()
        rows = rows[np.argsort(pool.tie_key[rows])]
        assert pool.density is not None and pool.cover_distance is not None
        margins = Margin().score(pool, rows, RNG)
        static = 2 * np.log(oracles.ecdf(margins.tolist()))
        static += np.log(oracles.ecdf(pool.density[rows].tolist()))
        cover, expected = pool.cover_distance[rows].copy(), []
        while len(expected) < 80:
            n_round = min(round_size(len(expected)), 80 - len(expected))
            expected += oracles_rounds.frozen_greedy(
                pool.embeddings[rows], static, cover, n_round, strength=strength
            )
        found = Product(margin=2, density=1, k_center=strength).select(pool, 80, RNG)
        assert found.tolist() == rows[expected].tolist()


def test_the_first_picks_are_single_picks_where_nothing_else_changes() -> None:
    pool = toy_pool(n_samples=200)
    product = Product(k_center=1)
    batch, singles = product.select(pool, 10, RNG).tolist(), []
    for _ in range(10):
        singles.append(int(product.select(pool, 1, RNG)[0]))
        pool = oracles.covered_by(pool, singles[-1])
    assert batch == singles


def test_a_batch_is_the_beginning_of_every_larger_one() -> None:
    pool = toy_pool(n_samples=400)
    for product in (Product(), Product(margin=1, entropy=2)):
        whole = product.select(pool, 400, RNG)
        for budget in (1, 5, 17, 40, 200):
            assert np.array_equal(product.select(pool, budget, RNG), whole[:budget])


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Product(margin=0), "margin=0 is no strength"),
        (lambda: Product(margin=-1), "above 0"),
        (lambda: Product(margin=1e308, k_center=1), "at most 1e"),
        (lambda: Product(margin=float("nan")), "above 0"),
        (lambda: Product(badge=1), "Badge values whole batches"),
        (lambda: Product(no_such=1), "no strategy is called 'no_such'"),
        (lambda: Product([(3, 1)]), "3 is no strategy"),  # type: ignore[list-item]
    ],
)
def test_what_cannot_be_a_part_is_said(make, complaint: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=complaint):
        make()


def test_what_is_missing_is_named() -> None:
    pool = toy_pool()
    with pytest.raises(ValueError, match=r"k_center.* needs pool\.cover_distance"):
        Product(k_center=1).select(replace(pool, cover_distance=None), 1, RNG)
    with pytest.raises(ValueError, match=r"pool\.density"):
        Product(density=1).select(replace(pool, density=None), 1, RNG)
    with pytest.raises(ValueError, match="no candidate"):
        Product(margin=1).score(pool, np.flatnonzero(pool.status == 2), RNG)


def test_the_default_is_the_plain_product() -> None:
    assert Product() == Product({Margin(): 1, Density(): 1, KCenter(): 1})
