from collections.abc import Iterator

import numpy as np
import pytest
from numba import get_num_threads, set_num_threads
from numpy.typing import NDArray

from strategies.kernels.products import Packed, blocks, pack, product
from tests import oracles_clusters as oracles

Vectors = NDArray[np.float32]


@pytest.fixture
def threads() -> Iterator[int]:
    available = get_num_threads()
    yield available
    set_num_threads(available)


def normal(n: int, n_features: int, seed: int = 0) -> Vectors:
    return np.random.default_rng(seed).standard_normal((n, n_features), dtype=np.float32)


def all_products(left: Vectors, right: Packed, n_rows: int = 256) -> Vectors:
    out = np.full((len(left), right.n_vectors), np.nan, np.float32)
    for block in blocks(left, right, n_rows=n_rows):
        rows = slice(block.first_row, block.first_row + len(block.values))
        columns = slice(block.first_column, block.first_column + block.n_columns)
        assert np.isnan(out[rows, columns]).all(), "a product came twice"
        out[rows, columns] = block.values[:, : block.n_columns]
    return out


@pytest.mark.parametrize(
    ("n_left", "n_right", "n_features"),
    [(1, 1, 1), (5, 17, 3), (64, 16, 8), (67, 530, 9), (300, 1100, 40), (3, 2000, 300)],
)
def test_products_are_plain_sums_to_the_last_bit(
    n_left: int, n_right: int, n_features: int
) -> None:
    left, right = normal(n_left, n_features), normal(n_right, n_features, 1)
    expected = oracles.products(left, right)
    for n_rows in (1, 6, 256):
        assert np.array_equal(all_products(left, pack(right), n_rows), expected)
    assert np.array_equal(product(left[0], pack(right)), expected[0])


def test_left_and_right_may_change_places() -> None:
    left, right = normal(130, 24), normal(70, 24, 1)
    there, back = all_products(left, pack(right)), all_products(right, pack(left))
    assert np.array_equal(there, back.T)


def test_number_of_threads_does_not_matter(threads: int) -> None:
    left, right = normal(200, 64), normal(3000, 64, 1)
    many = all_products(left, pack(right))
    set_num_threads(1)
    assert np.array_equal(all_products(left, pack(right)), many)


def test_most_below_the_diagonal_is_left_out() -> None:
    vectors = normal(2100, 8)
    seen = np.zeros((2100, 2100), bool)
    for block in blocks(vectors, pack(vectors), n_rows=50, above_diagonal=True):
        rows = slice(block.first_row, block.first_row + len(block.values))
        seen[rows, block.first_column : block.first_column + block.n_columns] = True
    assert seen[np.triu_indices(2100)].all()
    assert seen.mean() < 0.65


@pytest.mark.parametrize(("n_left", "n_right"), [(0, 5), (5, 0), (0, 0)])
def test_nothing_times_something_is_nothing(n_left: int, n_right: int) -> None:
    left, right = np.empty((n_left, 4), np.float32), np.empty((n_right, 4), np.float32)
    assert list(blocks(left, pack(right))) == []
