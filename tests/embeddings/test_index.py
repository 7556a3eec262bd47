from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from embeddings.index import ExactIndex, HnswIndex, KnnIndex
from tests.toys import unit_rows

D = 8
MAKERS: dict[str, Callable[[], KnnIndex]] = {
    "exact": lambda: ExactIndex(D),
    "hnsw, scanning": lambda: HnswIndex(D),
    "hnsw, graph": lambda: HnswIndex(D, exact_below=1),
    "hnsw, changing over": lambda: HnswIndex(D, exact_below=20),
}


@pytest.fixture(params=MAKERS)
def index(request: pytest.FixtureRequest) -> KnnIndex:
    return MAKERS[request.param]()


def vectors(n: int, seed: int = 0, d: int = D) -> NDArray[np.float32]:
    return unit_rows(np.random.default_rng(seed).normal(size=(n, d)))


def slow_search(
    rows: list[int], stored: NDArray[np.float32], query: NDArray[np.float32], k: int
) -> tuple[list[int], list[float]]:
    """Every distance, sorted by (distance, row)."""
    pairs = sorted((float(max(0, 1 - stored[i] @ query)), row) for i, row in enumerate(rows))[:k]
    return [row for _, row in pairs], [distance for distance, _ in pairs]


def test_distances_are_those_computed_by_hand(index: KnnIndex) -> None:
    east, north, west = np.zeros((3, D), dtype=np.float32)
    east[0], north[1], west[0] = 1, 1, -1
    index.add(np.array([10, 20, 30]), np.stack([east, north, west]))

    found = index.search(east[None], k=3)

    assert found.rows.tolist() == [[10, 20, 30]]
    assert found.distances.tolist() == [[0, 1, 2]]
    assert found.rows.dtype == np.int64
    assert found.distances.dtype == np.float32


def test_it_finds_what_a_slow_loop_finds(index: KnnIndex) -> None:
    stored, rows = vectors(200), list(range(1000, 200, -4))
    index.add(np.array(rows), stored)
    queries = vectors(30, seed=1)

    found = index.search(queries, k=5)

    for query, got, distances in zip(queries, found.rows, found.distances, strict=True):
        expected, expected_distances = slow_search(rows, stored, query, 5)
        assert got.tolist() == expected
        np.testing.assert_allclose(distances, expected_distances, atol=1e-6)


def test_a_removed_row_is_not_found_until_it_comes_back(index: KnnIndex) -> None:
    stored, rows = vectors(100), np.arange(100)
    index.add(rows, stored)

    index.remove(np.array([7]))
    assert 7 not in index.search(stored[7:8], k=99).rows
    assert len(index) == 99

    index.add(np.array([7]), stored[7:8])
    assert index.search(stored[7:8], k=1).rows.tolist() == [[7]]
    assert len(index) == 100


def test_a_row_that_comes_back_with_another_vector_is_found_there(index: KnnIndex) -> None:
    stored = vectors(100)
    index.add(np.arange(100), stored)
    index.remove(np.array([3]))
    index.add(np.array([3]), -stored[3:4])
    assert index.search(-stored[3:4], k=1).rows.tolist() == [[3]]
    assert 3 not in index.search(stored[3:4], k=50).rows


def test_adding_a_row_again_replaces_its_vector(index: KnnIndex) -> None:
    stored = vectors(50)
    index.add(np.arange(50), stored)
    index.add(np.array([5]), -stored[5:6])
    assert len(index) == 50
    found = index.search(-stored[5:6], k=1)
    assert found.rows.tolist() == [[5]]
    np.testing.assert_allclose(found.distances, 0, atol=1e-6)


def test_k_above_the_live_count_gives_fewer_columns(index: KnnIndex) -> None:
    index.add(np.arange(5), vectors(5))
    index.remove(np.array([1, 2]))
    found = index.search(vectors(4, seed=1), k=10)
    assert found.rows.shape == found.distances.shape == (4, 3)
    assert {*found.rows.ravel().tolist()} == {0, 3, 4}


def test_every_live_row_can_be_asked_for_among_many_removed_ones(index: KnnIndex) -> None:
    stored = vectors(300)
    index.add(np.arange(300), stored)
    index.remove(np.arange(0, 300, 3))
    found = index.search(stored[:10], k=200)
    expected = sorted(set(range(300)) - set(range(0, 300, 3)))
    assert all(sorted(row.tolist()) == expected for row in found.rows)


