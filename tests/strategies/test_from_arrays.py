import numpy as np
import pytest

from strategies import registry
from strategies.from_arrays import pool_from
from strategies.tie_keys import tie_keys

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 6)) * 3
IDS = [f"sample {row}" for row in range(90)]


@pytest.mark.parametrize("name", registry.SHELF)
def test_every_strategy_picks_before_and_after_the_first_labels(name: str) -> None:
    cold = pool_from(X, IDS, n_classes=3)
    assert len(registry.make(name).select(cold, 9, RNG)) == 9
    labels = np.where(np.arange(90) < 12, np.arange(90) % 3, -1)
    said = RNG.dirichlet(np.ones(3), size=90)
    warm = pool_from(X, IDS, labels=labels, n_classes=3, probabilities=said)
    rows = registry.make(name).select(warm, 9, RNG)
    assert len(rows) == 9 and rows.min() >= 12


def test_arrays_are_what_they_say() -> None:
    labels = np.where(np.arange(90) < 5, 1, -1)
    pool = pool_from(X, IDS, labels=labels, n_classes=2)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    distances = 1 - unit @ unit.T
    assert np.allclose(pool.embeddings, unit, atol=1e-6)
    assert pool.cover_distance is not None and pool.neighbors is not None
    assert np.allclose(pool.cover_distance, distances[:, :5].min(axis=1), atol=1e-6)
    np.fill_diagonal(distances, np.inf)
    assert np.array_equal(pool.neighbors.rows[:, 0], distances.argmin(axis=1))
    assert np.array_equal(pool.tie_key, tie_keys(IDS))


def test_duplicates_are_neighbors_of_each_other_and_never_of_themselves() -> None:
    pool = pool_from(np.repeat(X[:3], 30, axis=0), IDS, n_classes=2)
    assert pool.neighbors is not None
    assert (pool.neighbors.distances < 1e-6).all()


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="row 4"):
        pool_from(np.where(np.arange(90)[:, None] == 4, 0, X), IDS, n_classes=2)
    with pytest.raises(ValueError, match="3 sample_ids for 90"):
        pool_from(X, IDS[:3], n_classes=2)
    with pytest.raises(ValueError, match="7 labels for 90"):
        pool_from(X, IDS, labels=np.zeros(7, int), n_classes=2)
    assert len(pool_from(X[:1], IDS[:1], n_classes=2).embeddings) == 1
