"""The nearest others by a kernel, against a full sort of distances in double precision."""

import numpy as np
import pytest
from numba import get_num_threads, set_num_threads
from numpy.typing import NDArray

from strategies.kernels import nearest as kernel
from strategies.kernels.nearest import nearest


def unit(rng: np.random.Generator, n: int, d: int) -> NDArray[np.float32]:
    vectors = rng.normal(size=(n, d))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("d", [1, 8, 65])
@pytest.mark.parametrize("n_others", [1, 9, 700, 3000])
@pytest.mark.parametrize("k", [1, 10])
def test_nearest_are_those_of_a_full_sort(k: int, n_others: int, d: int) -> None:
    rng = np.random.default_rng(n_others + d)
    vectors, others = unit(rng, 300, d), unit(rng, n_others, d)
    found = nearest(vectors, others, k=k)
    k = min(k, n_others)
    distances = 1 - vectors.astype(float) @ others.astype(float).T
    expected = np.sort(distances, axis=1)[:, :k]
    assert found.positions.shape == found.distances.shape == (300, k)
    np.testing.assert_allclose(found.distances, expected, atol=1e-6)
    own = np.take_along_axis(distances, found.positions.astype(int), axis=1)
    np.testing.assert_allclose(own, expected, atol=1e-6)
    assert all(len(set(row)) == k for row in found.positions.tolist())


def test_equal_ones_come_by_position() -> None:
    rng = np.random.default_rng(0)
    others = np.repeat(unit(rng, 5, 20), 40, axis=0)[rng.permutation(200)]
    found = nearest(others[:50], others, k=40)
    for row in range(50):
        same = np.flatnonzero((others == others[row]).all(axis=1))
        assert found.positions[row].tolist() == same.tolist()


def test_an_answer_does_not_depend_on_rows_blocks_or_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    vectors, others = unit(rng, 900, 33), unit(rng, 1300, 33)
    found = nearest(vectors, others, k=7)
    order = rng.permutation(900)
    available = get_num_threads()
    set_num_threads(1)
    monkeypatch.setattr(kernel, "FEWEST_ROWS", 5)
    monkeypatch.setattr(kernel, "BLOCK_ENTRIES", 2**10)
    try:
        again = nearest(vectors[order], others, k=7)
    finally:
        set_num_threads(available)
    assert np.array_equal(again.positions, found.positions[order])
    assert np.array_equal(again.distances, found.distances[order])


def test_nothing_is_near_nothing() -> None:
    nobody = np.empty((0, 4), np.float32)
    somebody = np.eye(4, dtype=np.float32)
    assert nearest(nobody, somebody, k=3).positions.shape == (0, 3)
    assert nearest(somebody, nobody, k=3).positions.shape == (4, 0)
