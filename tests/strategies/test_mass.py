from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.stats import rankdata

from strategies.compose import Then
from strategies.mass import Mass, mass_of_neighbors, reads_uncertainty_mass
from strategies.pool import Neighbors, PoolView, Rows, Status
from strategies.toy_pool import cold, shuffled, toy_pool
from tests import oracles

RNG = np.random.default_rng(0)


def scores_of(pool: PoolView) -> tuple[Rows, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Write the formula out."""
    rows = np.flatnonzero(pool.status == Status.UNLABELED)
    assert pool.uncertainty_mass is not None and pool.cover_distance is not None
    score = rankdata(pool.uncertainty_mass[rows]) / len(rows)
    score *= rankdata(pool.cover_distance[rows]) / len(rows)
    if pool.predicted is not None:
        counts = oracles.labels_per_class(pool)
        score /= np.sqrt([1 + counts[pool.predicted[row]] for row in rows])
    return rows, score


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_classes", [1, 3, 40])
@pytest.mark.parametrize("n_distinct", [None, 7])
def test_batches_are_picks_one_after_another(
    seed: int, n_classes: int, n_distinct: int | None
) -> None:
    pool = toy_pool(n_samples=200, n_classes=n_classes, n_distinct=n_distinct, seed=seed)
    for start in (pool, cold(pool)):
        expected, now = [], start
        for _ in range(12):
            row = oracles.first_of_best(*scores_of(now), now.tie_key)
            expected.append(row)
            now = oracles.covered_by(now, row)
        assert Mass().select(start, 12, RNG).tolist() == expected


def test_scores_and_explanations_are_the_formula() -> None:
    pool = toy_pool(n_samples=300)
    rows, expected = scores_of(pool)
    assert np.allclose(Mass().score(pool, rows, RNG), expected, rtol=1e-6)
    explained = Mass().explain(pool, rows[:9])
    assert [one.score for one in explained] == pytest.approx(expected[:9].tolist())
    assert all(set(one.parts) == {"mass", "diversity"} for one in explained)


def test_an_outlier_is_not_asked_about_however_uncertain() -> None:
    pool = toy_pool()
    assert pool.uncertainty_mass is not None
    mass = pool.uncertainty_mass.copy()
    row = pool.candidate_rows()[7]
    mass[row] = 0.0  # uncertain itself, perhaps, but nothing near it is
    assert Mass().select(replace(pool, uncertainty_mass=mass), 10, RNG).tolist().count(row) == 0


def test_without_a_mass_it_is_made_from_the_neighbors() -> None:
    pool = replace(toy_pool(n_samples=80), uncertainty_mass=None)
    assert pool.uncertainty is not None and pool.neighbors is not None
    own = np.where(pool.status == Status.LABELED, 0, pool.uncertainty)
    rows, distances = pool.neighbors
    weights = np.exp(-distances / np.median(distances[:, -1]))
    weights /= weights.mean() * 20
    expected = own.astype(np.float64)
    for row in range(80):
        for other, weight in zip(rows[row], weights[row], strict=True):
            expected[row] += weight * own[other]
            expected[other] += weight * own[row]
    found = mass_of_neighbors(own.astype(np.float32), pool.neighbors, pool.tie_key)
    assert np.allclose(found, expected, rtol=1e-5)
    given = replace(pool, uncertainty_mass=found)
    assert Mass().select(pool, 9, RNG).tolist() == Mass().select(given, 9, RNG).tolist()
    order = RNG.permutation(80)
    moved = shuffled(pool, order)
    picks = Mass().select(moved, 9, RNG)
    assert order[picks].tolist() == Mass().select(pool, 9, RNG).tolist()
    assert len(Mass().select(cold(pool), 9, RNG)) == 9


def test_pools_smaller_than_the_neighbors_wanted_are_picked_from() -> None:
    pool = cold(toy_pool(n_samples=6))
    assert pool.neighbors is not None
    rows = np.pad(pool.neighbors.rows[:, :2], ((0, 0), (0, 3)), constant_values=-1)
    far = np.full((6, 3), np.inf, np.float32)
    distances = np.concatenate([pool.neighbors.distances[:, :2], far], axis=1)
    for some in (rows, np.full_like(rows, -1)):
        alone = replace(pool, uncertainty_mass=None, neighbors=Neighbors(some, distances))
        assert sorted(Mass().select(alone, 9, RNG).tolist()) == list(range(6))


def test_who_reads_the_mass_is_found_inside_of_others() -> None:
    @dataclass(frozen=True)
    class Outer:
        parts: tuple[object, ...]

    assert reads_uncertainty_mass(Mass())
    assert reads_uncertainty_mass(Then(first="uniform", until=3, then="mass"))
    assert reads_uncertainty_mass(Outer((("x", 1.0), [Mass()])))
    assert not reads_uncertainty_mass(Outer(("mass", 2)))
