"""The contract suite: what every filter promises, ours and third parties'.

In a test of your own::

    from strategies.filters.testing import check_filter

    def test_my_filter_keeps_the_contract():
        check_filter(MyFilter())

or, for one test a promise, parametrize over `CHECKS` and call ``check(MyFilter())``. What only some
filters promise is in `removals_are_nested`.
"""

import hashlib
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategies.filters.declared import has_threshold, needs
from strategies.filters.nearest import points_from
from strategies.filters.points import Filter, Metric, Points, Removed, Tree
from strategies.pool import Neighbors
from strategies.tie_keys import tie_keys

Check = Callable[[Filter], None]
Mask = NDArray[np.bool_]
N = 60
NEAR = 1e-5  # distances may be summed up in another order
OPTIONAL = ("classes", "contents")


def check_filter(filter: Filter) -> None:
    """Run every check; an AssertionError says which promise is broken.

    Parameters
    ----------
    filter : the filter under test, able to work on `toy_points`
    """
    for check in CHECKS:
        check(filter)


def toy_points(
    n: int = N, *, metric: Metric = "cosine", n_distinct: int = N, order: Any = None
) -> Points:
    """Return samples in three classes, the last small; some are copies of others.

    Parameters
    ----------
    metric : "cosine" or "euclidean"
    n_distinct : samples after which they repeat; a tenth always does
    order : in which they are given, a permutation; their names stay with them
    """
    rng = np.random.default_rng(0)
    classes = np.repeat([2, 1, 0], [n // 10, n - n // 2 - n // 10, n // 2])
    vectors = rng.standard_normal((3, 6))[classes] + 0.5 * rng.standard_normal((n, 6))
    vectors = vectors.astype(np.float32)
    copies = np.arange(n) % max(1, min(n_distinct, n - n // 10))
    vectors, classes = vectors[copies], classes[copies]
    digests = b"".join(hashlib.sha256(vector.tobytes()).digest() for vector in vectors)
    contents = np.frombuffer(digests, np.uint8).reshape(n, 32)
    keys = tie_keys(str(one) for one in range(n))
    order = np.arange(n) if order is None else order
    return points_from(
        vectors[order],
        keys[order],
        metric=metric,
        k=12,
        classes=classes[order],
        contents=contents[order],
    )


def as_many_go_as_were_asked_for(filter: Filter) -> None:
    """Check that exactly so many distinct living samples go, each with a receipt."""
    for points in _all_kinds():
        alive = np.ones(len(points.vectors), np.bool_)
        tree = filter.build(points)
        for n_remove in _numbers(tree, alive):
            _assert_valid(points, alive, n_remove, tree.remove(alive, n_remove))


def only_the_living_go(filter: Filter) -> None:
    """Check that what other filters removed neither goes again nor stands for anything."""
    for points in _all_kinds():
        tree = filter.build(points)
        for seed, n_alive in ((1, 40), (2, 7), (3, 2), (4, 1), (5, 0)):
            alive = np.zeros(len(points.vectors), np.bool_)
            alive[np.random.default_rng(seed).permutation(len(alive))[:n_alive]] = True
            for n_remove in _numbers(tree, alive):
                _assert_valid(points, alive, n_remove, tree.remove(alive, n_remove))


def few_and_equal_samples_are_no_exception(filter: Filter) -> None:
    """Check one, two and three samples, and samples that are all alike."""
    few = [toy_points(n) for n in (1, 2, 3)]
    for points in (*few, toy_points(n_distinct=1), toy_points(metric="euclidean", n_distinct=1)):
        alive = np.ones(len(points.vectors), np.bool_)
        tree = filter.build(points)
        for n_remove in _numbers(tree, alive):
            _assert_valid(points, alive, n_remove, tree.remove(alive, n_remove))


def impossible_numbers_are_refused(filter: Filter) -> None:
    """Check that fewer than none, or more than live, are a ValueError."""
    tree, alive = filter.build(toy_points()), np.ones(N, np.bool_)
    alive[:5] = False
    for n_remove in (-1, N - 4, N):
        assert _error(tree, alive, n_remove), f"{n_remove} of {N - 5} were removed"


def the_threshold_is_a_number_of_its_own(filter: Filter) -> None:
    """Check that None is refused, or removes what it removes with a receipt for each, always."""
    for points in _all_kinds():
        tree, alive = filter.build(points), np.ones(N, np.bool_)
        if _error(tree, alive, None):
            assert not has_threshold(filter), "None is refused; declare has_threshold = False"
            continue
        found = tree.remove(alive, None)
        _assert_valid(points, alive, len(found.rows), found)
        _assert_equal(found, filter.build(points).remove(alive, None), "None, asked twice")


def nothing_is_left_to_chance(filter: Filter) -> None:
    """Check that a tree that is built again says the same."""
    points, alive = toy_points(), np.ones(N, np.bool_)
    for n_remove in _numbers(filter.build(points), alive):
        first, second = (filter.build(points).remove(alive, n_remove) for _ in range(2))
        _assert_equal(first, second, "two trees of the same points")


def trees_remember_nothing(filter: Filter) -> None:
    """Check that an answer does not depend on what was asked before: sliders go to and fro."""
    points, alive = toy_points(), np.ones(N, np.bool_)
    used = filter.build(points)
    numbers = _numbers(used, alive)
    some = alive.copy()
    some[::7] = False
    for n_remove in _numbers(used, some):
        used.remove(some, n_remove)
    for n_remove in (*numbers, *reversed(numbers)):
        fresh = filter.build(points).remove(alive, n_remove)
        _assert_equal(used.remove(alive, n_remove), fresh, "a used and a fresh tree")


def order_does_not_matter(filter: Filter) -> None:
    """Check that the same samples go, in the same order and for the same reason, when shuffled."""
    order = np.random.default_rng(5).permutation(N)
    for metric, n_distinct in _KINDS:
        points = toy_points(metric=metric, n_distinct=n_distinct)
        others = toy_points(metric=metric, n_distinct=n_distinct, order=order)
        tree, other_tree = filter.build(points), filter.build(others)
        alive = np.ones(N, np.bool_)
        for n_remove in _numbers(tree, alive):
            found, other = tree.remove(alive, n_remove), other_tree.remove(alive, n_remove)
            names, other_names = points.order[found.rows], order[others.order[other.rows]]
            assert np.array_equal(names, other_names), "shuffled samples: others went"
            _assert_equal(found, other, "shuffled samples")


def inputs_are_left_unchanged(filter: Filter) -> None:
    """Check that neither the points nor the mask are written to, nor the answer by the next."""
    points, alive = toy_points(), np.ones(N, np.bool_)
    alive[::5] = False
    before, was_alive = _copies(points), alive.copy()
    tree = filter.build(points)
    for n_remove in _numbers(tree, alive):
        found = tree.remove(alive, n_remove)
        kept = Removed(
            found.rows.copy(),
            found.because_of.copy(),
            found.distances.copy(),
            found.scores.copy(),
        )
        for name in Removed._fields:
            values = getattr(found, name)
            if values.flags.writeable:
                values[:] = 0  # whoever asked may do so
        _assert_equal(tree.remove(alive, n_remove), kept, "an answer, after its arrays were used")
    assert np.array_equal(alive, was_alive), "the mask of the living was written to"
    for name, array in _copies(points).items():
        assert np.array_equal(array, before[name]), f"points.{name} was written to"


def missing_arrays_are_named(filter: Filter) -> None:
    """Check that a filter works without an optional array, or names it in a ValueError."""
    for name in OPTIONAL:
        without: dict[str, Any] = {name: None}
        try:
            tree = filter.build(replace(toy_points(), **without))
        except ValueError as error:
            assert f"points.{name}" in str(error), f"points.{name} is missing, but: {error}"
            assert name in needs([filter]), f"points.{name} is needed; declare it in needs"
        else:
            for n_remove in _numbers(tree, np.ones(N, np.bool_)):
                tree.remove(np.ones(N, np.bool_), n_remove)


def progress_is_a_share(filter: Filter) -> None:
    """Check that what is told of the work done is in [0, 1] and does not fall."""
    told: list[float] = []
    filter.build(toy_points(), progress=told.append)
    assert told == sorted(told) and all(0 <= one <= 1 for one in told), f"progress: {told}"


def the_reason_is_a_word(filter: Filter) -> None:
    """Check that a receipt can name the filter."""
    assert filter.reason and not set(filter.reason) & set(" ,;\n"), f"{filter.reason!r}: no word"


def removals_are_nested(filter: Filter) -> None:
    """Check that what goes for a number goes for every larger one; a promise of some filters."""
    for points in _all_kinds():
        tree, alive = filter.build(points), np.ones(N, np.bool_)
        alive[::9] = False
        before: set[int] = set()
        for n_remove in range(max(_numbers(tree, alive)) + 1):
            rows = set(tree.remove(alive, n_remove).rows.tolist())
            assert before <= rows, f"{before - rows} went for {n_remove - 1}, not for {n_remove}"
            before = rows


CHECKS: tuple[Check, ...] = (
    as_many_go_as_were_asked_for,
    only_the_living_go,
    few_and_equal_samples_are_no_exception,
    impossible_numbers_are_refused,
    the_threshold_is_a_number_of_its_own,
    nothing_is_left_to_chance,
    trees_remember_nothing,
    order_does_not_matter,
    inputs_are_left_unchanged,
    missing_arrays_are_named,
    progress_is_a_share,
    the_reason_is_a_word,
)
_KINDS: tuple[tuple[Metric, int], ...] = (("cosine", N), ("euclidean", N), ("cosine", 5))


def _all_kinds() -> list[Points]:
    return [toy_points(metric=metric, n_distinct=n_distinct) for metric, n_distinct in _KINDS]


def _numbers(tree: Tree, alive: Mask) -> list[int]:
    """Return numbers from none to all; those a threshold finds, where it must not be exceeded."""
    most = int(alive.sum())
    if _error(tree, alive, most):
        found = tree.remove(alive, None)
        most = len(found.rows)
    return sorted({n for n in (0, 1, 2, most // 2, most - 1, most) if 0 <= n <= most})


def _error(tree: Tree, alive: Mask, n_remove: int | None) -> str:
    try:
        tree.remove(alive, n_remove)
    except ValueError as error:
        return str(error)
    return ""


def _assert_valid(points: Points, alive: Mask, n_remove: int, found: Removed) -> None:
    kinds = {"rows": "int64", "because_of": "int64", "distances": "float32", "scores": "float32"}
    for name, kind in kinds.items():
        array = getattr(found, name)
        assert array.shape == (n_remove,), f"{name}: {array.shape} for n_remove={n_remove}"
        assert array.dtype == kind, f"{name} are {array.dtype}, not {kind}"
    assert len(np.unique(found.rows)) == n_remove, f"rows repeat: {found.rows}"
    assert alive[found.rows].all(), "a row that is not alive was removed"
    stays = alive.copy()
    stays[found.rows] = False
    named = found.because_of >= 0
    assert (found.because_of >= -1).all(), "because_of is below -1"
    assert stays[found.because_of[named]].all(), "because_of does not stay"
    true = _distances(points, found.rows[named], found.because_of[named])
    assert np.allclose(found.distances[named], true, atol=NEAR), "distances are not the metric's"
    assert np.isnan(found.distances[~named]).all(), "a distance to nothing is a number"


def _distances(points: Points, rows: Any, others: Any) -> NDArray[np.float64]:
    left, right = points.vectors[rows].astype(float), points.vectors[others].astype(float)
    distances: NDArray[np.float64]
    if points.metric == "euclidean":
        distances = np.sqrt(np.square(left - right).sum(axis=1))
    else:
        distances = 1 - (left * right).sum(axis=1)
    return distances


def _assert_equal(found: Removed, other: Removed, what: str) -> None:
    for name in Removed._fields:
        values, others = getattr(found, name), getattr(other, name)
        same = np.array_equal(values, others, equal_nan=values.dtype.kind == "f")
        assert same, f"{what}: {name} differ, {values} and {others}"


def _copies(points: Points) -> dict[str, NDArray[Any]]:
    values = {field.name: getattr(points, field.name) for field in fields(points)}
    neighbors: Neighbors = values.pop("neighbors")
    values |= {f"neighbors.{name}": array for name, array in neighbors._asdict().items()}
    return {name: a.copy() for name, a in values.items() if isinstance(a, np.ndarray)}
