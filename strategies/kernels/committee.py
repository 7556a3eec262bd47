"""A committee of nearest-neighbour classifiers, each of its own resample of the labeled samples.

A member votes with the k nearest samples of its resample. They stand among the nearest of all
labeled samples, so that one list of these a row is enough for all members. Entropies and
informations are in nats.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from strategies.kernels.fastmath import REASSOCIATE

_CHUNK = 256  # rows of a task, which share the memory for what is computed of one
_ROUNDING = 1e-9  # an information smaller than this is rounding noise


class Votes(NamedTuple):
    """Whom the members listen to.

    Attributes
    ----------
    positions : int32 array of shape (n_rows, n_listed), labeled samples, nearest first
    weights : float32 array of the same shape, of their votes
    classes : int32 array of shape (n_labeled,), in [0, n_classes)
    times : int32 array of shape (n_labeled, n_members), how often a sample is in a resample
    k : votes of a member
    smoothing : weight of the uniform prior, against that of the first vote
    """

    positions: NDArray[np.int32]
    weights: NDArray[np.float32]
    classes: NDArray[np.int32]
    times: NDArray[np.int32]
    k: int
    smoothing: float


@njit(cache=True)
def _vote(votes: Votes, row: int, member: int, out: NDArray[np.float64]) -> None:
    """Posterior by the first k votes of a resample, each counted as often as it was drawn.

    Weights are shares of the first one's: a member is as sure far from its samples as near them.
    """
    out[:] = votes.smoothing / out.shape[0]
    total, n_left, largest = votes.smoothing, votes.k, 0.0
    for place in range(votes.positions.shape[1]):
        labeled = votes.positions[row, place]
        n_taken = min(votes.times[labeled, member], n_left)
        if n_taken > 0:
            own = float(votes.weights[row, place])
            if n_left == votes.k:
                largest = own
            # where all have vanished beside a sample that was not drawn, they are equal
            weight = n_taken * (own / largest if largest > 0.0 else 1.0)
            out[votes.classes[labeled]] += weight
            total += weight
            n_left -= n_taken
            if n_left == 0:
                break
    out /= total


@njit(cache=True)
def _entropy(chances: NDArray[np.float64]) -> float:
    total = 0.0
    for chance in chances:
        if chance > 0.0:
            total -= chance * math.log(chance)
    return total


@njit(cache=True, parallel=True, nogil=True)
def posteriors(votes: Votes, rows: NDArray[np.int64], out: NDArray[np.float64]) -> None:
    """Posterior of some rows by each member, shape (n_rows, n_classes, n_members)."""
    for i in prange(rows.shape[0]):
        own = np.empty(out.shape[1])
        for member in range(out.shape[2]):
            _vote(votes, rows[i], member, own)
            out[i, :, member] = own


@njit(cache=True, parallel=True, nogil=True)
def informations(votes: Votes, n_classes: int, out: NDArray[np.float32]) -> None:
    """Information of each row's label about the member: H(mean posterior) - mean H(posterior)."""
    n_rows, n_members = votes.positions.shape[0], votes.times.shape[1]
    for chunk in prange((n_rows + _CHUNK - 1) // _CHUNK):
        own, mean = np.empty(n_classes), np.empty(n_classes)
        for row in range(chunk * _CHUNK, min(n_rows, (chunk + 1) * _CHUNK)):
            mean[:] = 0.0
            known = 0.0
            for member in range(n_members):
                _vote(votes, row, member, own)
                mean += own
                known += _entropy(own)
            information = _entropy(mean / n_members) - known / n_members
            out[row] = information if information > _ROUNDING else 0.0


@njit(cache=True, fastmath=REASSOCIATE)
def _mean_product(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    total = 0.0
    for member in range(left.shape[0]):
        total += left[member] * right[member]
    return total / left.shape[0]


@njit(cache=True, parallel=True, nogil=True)
def joint_informations(
    members: NDArray[np.float64],
    configurations: NDArray[np.float64],
    shares: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Information that each row's label adds to those of the rows chosen, but for a constant.

    Parameters
    ----------
    members : float64 array of shape (n_rows, n_classes, n_members), posteriors
    configurations : float64 array of shape (n_configurations, n_members), how likely a member
        holds some labels of the chosen rows
    shares : float64 array of shape (n_configurations,), how many configurations each stands for
    out : float64 array of shape (n_rows,)
    """
    n_rows, n_classes, n_members = members.shape
    for row in prange(n_rows):
        joint = 0.0
        for label in range(n_classes):
            for i in range(configurations.shape[0]):
                chance = _mean_product(configurations[i], members[row, label])
                if chance > 0.0:
                    joint -= shares[i] * chance * math.log(chance)
        known = 0.0
        for member in range(n_members):
            known += _entropy(members[row, :, member])
        out[row] = joint - known / n_members
