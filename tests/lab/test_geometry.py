"""What is measured on a pool, against pools whose answers are known."""

import numpy as np
import pytest

from al_server.lab.geometry import hubness, known_labels, measure, two_nn
from strategies.pool import Neighbors


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def neighbors(vectors: np.ndarray, k: int = 12) -> Neighbors:
    distances = np.maximum(0, 1 - vectors @ vectors.T)
    np.fill_diagonal(distances, np.inf)
    rows = np.argsort(distances, axis=1)[:, :k]
    return Neighbors(rows, np.take_along_axis(distances, rows, axis=1))


@pytest.mark.parametrize("dimension", [2, 5, 9])
def test_the_dimension_is_that_of_the_sphere_on_which_the_samples_lie(dimension: int) -> None:
    rng = np.random.default_rng(0)
    vectors = np.zeros((1500, 20))
    vectors[:, : dimension + 1] = rng.standard_normal((1500, dimension + 1))
    found = two_nn(neighbors(unit(vectors)).distances[:, :2])
    assert found == pytest.approx(dimension, rel=0.12)


def test_the_dimension_is_not_told_where_all_samples_are_equal() -> None:
    assert np.isnan(two_nn(np.zeros((100, 2), np.float32)))


def test_hubness_is_0_where_all_are_neighbors_as_often_and_high_where_one_is_everybodys() -> None:
    ring = np.stack([np.roll(np.arange(50), 1), np.roll(np.arange(50), -1)], axis=1)
    assert hubness(ring, 50) == 0
    # 49 zeros and one 50: skewness (n - 2) / sqrt(n - 1)
    assert hubness(np.zeros((50, 1), int), 50) == pytest.approx(48 / 7)


def test_copies_are_counted_and_unevenness_tells_crowds_from_noise() -> None:
    rng = np.random.default_rng(1)
    noise = unit(rng.standard_normal((600, 16)))
    even = measure(noise, neighbors(noise), rng)
    assert even.copies == 0
    twice = np.concatenate([noise[:50], noise])
    assert measure(twice, neighbors(twice), rng).copies == pytest.approx(100 / 650)
    centers = unit(rng.standard_normal((6, 16)))
    spread = np.repeat([0.02, 0.1, 0.3], 200)[:, None]
    crowds = unit(centers[rng.integers(6, size=600)] + spread * noise)
    uneven = measure(crowds, neighbors(crowds), rng)
    assert even.unevenness < 0.12 < 0.18 < uneven.unevenness
    assert uneven.contrast < even.contrast


def test_purity_is_1_where_classes_lie_apart_and_chance_where_labels_are_shuffled() -> None:
    rng = np.random.default_rng(2)
    labels = np.repeat([0, 1], [300, 100])
    vectors = unit(np.eye(8)[labels] + 0.05 * rng.standard_normal((400, 8)))
    found = known_labels(vectors, labels, None)
    assert found is not None
    assert (found.purity, found.by_chance) == (1.0, 0.625)
    assert (found.smallest, found.largest, found.n_classes) == (0.25, 0.75, 2)
    assert found.order == 1
    shuffled = known_labels(vectors, rng.permutation(labels), None)
    assert shuffled is not None
    assert shuffled.purity == pytest.approx(0.625, abs=0.04)


def test_neighbors_of_the_own_group_do_not_count_for_purity() -> None:
    # each group is one place and one class; without groups every neighbor agrees
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(60), 12)
    vectors = unit(rng.standard_normal((60, 30))[groups] + 0.01 * rng.standard_normal((720, 30)))
    labels = groups % 2
    alone, grouped = (known_labels(vectors, labels, one) for one in (None, groups))
    assert alone is not None and grouped is not None
    assert alone.purity == 1.0
    assert grouped.purity < 0.75


def test_unknown_labels_are_left_out_and_a_single_class_says_nothing() -> None:
    rng = np.random.default_rng(4)
    vectors = unit(rng.standard_normal((100, 4)))
    labels = np.where(np.arange(100) < 60, np.arange(100) % 3, -1)
    found = known_labels(vectors, labels, None)
    assert found is not None and (found.n_labeled, found.n_classes) == (60, 3)
    assert known_labels(vectors, np.where(labels == 0, 0, -1), None) is None
    assert known_labels(vectors, np.full(100, -1), None) is None
