from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from numba import get_num_threads, set_num_threads
from numpy.typing import NDArray

from strategies import balls, inputs, probcover
from strategies.balls import make_balls
from strategies.k_center import KCenter
from strategies.k_means import k_means
from strategies.kernels.cover import least_inside
from strategies.pool import PoolView, Status
from strategies.probcover import ProbCover, purity_radius
from strategies.testing import check_strategy
from strategies.toy_pool import cold, shuffled, toy_pool
from tests import oracles_clusters as oracles

MANY = balls.MAX_PAIRS


@pytest.fixture
def threads() -> Iterator[int]:
    available = get_num_threads()
    yield available
    set_num_threads(available)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def unit(n: int, n_features: int = 8, n_distinct: int | None = None) -> NDArray[np.float32]:
    return toy_pool(n_samples=n, n_features=n_features, n_distinct=n_distinct).embeddings


def expected_picks(pool: PoolView, radius: float, n_picks: int) -> list[int]:
    assert pool.cover_distance is not None
    rows = inputs.in_tie_order(pool, pool.candidate_rows())
    apart = oracles.distances(pool.embeddings[rows])
    covered = pool.cover_distance[rows] < np.float32(radius)
    return rows[oracles.probcover(apart, covered, radius, n_picks)].tolist()


@pytest.mark.parametrize("strategy", [ProbCover(), ProbCover(radius=0.2)], ids=str)
def test_contract(strategy: ProbCover) -> None:
    check_strategy(strategy)


@pytest.mark.parametrize("max_pairs", [MANY, 0])
@pytest.mark.parametrize("radius", [1e-9, 0.05, 0.2, 0.5, 1.0, 2.0])
def test_picks_equal_counting_every_ball_anew(
    radius: float, max_pairs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make_balls, "__kwdefaults__", {"max_pairs": max_pairs})
    for n_distinct in (None, 40):
        warm = toy_pool(n_samples=300, n_distinct=n_distinct)
        for pool in (warm, cold(warm)):
            expected = expected_picks(pool, radius, 50)
            picks = ProbCover(radius=radius).select(pool, 50, rng())
            assert picks[: len(expected)].tolist() == expected


@pytest.mark.parametrize("max_pairs", [MANY, 0])
@pytest.mark.parametrize("n_uncovered", [700, 300, 1, 0])
def test_degrees_are_right_whatever_is_covered(n_uncovered: int, max_pairs: int) -> None:
    vectors = unit(700, n_distinct=500)
    apart = oracles.distances(vectors)
    for radius in (0.01, 0.2, 0.9, np.inf):
        inside, covered = apart < radius, np.arange(700) >= n_uncovered
        found = make_balls(vectors, n_uncovered, radius, max_pairs=max_pairs)
        for pick in rng().permutation(700)[:15]:
            assert found.degrees.tolist() == (inside & ~covered).sum(axis=1).tolist()
            n_before = covered.sum()
            covered |= inside[pick]
            assert found.cover(int(pick)) == covered.sum() - n_before
            assert np.array_equal(found.covered, covered)


def test_number_of_threads_does_not_matter(threads: int) -> None:
    vectors = unit(3000, 32)
    many = [make_balls(vectors, 3000, 0.3, max_pairs=max_pairs) for max_pairs in (MANY, 0)]
    set_num_threads(1)
    for other, max_pairs in zip(many, (MANY, 0), strict=True):
        one = make_balls(vectors, 3000, 0.3, max_pairs=max_pairs)
        assert np.array_equal(one.degrees, other.degrees)
        assert one.cover(5) == other.cover(5)
        assert np.array_equal(one.degrees, other.degrees)


def test_one_comparison_tells_who_is_closer_than_the_radius() -> None:
    one, up, down = np.float32(1), np.float32(np.inf), np.float32(-np.inf)
    radii = [1e-12, 3e-8, 1e-7, 0.1, 0.5, 0.75, 1.0, 1.3, 2.0, *rng().random(200)]
    for radius in np.array(radii, np.float32):
        least = least_inside(radius)
        assert max(0, one - least) < radius <= max(0, one - np.nextafter(least, down))
        assert max(0, one - np.nextafter(least, up)) < radius
    assert (least_inside(np.float32(0)), least_inside(up)) == (up, down)


