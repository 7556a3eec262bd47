import numpy as np

from strategies.pool import Status
from strategies.toy_pool import toy_pool
from strategies.uniform import Uniform


def test_every_candidate_is_equally_likely() -> None:
    pool = toy_pool(n_samples=20)
    rng = np.random.default_rng(0)
    drawn = np.concatenate([Uniform().select(pool, 3, rng) for _ in range(4000)])
    counts = np.bincount(drawn, minlength=20)
    candidates = pool.status == Status.UNLABELED
    expected = 3 * 4000 / candidates.sum()
    assert counts[~candidates].sum() == 0
    assert np.abs(counts[candidates] - expected).max() < 5 * np.sqrt(expected)


def test_places_in_the_batch_are_equally_likely() -> None:
    pool = toy_pool(n_samples=20)
    rng = np.random.default_rng(0)
    first = pool.candidate_rows()[0]
    places = [np.flatnonzero(Uniform().select(pool, 99, rng) == first)[0] for _ in range(3000)]
    expected = 3000 / len(pool.candidate_rows())
    assert np.abs(np.bincount(places) - expected).max() < 5 * np.sqrt(expected)
