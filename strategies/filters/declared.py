"""What a filter says of itself, so that what it would refuse is refused before the long work.

Attributes of the filter or of its class; a filter may leave out each of them:

has_threshold : bool, whether `remove` may be asked without a number; True where it is not said
least_neighbors : int, neighbors of each sample that `build` needs; 0 where it is not said
needs : names of the optional arrays of `Points` that `build` needs, such as ``("classes",)``

A filter that works by another one, its field `filter`, needs what that one needs.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from strategies.filters.points import Filter


def has_threshold(filter: Filter) -> bool:
    """Tell whether a filter can say by itself how many go."""
    return all(getattr(one, "has_threshold", True) for one in _parts(filter))


def least_neighbors(filters: Iterable[Filter]) -> int:
    """Return how many neighbors of each sample some filters need."""
    parts = (one for filter in filters for one in _parts(filter))
    return max((int(getattr(one, "least_neighbors", 0)) for one in parts), default=0)


def needs(filters: Iterable[Filter]) -> set[str]:
    """Return the names of the optional arrays of `Points` that some filters need."""
    parts = (one for filter in filters for one in _parts(filter))
    return {name for one in parts for name in getattr(one, "needs", ())}


def _parts(filter: Filter) -> Iterator[Filter]:
    """Go through a filter, the one that it works by, and so on."""
    yield filter
    inner: Any = getattr(filter, "filter", None)
    if hasattr(inner, "build"):
        yield from _parts(inner)
