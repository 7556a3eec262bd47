"""Neighbours inside the pool: exactly, by a graph, and after growth."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from al_server.campaign import neighbors
from al_server.campaign.names import tie_keys
from al_server.campaign.nearest import NearestLists
from al_server.campaign.neighbors import (
    N_NEIGHBORS,
    density_of,
    extend_neighbors,
    pool_neighbors,
    vote_width,
)
from al_server.campaign.pool_files import PoolFiles, unit_rows
from tests.campaign.conftest import MakeToy
from tests.toys_campaign import grid_vectors, say

RECALL_FLOOR = 0.95


def keys_of(n: int) -> NDArray[np.uint64]:
    return tie_keys(f"s{row}" for row in range(n))


def random_pool(n: int, n_features: int = 16, seed: int = 0) -> NDArray[np.float32]:
    return unit_rows(np.random.default_rng(seed).normal(size=(n, n_features)))


@pytest.fixture
def by_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every pool be too large to compare all pairs."""
    monkeypatch.setattr(neighbors, "EXACT_WORK", 0.0)


def by_hand(
    vectors: NDArray[np.float32], keys: NDArray[np.uint64], row: int
) -> list[tuple[float, int]]:
    distances = [max(0.0, 1 - float(np.dot(vectors[row], other))) for other in vectors]
    near = sorted((round(d, 6), int(keys[o]), o) for o, d in enumerate(distances) if o != row)
    return [(distance, other) for distance, _, other in near]


@pytest.mark.parametrize("n", [1, 2, 20, 21, 22, 60])
def test_exact_neighbours_are_those_found_by_sorting(n: int) -> None:
    vectors, keys = unit_rows(grid_vectors(n, np.random.default_rng(n))), keys_of(n)
    lists = pool_neighbors(vectors, keys)
    for row in range(n):
        near = by_hand(vectors, keys, row)[:N_NEIGHBORS]
        assert lists.count[row] == len(near) == min(N_NEIGHBORS, n - 1)
        found = lists.distances[row, : len(near)]
        assert found == pytest.approx([distance for distance, _ in near], abs=2e-6)
        assert row not in lists.rows[row, : len(near)]
        assert len(set(lists.rows[row, : len(near)].tolist())) == len(near)


