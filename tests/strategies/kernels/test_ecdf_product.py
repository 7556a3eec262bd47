"""The kernel against scipy's ranks, on pools made to mislead its bounds."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numba import get_num_threads, set_num_threads
from numpy.typing import NDArray

from strategies.kernels import ecdf_product as kernel
from tests import oracles

Floats = tuple[NDArray[Any], ...]  # uncertainty, cover distance, density
Maker = Callable[[np.random.Generator, int], Floats]


def even(rng: np.random.Generator, n: int) -> Floats:
    return tuple(rng.random(n, np.float32) for _ in range(3))


def all_equal(rng: np.random.Generator, n: int) -> Floats:
    return tuple(np.full(n, 0.3, np.float32) for _ in range(3))


def few_values(rng: np.random.Generator, n: int) -> Floats:
    return tuple(rng.integers(6, size=n).astype(np.float32) / 5 for _ in range(3))


def close_to_one(rng: np.random.Generator, n: int) -> Floats:
    """Far from every label the posterior is the prior: margins crowd the last float32 below 1."""
    uncertainty, cover, density = even(rng, n)
    crowd = rng.random(n) < 0.6
    steps = rng.integers(40, size=n).astype(np.float32) * np.float32(2.0**-24)
    return np.where(crowd, 1 - steps, uncertainty), cover, density


def mostly_tied(rng: np.random.Generator, n: int) -> Floats:
    uncertainty, cover, density = even(rng, n)
    uncertainty[rng.random(n) < 0.5] = 1.0
    cover[rng.random(n) < 0.7] = np.inf
    return uncertainty, cover, np.round(density, 2)


def opposed(rng: np.random.Generator, n: int) -> Floats:
    """The product of the ranks is nearly the same for very many rows."""
    uncertainty, _, density = even(rng, n)
    return uncertainty, 1 / (0.001 + uncertainty), density * 0 + 1


def all_opposed(rng: np.random.Generator, n: int) -> Floats:
    uncertainty, cover, _ = even(rng, n)
    return uncertainty, cover, 1 / (uncertainty * cover + np.float32(0.01))


def outliers(rng: np.random.Generator, n: int) -> Floats:
    uncertainty, cover, density = even(rng, n)
    density[: n // 100 + 1] = 2.0**24
    cover[-(n // 50 + 1) :] = 0
    return uncertainty**20, cover, density


def both_signs(rng: np.random.Generator, n: int) -> Floats:
    """Not what pools hold, but floats all the same: -0.0 equals 0.0, and -inf is a value."""
    columns = tuple(np.round(rng.normal(size=n), 1).astype(np.float32) for _ in range(3))
    columns[0][0], columns[1][0] = -np.inf, -0.0
    return columns


MAKERS = [
    even,
    all_equal,
    few_values,
    close_to_one,
    mostly_tied,
    opposed,
    all_opposed,
    outliers,
    both_signs,
]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[int]:
    """Leave the other cores to the other tests; gives the number of threads there are."""
    available = get_num_threads()
    set_num_threads(1)
    yield available
    set_num_threads(available)


def assert_equals_oracle(columns: kernel.Columns, tie_key: NDArray[np.uint64]) -> None:
    rows = np.flatnonzero(columns.status == 0)
    groups = columns.groups[rows] if len(columns.groups) else np.zeros(len(rows), int)
    floats = [column[rows].view(np.float32) for column in columns[1:4]]
    uncertainty, cover, density = floats
    scores = oracles.product_scores(
        uncertainty, density if columns.ranks_density else None, cover, groups, columns.divisors
    )
    row, fault = kernel.best_row(columns, tie_key, 1)
    assert not fault
    assert row == oracles.first_of_best(rows, scores, tie_key)
    asked = np.random.default_rng(0).permutation(np.arange(len(rows)))[:50]
    _, found, _ = kernel.shares_and_scores(columns, rows[asked].astype(np.int32), 1)
    assert found.tolist() == scores[asked].tolist()


def make_columns(
    maker: Maker,
    n: int,
    n_groups: int,
    seed: int,
    *,
    share_of_candidates: float = 0.9,
    ranks_density: bool = True,
) -> tuple[kernel.Columns, NDArray[np.uint64]]:
    rng = np.random.default_rng(seed)
    uncertainty, cover, density = (column.astype(np.float32) for column in maker(rng, n))
    status = np.where(rng.random(n) < share_of_candidates, 0, rng.integers(1, 4, size=n))
    status[rng.integers(n)] = 0
    groups = rng.integers(max(n_groups, 1), size=n) * rng.integers(2, size=n)
    columns = kernel.Columns(
        status=status.astype(np.int8),
        uncertainty=uncertainty.view(np.int32),
        cover=cover.view(np.int32),
        density=density.view(np.int32),
        groups=groups.astype(np.int32) if n_groups else np.empty(0, np.int32),
        divisors=np.sqrt(1.0 + rng.integers(100, size=max(n_groups, 1))),
        ranks_density=ranks_density,
    )
    return columns, rng.integers(2**64, size=n, dtype=np.uint64)


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("n_groups", [0, 1, 10, 1500])
@pytest.mark.parametrize("ranks_density", [True, False])
def test_pick_and_scores_equal_the_ranks(
    maker: Maker, n_groups: int, *, ranks_density: bool
) -> None:
    for n, seed in ((40_000, 0), (3000, 1), (3000, 2)):
        assert_equals_oracle(*make_columns(maker, n, n_groups, seed, ranks_density=ranks_density))


@pytest.mark.parametrize("maker", MAKERS)
def test_tiny_pools_equal_the_ranks(maker: Maker) -> None:
    for seed in range(40):
        n = 1 + seed // 2
        assert_equals_oracle(*make_columns(maker, n, seed % 4, seed))


@pytest.mark.parametrize("maker", MAKERS)
def test_few_candidates_among_many_rows(maker: Maker) -> None:
    columns, tie_key = make_columns(maker, 20_000, 5, 0, share_of_candidates=0.001)
    assert_equals_oracle(columns, tie_key)


@pytest.mark.parametrize("maker", MAKERS)
def test_any_number_of_threads_picks_the_same(maker: Maker, one_thread: int) -> None:
    set_num_threads(one_thread)
    columns, tie_key = make_columns(maker, 30_000, 10, 3)
    rows = np.flatnonzero(columns.status == 0)[:20].astype(np.int32)
    counts = range(1, one_thread + 3)
    assert len({kernel.best_row(columns, tie_key, n) for n in counts}) == 1
    scores = {kernel.shares_and_scores(columns, rows, n)[1].tobytes() for n in counts}
    assert len(scores) == 1


def test_order_of_rows_does_not_matter() -> None:
    columns, tie_key = make_columns(few_values, 30_000, 10, 4)
    order = np.random.default_rng(0).permutation(30_000)
    moved = columns._replace(
        **{
            name: getattr(columns, name)[order]
            for name in columns._fields
            if name not in ("divisors", "ranks_density")
        }
    )
    row, _ = kernel.best_row(columns, tie_key, 1)
    other, _ = kernel.best_row(moved, tie_key[order], 1)
    assert order[other] == row


def test_nan_counts_only_among_candidates() -> None:
    columns, tie_key = make_columns(even, 3000, 3, 6)
    labeled, candidate = (int(np.flatnonzero(columns.status == s)[0]) for s in (2, 0))
    nan = np.float32(np.nan).view(np.int32)
    columns.cover[labeled] = nan
    columns.groups[labeled] = 99
    assert kernel.best_row(columns, tie_key, 1)[1] == 0
    for bits in (nan, nan | np.int32(-(2**31))):
        columns.cover[candidate] = bits
        assert kernel.best_row(columns, tie_key, 1)[1] == kernel.NOT_A_NUMBER
    columns.cover[candidate] = 0
    columns.groups[candidate] = 99
    assert kernel.best_row(columns, tie_key, 1)[1] == kernel.NO_SUCH_GROUP
