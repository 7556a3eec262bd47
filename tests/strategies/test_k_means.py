from collections.abc import Iterator

import numpy as np
import pytest
from numba import get_num_threads, set_num_threads
from numpy.typing import NDArray

from strategies.k_means import k_means, members
from strategies.toy_pool import toy_pool
from tests import oracles_clusters as oracles

Vectors = NDArray[np.float32]


@pytest.fixture
def threads() -> Iterator[int]:
    available = get_num_threads()
    yield available
    set_num_threads(available)


def unit(n: int, n_features: int, n_distinct: int | None = None, seed: int = 0) -> Vectors:
    return toy_pool(n_samples=n, n_features=n_features, n_distinct=n_distinct, seed=seed).embeddings


@pytest.mark.parametrize("n_distinct", [None, 30, 3, 1])
@pytest.mark.parametrize("n_clusters", [1, 2, 7, 40])
def test_equals_the_plain_loops(n_clusters: int, n_distinct: int | None) -> None:
    for seed in range(4):
        vectors = unit(300, 10, n_distinct, seed)
        labels = k_means(vectors, n_clusters, np.random.default_rng(seed))
        expected = oracles.k_means(vectors, n_clusters, np.random.default_rng(seed))
        assert labels.tolist() == expected.tolist()


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_tiny_pools_equal_the_plain_loops(n: int) -> None:
    vectors = unit(n, 4)
    labels = k_means(vectors, 9, np.random.default_rng(0))
    assert labels.tolist() == oracles.k_means(vectors, 9, np.random.default_rng(0)).tolist()


def test_clusters_that_lie_apart_are_found() -> None:
    directions = np.repeat(np.eye(6, dtype=np.float32), 20, axis=0)
    vectors = directions + 0.05 * np.random.default_rng(0).standard_normal((120, 6))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = k_means(vectors.astype(np.float32), 6, np.random.default_rng(1))
    found = {tuple(cluster) for cluster in members(labels, 6)}
    assert found == {tuple(range(start, start + 20)) for start in range(0, 120, 20)}


def test_number_of_threads_does_not_matter(threads: int) -> None:
    vectors = unit(4000, 32)
    many = k_means(vectors, 60, np.random.default_rng(0))
    set_num_threads(1)
    assert np.array_equal(k_means(vectors, 60, np.random.default_rng(0)), many)


def test_members_are_ascending_and_may_be_none() -> None:
    found = members(np.array([2, 0, 2, 2], np.int32), 4)
    assert [one.tolist() for one in found] == [[1], [], [0, 2, 3], []]
