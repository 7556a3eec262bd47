"""Nearest lists against sorting everything."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from al_server.campaign import nearest
from al_server.campaign.nearest import NearestLists
from strategies.kernels.distances import cosine_distances
from tests.toys_campaign import grid_vectors

N_SOURCES = 24
LIMITS = settings(max_examples=60, deadline=None)


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    rows: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return rows.astype(np.float32)


class World:
    """Lists over grid vectors, and the same kept by sorting."""

    def __init__(self, seed: int, *, n_lists: int = 9, n_watched: int = 3, n_spare: int = 2):
        rng = np.random.default_rng(seed)
        self.queries = unit(grid_vectors(n_lists, rng))
        self.sources = unit(grid_vectors(N_SOURCES, rng))
        self.keys = rng.permutation(np.arange(N_SOURCES)).astype(np.uint64)
        self.lists = NearestLists(n_lists, n_watched=n_watched, n_spare=n_spare)
        self.present: set[int] = set()

    def sorted_by_hand(self, position: int) -> list[tuple[float, int]]:
        column = cosine_distances(self.sources, self.queries[position : position + 1])[0]
        ranked = sorted((float(column[row]), int(self.keys[row]), row) for row in self.present)
        return [(distance, row) for distance, _, row in ranked]

    def watched(self, position: int) -> list[tuple[float, int]]:
        n = min(int(self.lists.count[position]), self.lists.n_watched)
        rows, distances = self.lists.rows[position, :n], self.lists.distances[position, :n]
        return list(zip(distances.tolist(), rows.tolist(), strict=True))

    def everything(self) -> list[list[tuple[float, int]]]:
        return [self.watched(position) for position in range(len(self.queries))]

    def toggle(self, row: int) -> list[int]:
        """Insert a sample, or remove it where it is there; return the lists said to change."""
        if row in self.present:
            self.present.discard(row)
            changed, starved = self.lists.remove(row, n_left=len(self.present))
            self.fill(starved)
            assert set(starved.tolist()) <= set(changed.tolist())
        else:
            self.present.add(row)
            column = cosine_distances(self.queries, self.sources[row : row + 1])[0]
            changed = self.lists.insert(row, column, self.keys)
        return [int(position) for position in changed]

    def fill(self, positions: NDArray[np.int64]) -> None:
        sources = np.array(sorted(self.present), dtype=np.int64)
        self.lists.fill(positions, self.queries, sources, self.sources, self.keys)

    def assert_true(self) -> None:
        for position in range(len(self.queries)):
            expected = self.sorted_by_hand(position)[: self.lists.n_watched]
            assert self.watched(position) == expected


moves = st.lists(st.integers(0, N_SOURCES - 1), max_size=80)


@LIMITS
@given(seed=st.integers(0, 1000), rows=moves, n_spare=st.integers(0, 3))
@example(seed=0, rows=[*range(N_SOURCES), *range(N_SOURCES)], n_spare=2)
@example(seed=1, rows=[*range(N_SOURCES), *reversed(range(N_SOURCES)), 3, 3, 4], n_spare=0)
def test_lists_hold_the_nearest_whatever_came_and_went(
    seed: int, rows: Sequence[int], n_spare: int
) -> None:
    world = World(seed, n_spare=n_spare)
    for row in rows:
        before = world.everything()
        changed = world.toggle(row)
        world.assert_true()
        after = world.everything()
        differ = [place for place, lists in enumerate(zip(before, after, strict=True))
                  if lists[0] != lists[1]]  # fmt: skip
        assert changed == differ, "what is said to have changed is what has changed"


@LIMITS
@given(seed=st.integers(0, 1000), order=st.permutations(range(N_SOURCES)))
def test_the_order_of_arrival_does_not_matter(seed: int, order: Sequence[int]) -> None:
    in_order, shuffled, filled = World(seed), World(seed), World(seed)
    for row in range(N_SOURCES):
        in_order.toggle(row)
    for row in order:
        shuffled.toggle(row)
    filled.present = set(range(N_SOURCES))
    filled.fill(np.arange(len(filled.queries)))
    assert np.array_equal(in_order.lists.rows, shuffled.lists.rows)
    assert np.array_equal(in_order.lists.rows, filled.lists.rows)
    assert np.array_equal(in_order.lists.distances, filled.lists.distances)


@pytest.mark.parametrize("block_bytes", [4, 4 * 9 * 5, 4 * 9 * 100])
def test_filling_in_blocks_equals_filling_at_once(
    monkeypatch: pytest.MonkeyPatch, block_bytes: int
) -> None:
    at_once, in_blocks = World(3), World(3)
    for world in (at_once, in_blocks):
        world.present = set(range(0, N_SOURCES, 2))
    at_once.fill(np.arange(9))
    monkeypatch.setattr(nearest, "_BLOCK_BYTES", block_bytes)
    in_blocks.fill(np.arange(9))
    in_blocks.assert_true()
    assert np.array_equal(at_once.lists.rows, in_blocks.lists.rows)
    assert np.array_equal(at_once.lists.count, in_blocks.lists.count)


def test_filling_anew_leaves_nothing_of_the_old_list() -> None:
    world = World(4)
    for row in range(12):
        world.toggle(row)
    world.present = {20}
    world.fill(np.array([2, 5]))
    assert world.watched(2) == world.sorted_by_hand(2)
    assert world.lists.rows[2].tolist() == [20, -1, -1, -1, -1]
    assert world.lists.distances[2, 1:].tolist() == [np.inf] * 4


def test_filling_from_nothing_empties_a_list() -> None:
    world = World(5)
    world.toggle(1)
    world.present = set()
    world.fill(np.arange(9))
    assert world.lists.count.tolist() == [0] * 9
    world.toggle(7)
    world.assert_true()


@pytest.mark.parametrize("n", [1, 2, 3, 30])
def test_no_sample_is_its_own_neighbour_however_many_duplicates_it_has(n: int) -> None:
    vectors = np.tile(np.array([[0.6, 0.8, 0.0]], np.float32), (n, 1))
    keys = np.arange(n, dtype=np.uint64)[::-1].copy()
    everyone = np.arange(n)
    lists = NearestLists(n, n_watched=4, n_spare=0)
    lists.fill(everyone, vectors, everyone, vectors, keys, leave_out_self=True)
    for row in range(n):
        # all are equally far: the lowest keys come first, which are the highest rows
        expected = [other for other in reversed(range(n)) if other != row][:4]
        assert lists.rows[row, : lists.count[row]].tolist() == expected


def test_spare_entries_save_a_new_query() -> None:
    world = World(6, n_spare=2)
    for row in range(N_SOURCES):
        world.toggle(row)
    gone = [row for _, row in world.sorted_by_hand(0)[:3]]
    for number, row in enumerate(gone, start=1):
        world.present.discard(row)
        _, starved = world.lists.remove(row, n_left=len(world.present))
        assert (0 in starved.tolist()) == (number == 3), "two spare entries, two removals"
        world.fill(starved)
        world.assert_true()


def test_a_short_list_is_complete_when_the_others_are_gone() -> None:
    world = World(7, n_spare=0)
    for row in range(N_SOURCES):
        world.toggle(row)
    for row in range(N_SOURCES - 2):
        world.toggle(row)
    for row in range(N_SOURCES - 2):  # the far ones must find their way in again
        world.toggle(row)
        world.assert_true()


def test_adopted_lists_go_on_like_lists_that_were_filled() -> None:
    filled, adopted = World(8, n_spare=0), World(8, n_spare=0)
    for world in (filled, adopted):
        world.present = {1, 2, 3, 4}
    filled.fill(np.arange(9))
    adopted.lists.adopt(filled.lists.rows.copy(), filled.lists.distances.copy())
    for row in (9, 11, 2, 9, 1, 3, 4, 11):
        adopted.toggle(row)
        adopted.assert_true()


def test_lists_are_in_order_and_blank_beyond_their_count() -> None:
    world = World(9)
    for row in (3, 1, 4, 15, 9, 2, 6, 3, 4):
        world.toggle(row)
    for position in range(9):
        n = int(world.lists.count[position])
        distances = world.lists.distances[position]
        assert all(left <= right for left, right in pairwise(distances[:n].tolist()))
        assert world.lists.rows[position, n:].tolist() == [-1] * (5 - n)
        assert np.isinf(distances[n:]).all()
