"""Equal contents."""

from dataclasses import replace

import numpy as np
import pytest

from strategies.filters.exact_duplicates import ExactDuplicates
from strategies.filters.testing import toy_points


def test_the_lowest_living_row_of_equal_contents_stays() -> None:
    contents = np.array([3, 1, 3, 2, 1, 3], np.uint8)[:, None].repeat(32, axis=1)
    points = replace(toy_points(6), contents=contents)
    tree = ExactDuplicates().build(points)
    found = tree.remove(np.ones(6, np.bool_), None)
    assert found.rows.tolist() == [5, 4, 2]
    assert found.because_of.tolist() == [0, 1, 0]
    alive = np.array([False, True, True, True, False, True])
    found = tree.remove(alive, None)
    assert (found.rows.tolist(), found.because_of.tolist()) == ([5], [2])


def test_the_last_byte_counts() -> None:
    contents = np.zeros((4, 32), np.uint8)
    contents[1, 31] = 1
    found = ExactDuplicates().build(replace(toy_points(4), contents=contents))
    assert found.remove(np.ones(4, np.bool_), None).rows.tolist() == [3, 2]


def test_more_than_there_are_is_refused() -> None:
    tree, alive = ExactDuplicates().build(toy_points()), np.ones(60, np.bool_)
    assert len(tree.remove(alive, None).rows) == len(tree.remove(alive, 6).rows) == 6
    with pytest.raises(ValueError, match="there are 6 duplicates; leave the number out"):
        tree.remove(alive, 7)