@pytest.mark.parametrize("purity", [0.3, 0.9, 0.95, 1.0])
def test_radius_is_the_largest_that_is_pure_enough(purity: float) -> None:
    for n_distinct, n_clusters in ((None, 3), (30, 5), (None, 40)):
        vectors = unit(80, n_distinct=n_distinct)
        labels = k_means(vectors, n_clusters, rng())
        found = purity_radius(vectors, labels, np.arange(80), purity)
        apart = oracles.distances(vectors)
        assert found == oracles.largest_pure_radius(apart, labels, purity)


def test_radius_of_one_cluster_has_no_end() -> None:
    labels = np.zeros(20, np.int32)
    assert purity_radius(unit(20), labels, np.arange(20), 0.95) == np.inf


def test_large_pools_are_measured_on_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probcover, "MAX_MEASURED", 50)
    pool = toy_pool(n_samples=200)
    rows = np.argsort(pool.tie_key)
    vectors, chance = pool.embeddings[rows], rng(4)
    labels = k_means(vectors, 3, chance)
    measured = np.sort(chance.choice(200, 50, replace=False))
    expected = purity_radius(vectors, labels, measured, 0.95)
    assert ProbCover().find_radius(pool, rng(4)) == expected


def test_densest_ball_comes_first_and_the_covered_count_no_more() -> None:
    angles = np.deg2rad([0, 10, 20, 30, 40, 90, 100, 110, 180])
    pool = PoolView(
        embeddings=np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32),
        status=np.zeros(9, np.int8),
        labels=np.full(9, -1, np.int64),
        tie_key=np.arange(9, dtype=np.uint64),
        n_classes=2,
        cover_distance=np.full(9, np.inf, np.float32),
    )
    reach = 1 - float(np.cos(np.deg2rad(15)))
    # balls of 3 are those of 10, 20, 30 and 100 degrees; after row 1 row 3 has two left: 30 and 40
    assert ProbCover(radius=reach).select(pool, 4, rng()).tolist() == [1, 6, 3, 8]
    status, distances = pool.status.copy(), 1 - pool.embeddings @ pool.embeddings[6]
    status[6] = Status.SKIPPED
    assert pool.cover_distance is not None
    later = replace(pool, status=status, cover_distance=distances)
    assert ProbCover(radius=reach).select(later, 3, rng()).tolist() == [1, 3, 8]


def test_when_all_is_covered_the_farthest_follow() -> None:
    pool = toy_pool(n_samples=200)
    assert pool.cover_distance is not None
    first = expected_picks(pool, 0.25, 99)
    picks = ProbCover(radius=0.25).select(pool, 60, rng())
    assert 0 < len(first) < 50
    assert picks[: len(first)].tolist() == first
    status = pool.status.copy()
    status[first] = Status.PENDING
    nearest = oracles.distances(pool.embeddings)[first].min(axis=0)
    left = replace(pool, status=status, cover_distance=np.minimum(pool.cover_distance, nearest))
    expected = KCenter().select(left, 60 - len(first), rng())
    assert picks[len(first) :].tolist() == expected.tolist()


@pytest.mark.parametrize("budget", [1, 20, 999])
def test_order_of_the_pool_does_not_matter(budget: int) -> None:
    pool = toy_pool(n_samples=400, n_distinct=150)
    order = rng(5).permutation(400)
    rows = ProbCover().select(pool, budget, rng(1))
    others = ProbCover().select(shuffled(pool, order), budget, rng(1))
    assert rows.tolist() == order[others].tolist()


def test_settings_that_make_no_sense_are_refused() -> None:
    for radius in (0.0, -0.1, 2.1, np.nan):
        with pytest.raises(ValueError, match=r"radius=.*\(0, 2\]"):
            ProbCover(radius=radius)
    for purity in (0.0, 1.1, np.nan):
        with pytest.raises(ValueError, match="purity="):
            ProbCover(purity=purity)
    with pytest.raises(ValueError, match="n_clusters=1"):
        ProbCover(n_clusters=1)
