"""Per class: a filter inside of each class, so that no class vanishes."""

from dataclasses import dataclass
from typing import ClassVar

from strategies.filters import registry
from strategies.filters.divide_and_conquer import grow
from strategies.filters.points import Filter, Points, Progress, Tree


@dataclass(frozen=True)
class PerClass:
    """Each class loses its share of what is to go, by a filter that sees this class alone.

    Shares are by largest remainder, and a class keeps one sample at least as long as another has
    more. Classes may be known, or predicted: what a model takes a sample for is enough to keep
    classes from vanishing. Numbers below another need not remove a part of what that removes.

    Source: this project; the remedy for similars and outliers that remove whole classes. Time and
    memory: those of the filter on each class, with a neighbor graph of its own.

    Attributes
    ----------
    filter : filter, or its text
    """

    reason: ClassVar[str] = "in_class"
    needs: ClassVar[tuple[str, ...]] = ("classes",)
    filter: Filter | str = "similars"

    def __post_init__(self) -> None:
        """Make the filter."""
        object.__setattr__(self, "filter", registry.made(self.filter))

    def build(self, points: Points, *, progress: Progress | None = None) -> Tree:
        """Build the filter on each class.

        Raises
        ------
        ValueError
            If the points have no classes.
        """
        if points.classes is None:
            raise ValueError(
                "per_class needs points.classes; give points_from(..., classes=...) the class of "
                "each sample, known or predicted, or use divide_and_conquer, which finds clusters"
            )
        return grow(points, points.classes, registry.made(self.filter), progress)