def test_growing_pools_have_the_lists_of_pools_that_were_large_at_once() -> None:
    vectors, keys = unit_rows(grid_vectors(70, np.random.default_rng(5))), keys_of(70)
    at_once = pool_neighbors(vectors, keys)
    for first in (1, 15, 21, 69):
        grown = pool_neighbors(vectors[:first], keys[:first])
        for n_after in (first + (70 - first) // 2, 70):
            n_before = len(grown.count)
            extend_neighbors(grown, vectors[:n_after], keys[:n_after], n_before)
        assert np.array_equal(grown.rows, at_once.rows)
        assert np.array_equal(grown.distances, at_once.distances)
        assert np.array_equal(density_of(grown), density_of(at_once))


def test_neighbours_come_back_from_their_file_as_they_were(tmp_path: Path) -> None:
    vectors, keys = random_pool(30), keys_of(30)
    files = PoolFiles(tmp_path)
    assert files.load_neighbors(30) is None
    lists = pool_neighbors(vectors[:25], keys[:25])
    files.save_neighbors(lists)
    assert files.load_neighbors(30) is None, "of a pool that has grown since"
    loaded = files.load_neighbors(25)
    assert loaded is not None
    extend_neighbors(loaded, vectors, keys, 25)
    assert np.array_equal(loaded.rows, pool_neighbors(vectors, keys).rows)


@pytest.mark.parametrize("content", [b"", b"PK broken", b"no archive at all", None])
def test_a_broken_file_of_neighbours_is_computed_again(
    make_toy: MakeToy, content: bytes | None
) -> None:
    toy = make_toy(20)
    before = toy.open()
    file = toy.folder / "pool" / "neighbors.npz"
    file.write_bytes(file.read_bytes()[:-100] if content is None else content)
    after = toy.open()
    assert np.array_equal(before.pool.neighbors.rows, after.pool.neighbors.rows)
    assert before.peek() == after.peek()


@pytest.mark.usefixtures("by_graph")
def test_the_graph_finds_nearly_all_exact_neighbours() -> None:
    vectors, keys = random_pool(3000), keys_of(3000)
    exact = NearestLists(3000, n_watched=N_NEIGHBORS, n_spare=0)
    everyone = np.arange(3000)
    exact.fill(everyone, vectors, everyone, vectors, keys, leave_out_self=True)
    found = pool_neighbors(vectors, keys)
    assert (found.count == N_NEIGHBORS).all()
    n_hits = sum(
        len(set(ours.tolist()) & set(theirs.tolist()))
        for ours, theirs in zip(found.rows, exact.rows, strict=True)
    )
    assert n_hits / exact.rows.size > RECALL_FLOOR
    assert (found.rows != everyone[:, None]).all(), "no sample is its own neighbour"
    assert (np.diff(found.distances, axis=1) >= 0).all()


@pytest.mark.usefixtures("by_graph")
@pytest.mark.parametrize("n_distinct", [1, 5, 100])
def test_the_graph_copes_with_a_pool_of_duplicates(n_distinct: int) -> None:
    distinct = random_pool(n_distinct)
    vectors = distinct[np.arange(2000) % n_distinct]
    lists = pool_neighbors(vectors, keys_of(2000))
    assert (lists.count == N_NEIGHBORS).all()
    assert (lists.rows != np.arange(2000)[:, None]).all()
    for row in (0, 1, 1999):
        assert len(set(lists.rows[row].tolist())) == N_NEIGHBORS
    if n_distinct <= 5:
        # 400 or more duplicates each: all neighbours can be one of them
        assert np.median(lists.distances) < 1e-6


@pytest.mark.usefixtures("by_graph")
def test_the_graph_does_not_depend_on_the_order_of_the_rows() -> None:
    vectors, keys = random_pool(1500), keys_of(1500)
    order = np.random.default_rng(1).permutation(1500)
    straight = pool_neighbors(vectors, keys)
    shuffled = pool_neighbors(vectors[order], keys[order])
    assert np.array_equal(density_of(straight)[order], density_of(shuffled))
    assert np.array_equal(straight.rows[order], order[shuffled.rows])
    assert vote_width(straight) == vote_width(shuffled)


@pytest.mark.usefixtures("by_graph")
@pytest.mark.parametrize("n", [21, 40])
def test_the_graph_serves_pools_that_are_hardly_larger_than_a_list(n: int) -> None:
    lists = pool_neighbors(random_pool(n), keys_of(n))
    assert lists.count.tolist() == [N_NEIGHBORS] * n


@pytest.mark.usefixtures("by_graph")
def test_a_pool_made_by_the_graph_is_labeled_and_grows(make_toy: MakeToy) -> None:
    toy = make_toy(random_pool(200, 3))
    loop = toy.open()
    say(loop, "s1", "ash")
    toy.add_samples(loop, random_pool(30, 3, seed=9), [f"n{row}" for row in range(30)])
    assert loop.peek() == toy.open().peek()
    density = loop.pool.view().density
    assert density is not None and np.isfinite(density).all() and len(density) == 230


def test_progress_rises_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for work in (1e12, 0.0):
        monkeypatch.setattr(neighbors, "EXACT_WORK", work)
        shares: list[float] = []
        pool_neighbors(random_pool(300), keys_of(300), progress=shares.append)
        assert shares == sorted(shares)
        assert shares[-1] == 1.0


def test_the_width_of_a_vote_is_the_median_distance_to_the_tenth_neighbour() -> None:
    vectors = random_pool(50)
    lists = pool_neighbors(vectors, keys_of(50))
    tenth = [by_hand(vectors, keys_of(50), row)[9][0] for row in range(50)]
    assert vote_width(lists) == pytest.approx(np.median(tenth), abs=1e-5)
    assert vote_width(pool_neighbors(vectors[:5], keys_of(5))) == 1.0, "there is no tenth"
    twins = np.tile(vectors[:1], (30, 1))
    assert vote_width(pool_neighbors(twins, keys_of(30))) > 0
