"""Against the plain greedy loop, with stages and homes made small enough to matter."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numba import get_num_threads, set_num_threads
from numpy.typing import NDArray

from strategies import farthest_first
from tests import oracles_k_center as oracle
from tests.benchmarks.data import emb, gauss

Vectors = NDArray[np.float32]
RNG = np.random.default_rng(0)


def unit(vectors: NDArray[np.floating]) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / lengths, np.float32)


def even(n: int, d: int) -> Vectors:
    return gauss(n, d).embeddings


def clustered(n: int, d: int) -> Vectors:
    return emb(n, d).embeddings


def duplicates(n: int, d: int) -> Vectors:
    return even(max(1, n // 10), d)[np.arange(n) % max(1, n // 10)]


def on_a_grid(n: int, d: int) -> Vectors:
    """Distances that tie exactly, and many of them."""
    corners = np.random.default_rng(1).choice([-0.5, 0.0, 0.5], size=(n, d))
    corners[:, 4:] = 0
    corners[~corners.any(axis=1), 0] = 0.5
    return corners.astype(np.float32)


def nearly_equal(n: int, d: int) -> Vectors:
    """All distances are some steps of the last bit."""
    return unit(1 + 1e-4 * np.random.default_rng(2).normal(size=(n, d)))


MAKERS: list[Callable[[int, int], Vectors]] = [even, clustered, duplicates, on_a_grid, nearly_equal]


@pytest.fixture(params=[40, 300])
def small_stages(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that large pools need happens in small ones; 300 points are several tiles."""
    few = request.param
    for name, value in {"FEWEST": few, "MOST": few, "MOST_LANES": 256}.items():
        monkeypatch.setattr(farthest_first, name, value)
    monkeypatch.setattr(farthest_first, "POINTS_A_HOME", 100)


@pytest.fixture
def one_thread() -> Iterator[None]:
    available = get_num_threads()
    set_num_threads(1)
    yield
    set_num_threads(available)


def in_order(n: int) -> NDArray[np.uint64]:
    """Keys that let the lowest position win."""
    return np.arange(n, dtype=np.uint64)


def pick(vectors: Vectors, n_picks: int) -> list[int]:
    n = len(vectors)
    covers, ones = np.full(n, np.inf, np.float32), np.ones(n, np.float32)
    picks = farthest_first.pick(vectors, np.arange(n), in_order(n), covers, ones, n_picks)
    assert picks.tolist() == oracle.farthest_first(vectors, covers, ones, n_picks)
    return [int(position) for position in picks]


@pytest.mark.usefixtures("small_stages")
@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(("n", "d", "n_picks"), [(2500, 16, 300), (700, 64, 700), (300, 130, 150)])
def test_picks_are_those_of_the_plain_loop(
    make: Callable[[int, int], Vectors], n: int, d: int, n_picks: int
) -> None:
    pick(make(n, d), n_picks)


@pytest.mark.parametrize("make", MAKERS)
def test_picks_are_those_of_the_plain_loop_at_their_usual_sizes(
    make: Callable[[int, int], Vectors],
) -> None:
    pick(make(20_000, 8), 200)


