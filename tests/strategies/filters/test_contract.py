"""Every registered filter keeps the contract, and the suite catches those that do not."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from strategies.filters import registry, testing
from strategies.filters.points import Filter, Points, Progress, Removed
from strategies.filters.receipts import checked_count, receipts
from strategies.filters.testing import CHECKS, Check, check_filter, toy_points

SHORT = "vaal?epochs=1&max_steps=2&rounds=2"  # what is learned does not matter here
TEXTS = [
    *(SHORT if name == "vaal" else name for name in registry.SHELF),
    "coreset?most=7",
    "semantic_dedup?eps=0.5&n_clusters=3",
    "divide_and_conquer?clusterer=spectral&filter=coreset&n_clusters=4",
    "divide_and_conquer?clusterer=hdbscan&filter=uniqueness&min_size=4",
    "divide_and_conquer?filter=semantic_dedup",
    "per_class?filter=coreset",
    "per_class?filter=adjacency",
    "per_class?filter=outliers",
]
NESTED = ["adjacency", "coreset", "exact_duplicates", "outliers", "semantic_dedup", "uniqueness"]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("text", TEXTS)
def test_registered_filters_keep_the_contract(text: str, check: Check) -> None:
    check(registry.make(text))


@pytest.mark.parametrize("text", [*NESTED, SHORT, "coreset?most=7"])
def test_what_goes_for_a_number_goes_for_every_larger_one(text: str) -> None:
    testing.removals_are_nested(registry.make(text))


@dataclass(frozen=True)
class LastRows:
    """Breaks nothing: the highest rows go, because of the nearest that stays."""

    reason: ClassVar[str] = "last"
    has_threshold: ClassVar[bool] = False

    def build(self, points: Points, *, progress: Progress | None = None) -> "LastRows.Tree":
        return self.Tree(points)

    @dataclass
    class Tree:
        points: Points

        def remove(self, alive: NDArray[np.bool_], n_remove: int | None) -> Removed:
            n_remove = checked_count("last", alive, n_remove)
            rows = np.flatnonzero(alive)[::-1][:n_remove].copy()
            kept = alive.copy()
            kept[rows] = False
            return receipts(self.points, rows, kept)


class OneTooFew(LastRows):
    class Tree(LastRows.Tree):
        def remove(self, alive: NDArray[np.bool_], n_remove: int | None) -> Removed:
            found = super().remove(alive, n_remove)
            return Removed(*(values[:-1] for values in found))


class Repeats(LastRows):
    class Tree(LastRows.Tree):
        def remove(self, alive: NDArray[np.bool_], n_remove: int | None) -> Removed:
            found = super().remove(alive, n_remove)
            return found._replace(rows=np.repeat(found.rows[:1], len(found.rows)))


class RemovesTheDead(LastRows):
    class Tree(LastRows.Tree):
        def remove(self, alive: NDArray[np.bool_], n_remove: int | None) -> Removed:
            checked_count("dead", alive, n_remove)
            return super().remove(np.ones_like(alive), n_remove)


class BlamesTheGone(LastRows):
    class Tree(LastRows.Tree):
        def remove(self, alive: NDArray[np.bool_], n_remove: int | None) -> Removed:
            found = super().remove(alive, n_remove)
            return found._replace(because_of=found.rows, distances=0 * found.distances)


class GuessesDistances(LastRows):
    class Tree(LastRows.Tree):
        def remove(self, alive: NDArray[np.bool_], n_remove: int | None) -> Removed:
            found = super().remove(alive, n_remove)
            return found._replace(distances=found.distances / 2)


class CutsShort(LastRows):
    class Tree(LastRows.Tree):
        def remove(self, alive: NDArray[np.bool_], n_remove: int | None) -> Removed:
            return super().remove(alive, min(max(n_remove or 0, 0), int(alive.sum())))


class OwnChance(LastRows):
    class Tree(LastRows.Tree):
        def remove(self, alive: NDArray[np.bool_], n_remove: int | None) -> Removed:
            n_remove = checked_count("chance", alive, n_remove)
            rows = np.random.default_rng().permutation(np.flatnonzero(alive))[:n_remove]
            kept = alive.copy()
            kept[rows] = False
            return receipts(self.points, rows, kept)


class Remembers(LastRows):
    @dataclass
    class Tree(LastRows.Tree):
        n_asked: int = 0

        def remove(self, alive: NDArray[np.bool_], n_remove: int | None) -> Removed:
            found = super().remove(alive, n_remove)
            self.n_asked += 1
            return found._replace(scores=np.full(len(found.rows), self.n_asked, np.float32))


class GoesByGivenRows(LastRows):
    class Tree(LastRows.Tree):
        def remove(self, alive: NDArray[np.bool_], n_remove: int | None) -> Removed:
            n_remove = checked_count("given", alive, n_remove)
            living = np.flatnonzero(alive)
            rows = living[np.argsort(self.points.order[living])][:n_remove]
            kept = alive.copy()
            kept[rows] = False
            return receipts(self.points, rows, kept)


class WritesToAlive(LastRows):
    class Tree(LastRows.Tree):
        def remove(self, alive: NDArray[np.bool_], n_remove: int | None) -> Removed:
            found = super().remove(alive, n_remove)
            alive[found.rows] = False
            return found


class HandsOutItsOwn(LastRows):
    class Tree(LastRows.Tree):
        def remove(self, alive: NDArray[np.bool_], n_remove: int | None) -> Removed:
            found = super().remove(alive, n_remove)
            self.ones: Any = getattr(self, "ones", np.ones(len(alive), np.float32))
            return found._replace(scores=self.ones[: len(found.rows)])


class NamesNothing(LastRows):
    def build(self, points: Points, *, progress: Progress | None = None) -> LastRows.Tree:
        if points.classes is None:
            raise ValueError("something is missing")
        return super().build(points)


class NeedsSilently(LastRows):
    def build(self, points: Points, *, progress: Progress | None = None) -> LastRows.Tree:
        if points.classes is None:
            raise ValueError("points.classes is missing")
        return super().build(points)


class RefusesSilently(LastRows):
    has_threshold: ClassVar[bool] = True


class CountsToHundred(LastRows):
    def build(self, points: Points, *, progress: Progress | None = None) -> LastRows.Tree:
        if progress is not None:
            progress(100.0)
        return super().build(points)


class Chatty(LastRows):
    reason: ClassVar[str] = "it was last"


class SeesNoFew(LastRows):
    def build(self, points: Points, *, progress: Progress | None = None) -> LastRows.Tree:
        if len(points.vectors) < 3:
            raise AssertionError("there are always three")
        return super().build(points)


class BlamesByThreshold(LastRows):
    class Tree(LastRows.Tree):
        def remove(self, alive: NDArray[np.bool_], n_remove: int | None) -> Removed:
            found = super().remove(alive, 5 if n_remove is None else n_remove)
            return found._replace(because_of=found.rows) if n_remove is None else found


def test_the_filter_that_the_others_are_made_from_breaks_nothing() -> None:
    check_filter(LastRows())
    testing.removals_are_nested(LastRows())


@pytest.mark.parametrize(
    ("filter", "check"),
    [
        (OneTooFew(), testing.as_many_go_as_were_asked_for),
        (Repeats(), testing.as_many_go_as_were_asked_for),
        (RemovesTheDead(), testing.only_the_living_go),
        (BlamesTheGone(), testing.as_many_go_as_were_asked_for),
        (GuessesDistances(), testing.as_many_go_as_were_asked_for),
        (CutsShort(), testing.impossible_numbers_are_refused),
        (OwnChance(), testing.nothing_is_left_to_chance),
        (Remembers(), testing.trees_remember_nothing),
        (GoesByGivenRows(), testing.order_does_not_matter),
        (WritesToAlive(), testing.inputs_are_left_unchanged),
        (HandsOutItsOwn(), testing.inputs_are_left_unchanged),
        (NeedsSilently(), testing.missing_arrays_are_named),
        (RefusesSilently(), testing.the_threshold_is_a_number_of_its_own),
        (NamesNothing(), testing.missing_arrays_are_named),
        (CountsToHundred(), testing.progress_is_a_share),
        (Chatty(), testing.the_reason_is_a_word),
        (SeesNoFew(), testing.few_and_equal_samples_are_no_exception),
        (BlamesByThreshold(), testing.the_threshold_is_a_number_of_its_own),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_suite_catches_broken_promises(filter: Filter, check: Check) -> None:
    with pytest.raises((AssertionError, ValueError)):
        check(filter)


def test_nesting_is_checked() -> None:
    with pytest.raises(AssertionError, match="went for"):
        testing.removals_are_nested(OwnChance())


def test_toy_points_hold_what_filters_stumble_over() -> None:
    points = toy_points()
    assert len(np.unique(points.vectors, axis=0)) == 54
    assert points.classes is not None
    assert np.bincount(points.classes).tolist() == [24, 24, 12]
