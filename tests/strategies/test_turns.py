import numpy as np
import pytest

from strategies.turns import ranks_within, take_turns
from tests import oracles_clusters as oracles


@pytest.mark.parametrize("seed", range(20))
def test_turns_equal_going_round_the_queues(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(0, 7, size=int(rng.integers(1, 9)))
    queues = [[group] * size for group, size in enumerate(sizes)]
    for n_picks in range(int(sizes.sum()) + 1):
        assert take_turns(sizes, n_picks).tolist() == oracles.turns(queues, n_picks)


def test_no_groups_give_nothing() -> None:
    assert take_turns(np.empty(0, np.int64), 0).tolist() == []


def test_ranks_start_anew_in_each_group() -> None:
    groups = np.array([0, 0, 2, 2, 2])
    assert ranks_within(groups, np.array([2, 0, 3])).tolist() == [0, 1, 0, 1, 2]
