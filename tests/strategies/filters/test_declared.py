"""What filters say of themselves before the long work."""

import numpy as np
import pytest

from strategies.filters import registry
from strategies.filters.declared import has_threshold, least_neighbors, needs
from strategies.filters.nearest import points_from
from tests.curation.toys_filters import FirstToLast


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("semantic_dedup", True),
        ("exact_duplicates", True),
        ("outliers", False),
        ("per_class?filter=semantic_dedup", True),
        ("per_class?filter=coreset", False),
        ("divide_and_conquer?filter=per_class?filter=vaal", False),
    ],
)
def test_a_filter_that_works_by_another_has_a_threshold_where_that_one_has(
    text: str, wanted: bool
) -> None:
    assert has_threshold(registry.make(text)) == wanted


def test_filters_together_need_what_each_of_them_needs() -> None:
    texts = ["divide_and_conquer?filter=per_class", "per_class?filter=exact_duplicates", "coreset"]
    assert needs(map(registry.make, texts)) == {"classes", "contents"}
    texts = ["uniqueness", "per_class?filter=outliers?min_samples=20", "outliers"]
    assert least_neighbors(map(registry.make, texts)) == 20


def test_a_filter_need_not_say_anything() -> None:
    assert has_threshold(FirstToLast())
    for filters in ([FirstToLast()], []):
        assert least_neighbors(filters) == 0 and needs(filters) == set()


@pytest.mark.parametrize("text", ["uniqueness", "outliers?min_samples=9"])
def test_as_many_neighbors_as_declared_suffice_and_fewer_do_not(text: str) -> None:
    filter = registry.make(text)
    k = least_neighbors([filter])
    vectors = np.random.default_rng(0).normal(size=(30, 4))
    enough, too_few = (points_from(vectors, np.arange(30), k=n) for n in (k, k - 1))
    filter.build(enough)
    with pytest.raises(ValueError, match="neighbors"):
        filter.build(too_few)