@pytest.mark.usefixtures("small_stages")
@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 127, 128, 129, 257])
@pytest.mark.parametrize("d", [1, 3, 4, 65])
def test_any_number_of_points_and_features_will_do(n: int, d: int) -> None:
    for n_picks in (0, 1, n // 2, n):
        assert len(set(pick(even(n, d), n_picks))) == n_picks


@pytest.mark.usefixtures("small_stages")
@pytest.mark.parametrize("make", MAKERS)
def test_weights_and_what_is_covered_count(make: Callable[[int, int], Vectors]) -> None:
    n = 1500
    vectors = make(n, 12)
    weights = RNG.choice([0.1, 0.25, 0.7, 1.0], size=n).astype(np.float32)
    covers = RNG.choice([0.0, 1e-7, 0.2, 0.5, 1.3, np.inf], size=n).astype(np.float32)
    picks = farthest_first.pick(vectors, np.arange(n), in_order(n), covers, weights, n)
    assert picks.tolist() == oracle.farthest_first(vectors, covers, weights, n)


@pytest.mark.usefixtures("small_stages")
@pytest.mark.parametrize("make", MAKERS)
def test_rows_are_the_candidates_and_ties_go_to_the_lowest_key(
    make: Callable[[int, int], Vectors],
) -> None:
    vectors = make(1500, 10)
    rows = np.sort(RNG.permutation(1500)[:1200])
    keys = RNG.integers(2**64, size=1200, dtype=np.uint64)
    covers, weights = np.full(1200, 0.8, np.float32), np.full(1200, 0.5, np.float32)
    by_key = np.argsort(keys)
    expected = oracle.farthest_first(vectors[rows[by_key]], covers, weights, 700)
    picks = farthest_first.pick(vectors, rows, keys, covers, weights, 700)
    assert picks.tolist() == by_key[expected].tolist()


def test_what_falls_to_a_tie_waits_for_lower_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    # three candidates at a time: 5, 6 and 0; then 6 falls to .5, where 1 and 2 are before it
    monkeypatch.setattr(farthest_first, "FEWEST", 3)
    monkeypatch.setattr(farthest_first, "MOST", 3)
    vectors = np.eye(8, dtype=np.float32)
    vectors[6, 5], vectors[6, 6] = 0.5, np.sqrt(0.75)
    covers = np.array([0.5, 0.5, 0.5, 0.1, 0.1, 0.9, 0.8, 0.1], np.float32)
    picks = farthest_first.pick(
        vectors, np.arange(8), in_order(8), covers, np.ones(8, np.float32), 8
    )
    assert picks.tolist() == [5, 0, 1, 2, 6, 3, 4, 7]


@pytest.mark.usefixtures("small_stages", "one_thread")
@pytest.mark.parametrize("make", MAKERS)
def test_one_thread_picks_what_many_pick(make: Callable[[int, int], Vectors]) -> None:
    pick(make(2500, 16), 300)


def test_the_bits_of_a_distance_do_not_depend_on_company() -> None:
    vectors = even(300, 77)
    rows = np.arange(300)
    for row in range(0, 300, 7):
        alone = oracle.distances(vectors, vectors[row])
        assert (farthest_first.distances_to_nearest(vectors, rows, vectors[[row]]) == alone).all()
    together = farthest_first.distances_to_nearest(vectors, rows[5:133], vectors[::7])
    every = [oracle.distances(vectors[5:133], vectors[row]) for row in range(0, 300, 7)]
    assert (together == np.min(every, axis=0)).all()


def test_nothing_covers_without_centers() -> None:
    vectors = even(10, 4)
    assert np.isinf(farthest_first.distances_to_nearest(vectors, np.arange(3), vectors[:0])).all()
    assert len(farthest_first.distances_to_nearest(vectors, np.arange(0), vectors)) == 0


def test_duplicates_of_what_is_picked_come_last_in_their_order() -> None:
    # 50,000 picks, of which all but the first 100 have distance 0
    picks = pick_of_duplicates(n=50_000, n_distinct=100)
    assert sorted(picks[:100]) == list(range(100))
    assert picks[100:] == list(range(100, 50_000))


def pick_of_duplicates(n: int, n_distinct: int) -> list[int]:
    vectors = even(n_distinct, 64)[np.arange(n) % n_distinct]
    covers, ones = np.full(n, np.inf, np.float32), np.ones(n, np.float32)
    picks = farthest_first.pick(vectors, np.arange(n), in_order(n), covers, ones, n)
    return [int(position) for position in picks]


def test_memory_layout_and_inputs_are_left_alone() -> None:
    vectors = even(500, 9)
    covers = np.full(500, 0.9, np.float32)
    weights = np.linspace(0.1, 1, 500, dtype=np.float32)
    expected = farthest_first.pick(vectors, np.arange(500), in_order(500), covers, weights, 100)
    columns = np.asfortranarray(vectors)
    for array in (columns, covers, weights):
        array.setflags(write=False)
    again = farthest_first.pick(columns, np.arange(500), in_order(500), covers, weights, 100)
    assert (again == expected).all()
