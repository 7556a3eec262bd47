"""Groups take turns: which group the next pick comes from."""

import numpy as np
from numpy.typing import NDArray

Groups = NDArray[np.int64]


def take_turns(sizes: Groups, n_picks: int) -> Groups:
    """Give each group one pick a round, in their order, until it is used up.

    Parameters
    ----------
    sizes : int64 array of shape (n_groups,), how many picks a group can give
    n_picks : at most the sum of the sizes

    Returns
    -------
    int64 array of shape (n_picks,), the group of each pick
    """
    # rounds beyond the last one would only be sorted and thrown away
    sizes = np.minimum(sizes, _n_rounds(sizes, n_picks))
    groups = np.repeat(np.arange(len(sizes)), sizes)
    order = np.argsort(ranks_within(groups, sizes), kind="stable")
    return groups[order[:n_picks]]


def ranks_within(groups: Groups, sizes: Groups) -> Groups:
    """Count each entry among those of its group, from 0; groups are ascending, of these sizes."""
    firsts = np.concatenate([[0], sizes.cumsum()[:-1]])
    ranks: Groups = np.arange(len(groups)) - firsts[groups]
    return ranks


def _n_rounds(sizes: Groups, n_picks: int) -> int:
    """Return the fewest rounds that give so many picks."""
    low, high = 0, int(sizes.max(initial=0))
    while low < high:
        middle = (low + high) // 2
        if int(np.minimum(sizes, middle).sum()) < n_picks:
            low = middle + 1
        else:
            high = middle
    return low
