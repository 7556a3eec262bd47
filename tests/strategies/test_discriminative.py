"""Labeled against unlabeled: the fit against scikit-learn, the parts of a batch by hand."""

from dataclasses import replace

import numpy as np
import pytest
from numba import get_num_threads, set_num_threads
from scipy.stats import chisquare
from sklearn.linear_model import LogisticRegression

from strategies import discriminative
from strategies.discriminative import Discriminative
from strategies.discriminator import HiddenLayer, fit
from strategies.pool import PoolView, Status
from strategies.testing import check_strategy
from strategies.toy_pool import cold, shuffled, toy_pool


def test_contract() -> None:
    check_strategy(Discriminative())


def test_hidden_units_are_rectified_products() -> None:
    rng = np.random.default_rng(0)
    layer = HiddenLayer.drawn(11, 700, rng)
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(700, 11)) / np.sqrt(700)
    thresholds = rng.normal(size=700) / np.sqrt(700)
    vectors = toy_pool(n_features=11).embeddings
    hidden = layer.apply(vectors)
    np.testing.assert_allclose(hidden, np.maximum(0, vectors @ weights.T - thresholds), atol=1e-6)
    # unit vectors come out about as long as they were
    assert np.linalg.norm(hidden, axis=1).mean() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("n_units", [3, 64])
@pytest.mark.parametrize("penalty", [1e-1, 3e-4])
def test_the_fit_is_a_balanced_logistic_regression(n_units: int, penalty: float) -> None:
    pool = toy_pool(n_samples=3000)
    layer = HiddenLayer.drawn(8, n_units, np.random.default_rng(0))
    here = pool.status == Status.UNLABELED
    found = fit(layer, pool.embeddings, here, penalty=penalty)
    weights = np.where(here, 0.5 / here.sum(), 0.5 / (~here).sum())
    peer = LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=10_000)
    peer.fit(layer.apply(pool.embeddings).astype(float), here, weights)
    odds = found.log_odds(pool.embeddings)
    expected = peer.decision_function(layer.apply(pool.embeddings).astype(float))
    np.testing.assert_allclose(odds, expected, atol=0.02 * max(1, np.abs(expected).max()))


def three_directions(status: list[int]) -> PoolView:
    """Ten samples each along three axes, duplicates of each other; the first few have a status."""
    pool = cold(toy_pool(n_samples=30, n_features=3))
    return replace(
        pool,
        embeddings=np.eye(3, dtype=np.float32)[np.arange(30) % 3],
        status=np.array(status + [0] * (30 - len(status)), np.int8),
    )


@pytest.mark.parametrize("status", [Status.LABELED, Status.PENDING, Status.SKIPPED])
def test_parts_of_a_batch_move_away_from_what_is_covered(status: int) -> None:
    pool = three_directions([status])
    for seed in range(5):
        rows = Discriminative().select(pool, 2, np.random.default_rng(seed))
        assert set(rows % 3) == {1, 2}
        # duplicates go by tie_key
        for row in rows:
            same = [r for r in pool.candidate_rows() if r % 3 == row % 3]
            assert row == min(same, key=lambda r: pool.tie_key[r])


def test_one_round_takes_the_top_of_one_ranking() -> None:
    pool = toy_pool(n_samples=200)
    once = Discriminative(n_rounds=1)
    rows = pool.candidate_rows()
    scores = once.score(pool, rows, np.random.default_rng(0))
    expected = rows[np.argsort(-scores, kind="stable")[:20]]
    assert np.array_equal(once.select(pool, 20, np.random.default_rng(0)), expected)
    # as does the first of many rounds, two rows of these twenty
    first = Discriminative().select(pool, 20, np.random.default_rng(0))[:2]
    assert np.array_equal(first, expected[:2])


def test_each_part_is_what_looks_least_covered_after_those_before() -> None:
    pool = toy_pool(n_samples=200)
    strategy = Discriminative(n_rounds=4, n_hidden=32)
    batch = strategy.select(pool, 10, np.random.default_rng(0))
    parts = [batch[:3], batch[3:6], batch[6:8], batch[8:]]
    for part in parts:
        # the same layer, as it is drawn first
        scores = strategy.score(pool, pool.candidate_rows(), np.random.default_rng(0))
        best = pool.candidate_rows()[np.argsort(-scores, kind="stable")[: len(part)]]
        assert np.array_equal(part, best)
        status = pool.status.copy()
        status[part] = Status.PENDING
        pool = replace(pool, status=status)


def test_where_nothing_is_covered_the_first_part_is_drawn_uniformly() -> None:
    pool = cold(toy_pool(n_samples=12))
    rng = np.random.default_rng(0)
    drawn = [Discriminative(n_hidden=4).select(pool, 2, rng)[0] for _ in range(600)]
    assert chisquare(np.bincount(drawn, minlength=12)).pvalue > 1e-3
    assert (Discriminative().score(pool, np.arange(5), rng) == 0).all()


def test_large_sides_are_represented_by_a_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discriminative, "MOST_PER_SIDE", 30)
    pool = toy_pool(n_samples=400, n_features=4)
    order = np.random.default_rng(1).permutation(400)
    rows = Discriminative().select(pool, 50, np.random.default_rng(2))
    others = Discriminative().select(shuffled(pool, order), 50, np.random.default_rng(2))
    assert len(set(rows.tolist())) == 50
    assert np.array_equal(rows, order[others])


def test_threads_and_order_do_not_matter() -> None:
    pool = toy_pool(n_samples=1500, n_features=33, n_distinct=900)
    order = np.random.default_rng(1).permutation(1500)
    rows = Discriminative().select(pool, 300, np.random.default_rng(2))
    available = get_num_threads()
    set_num_threads(1)
    try:
        others = Discriminative().select(shuffled(pool, order), 300, np.random.default_rng(2))
    finally:
        set_num_threads(available)
    assert np.array_equal(rows, order[others])


def test_several_classes_a_sample_change_nothing() -> None:
    pool = toy_pool(multi_label=True)
    rows = Discriminative().select(pool, 9, np.random.default_rng(0))
    single = Discriminative().select(replace(pool, targets=None), 9, np.random.default_rng(0))
    assert np.array_equal(rows, single)


def test_settings_that_mean_nothing_are_named() -> None:
    for name in ("n_rounds", "n_hidden"):
        with pytest.raises(ValueError, match=f"{name}=0 is below 1"):
            Discriminative(**{name: 0})
    with pytest.raises(ValueError, match=r"penalty=0.0 is not above 0"):
        Discriminative(penalty=0.0)
