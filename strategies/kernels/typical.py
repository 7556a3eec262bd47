"""Keep the largest products of each row while blocks of them come by; inputs are checked."""

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

Values = NDArray[np.float32]

STRETCH = 128  # products that are left alone if none of them is large enough


@njit(cache=True)
def _insert(value: np.float32, largest: Values) -> None:
    place = len(largest) - 1
    while place > 0 and largest[place - 1] < value:
        largest[place] = largest[place - 1]
        place -= 1
    largest[place] = value


@njit(cache=True)
def _keep(products: Values, own: int, largest: Values) -> None:
    last = len(largest) - 1
    for first in range(0, len(products), STRETCH):
        stretch, floor, n_larger = products[first : first + STRETCH], largest[last], np.int32(0)
        for value in stretch:
            n_larger += np.int32(value > floor)
        if n_larger == 0:
            continue
        for place in range(len(stretch)):
            if stretch[place] > largest[last] and first + place != own:
                _insert(stretch[place], largest)


@njit(cache=True, nogil=True, parallel=True)
def keep_largest(products: Values, n_columns: int, own: NDArray[np.int64], largest: Values) -> None:
    """Take the products of a block into the largest ones so far.

    Parameters
    ----------
    products : float32 array of shape (n_rows, at least n_columns)
    n_columns : how many columns are meant
    own : int64 array of shape (n_rows,), the column of the row itself, which does not count; any
        number outside of the columns where it is not among them
    largest : float32 array of shape (n_rows, k), descending, at first -inf; written to
    """
    for row in prange(len(products)):
        _keep(products[row, :n_columns], own[row], largest[row])
