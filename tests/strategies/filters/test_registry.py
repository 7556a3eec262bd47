"""From text to filters and back."""

import numpy as np
import pytest

from strategies.filters import registry
from strategies.filters.coreset import Coreset
from strategies.filters.divide_and_conquer import DivideAndConquer
from strategies.filters.per_class import PerClass
from strategies.filters.points import Filter
from strategies.filters.semantic_dedup import SemanticDedup

MADE: list[tuple[str, Filter]] = [
    ("coreset?most=100", Coreset(most=100)),
    ("semantic_dedup?eps=0.1&n_clusters=3", SemanticDedup(eps=0.1, n_clusters=3)),
    ("per_class?filter=coreset", PerClass(Coreset())),
    ("per_class?filter=coreset?most=5", PerClass(Coreset(most=5))),
    (
        "divide_and_conquer?clusterer=hdbscan&filter=uniqueness&min_size=5",
        DivideAndConquer("hdbscan", "uniqueness", min_size=5),
    ),
]


@pytest.mark.parametrize(("text", "filter"), MADE, ids=[text for text, _ in MADE])
def test_text_and_filter_are_made_from_each_other(text: str, filter: Filter) -> None:
    assert registry.make(text) == filter
    assert registry.describe(filter) == text


@pytest.mark.parametrize("name", registry.SHELF)
def test_every_name_on_the_shelf_is_made_and_called_by_it(name: str) -> None:
    assert registry.describe(registry.make(name)) == name


def test_an_unknown_name_lists_the_known_ones_the_nearest_first() -> None:
    with pytest.raises(ValueError, match="no filter is called 'simlars'; known: similars, "):
        registry.make("simlars")
    with pytest.raises(ValueError, match="filter 'per_class': no filter is called 'corset'; kn"):
        registry.make("per_class?filter=corset")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("coreset?most=some", "filter 'coreset': most='some' does not fit; give a whole number"),
        ("uniqueness?k=3", "filter 'uniqueness': there is no setting 'k'; it has none"),
        ("coreset?most", "filter 'coreset': setting 'most' has no value"),
        ("semantic_dedup?eps=9", "filter 'semantic_dedup': eps=9.0 is no cosine distance"),
    ],
)
def test_what_does_not_fit_is_said(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        registry.make(text)


class NoFilter:
    """Makes something that is no filter."""


def test_strangers_are_neither_made_nor_described(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="int is neither on the shelf"):
        registry.describe(np.int64(3).item())
    monkeypatch.setattr(registry, "load", lambda name: NoFilter)
    with pytest.raises(ValueError, match="makes a NoFilter, which is no filter"):
        registry.make("dict")