def test_an_empty_index_has_no_neighbors(index: KnnIndex) -> None:
    assert index.search(vectors(3), k=4).rows.shape == (3, 0)
    index.add(np.arange(30), vectors(30))
    index.remove(np.arange(30))
    assert len(index) == 0
    assert index.search(vectors(3), k=4).rows.shape == (3, 0)


def test_no_query_gives_no_neighbors(index: KnnIndex) -> None:
    index.add(np.arange(30), vectors(30))
    assert index.search(np.empty((0, D), dtype=np.float32), k=4).rows.shape == (0, 4)


def test_adding_and_removing_nothing_changes_nothing(index: KnnIndex) -> None:
    index.add(np.empty(0, dtype=np.int64), np.empty((0, D), dtype=np.float32))
    index.remove(np.empty(0, dtype=np.int64))
    assert len(index) == 0


def test_removing_an_unknown_row_is_refused_and_removes_nothing(index: KnnIndex) -> None:
    index.add(np.arange(40), vectors(40))
    with pytest.raises(ValueError, match="99"):
        index.remove(np.array([3, 99]))
    with pytest.raises(ValueError, match="twice"):
        index.remove(np.array([3, 3]))
    assert len(index) == 40
    assert index.search(vectors(40)[3:4], k=1).rows.tolist() == [[3]]


def test_bad_arguments_say_what_is_wrong(index: KnnIndex) -> None:
    good = vectors(2)
    broken = good.copy()
    broken[1, 2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        index.add(np.arange(2), broken)
    with pytest.raises(ValueError, match=r"\(n, 8\)"):
        index.add(np.arange(2), vectors(2, d=3))
    with pytest.raises(ValueError, match="twice"):
        index.add(np.array([1, 1]), good)
    with pytest.raises(ValueError, match="one row a vector"):
        index.add(np.arange(3), good)
    with pytest.raises(ValueError, match="2\\*\\*32"):
        index.add(np.array([-1, 2]), good)
    with pytest.raises(ValueError, match="k=0"):
        index.search(good, k=0)
    assert len(index) == 0


def test_equal_distances_go_to_the_lowest_row_in_the_exact_index() -> None:
    index = ExactIndex(D)
    same = np.repeat(vectors(1), 50, axis=0)
    index.add(np.random.default_rng(0).permutation(50), same)
    assert index.search(same[:1], k=4).rows.tolist() == [[0, 1, 2, 3]]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.sets(st.integers(0, 40), max_size=15)), max_size=25))
def test_any_sequence_of_changes_leaves_the_same_index(
    changes: list[tuple[bool, set[int]]],
) -> None:
    stored = vectors(41)
    exact, graph = ExactIndex(D), HnswIndex(D, exact_below=12)
    live: set[int] = set()
    for adding, chosen in changes:
        rows = np.array(sorted(chosen if adding else chosen & live), dtype=np.int64)
        for index in (exact, graph):
            if adding:
                index.add(rows, stored[rows])
            else:
                index.remove(rows)
        live = live | chosen if adding else live - chosen
        assert len(exact) == len(graph) == len(live)
    found = exact.search(stored, k=5)
    for row, got in enumerate(found.rows):
        alive = sorted(live)
        assert got.tolist() == slow_search(alive, stored[alive], stored[row], 5)[0]
    np.testing.assert_allclose(graph.search(stored, k=5).distances, found.distances, atol=1e-6)


@pytest.mark.parametrize("k", [1, 10, 100])
def test_the_graph_finds_at_least_95_percent_of_the_true_neighbors(k: int) -> None:
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(100, 32))
    stored = unit_rows(centers[rng.integers(100, size=6000)] + 0.5 * rng.normal(size=(6000, 32)))
    exact, graph = ExactIndex(32), HnswIndex(32)
    for index in (exact, graph):
        index.add(np.arange(6000), stored)
        index.remove(np.arange(0, 6000, 5))

    true, found = exact.search(stored[:300], k=k), graph.search(stored[:300], k=k)

    shared = [len(set(a) & set(b)) for a, b in zip(true.rows, found.rows, strict=True)]
    assert np.mean(shared) / k >= 0.95


def test_the_graph_depends_only_on_the_order_of_the_calls() -> None:
    stored = vectors(500)
    twins = [HnswIndex(D, exact_below=50) for _ in range(2)]
    for index in twins:
        index.add(np.arange(400), stored[:400])
        index.remove(np.arange(50))
        index.add(np.arange(400, 500), stored[400:])
    first, second = (index.search(stored, k=7) for index in twins)
    assert np.array_equal(first.rows, second.rows)
    assert np.array_equal(first.distances, second.distances)
