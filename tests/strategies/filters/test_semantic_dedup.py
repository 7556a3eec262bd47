"""SemDeDup against a slow loop."""

import numpy as np
import pytest

from strategies.filters.semantic_dedup import SemanticDedup, SemanticDedupTree
from strategies.filters.testing import toy_points
from strategies.k_means import k_means


def slow_cosines(vectors: np.ndarray, labels: np.ndarray, alive: np.ndarray) -> np.ndarray:
    cosines, exact = np.full(len(vectors), -1.0), vectors.astype(float)
    for label in set(labels.tolist()):
        rows = np.flatnonzero(labels == label)
        center = exact[rows].sum(axis=0)
        line = sorted(rows.tolist(), key=lambda row: (round(exact[row] @ center, 9), row))
        line = [row for row in line if alive[row]]
        for place, row in enumerate(line):
            for other in line[:place]:
                cosines[row] = max(cosines[row], exact[row] @ exact[other])
    return cosines


@pytest.mark.parametrize("n_clusters", [1, 4])
@pytest.mark.parametrize("n_distinct", [300, 100])
def test_duplicates_are_those_of_a_slow_loop(n_clusters: int, n_distinct: int) -> None:
    points = toy_points(300, n_distinct=n_distinct)
    labels = k_means(points.vectors, n_clusters, np.random.default_rng(0))
    tree = SemanticDedup(eps=0.02, n_clusters=n_clusters).build(points)
    for step in (300, 3):
        alive = np.ones(300, np.bool_)
        alive[step - 1 :: step] = False
        cosines = slow_cosines(points.vectors, labels, alive)
        found = tree.remove(alive, None)
        wanted = np.flatnonzero(alive & (cosines > 1 - 0.02))
        assert 0 < len(wanted) < 300
        assert sorted(found.rows.tolist()) == wanted.tolist()
        assert np.allclose(found.scores, cosines[found.rows], atol=1e-5)
        assert (np.diff(found.scores) <= 0).all()


def test_blocks_of_products_are_put_together() -> None:
    points = toy_points(1500)
    tree = SemanticDedup(n_clusters=1).build(points)
    assert isinstance(tree, SemanticDedupTree)
    (line,) = tree.lines
    vectors = points.vectors[line].astype(float)
    cosines = np.tril(vectors @ vectors.T, -1) - 2 * np.triu(np.ones((1500, 1500)))
    assert np.allclose(tree.cosines[line[1:]], cosines[1:].max(axis=1), atol=1e-5)
    given = (points.vectors[line[1:]] * points.vectors[tree.before[line[1:]]]).sum(axis=1)
    assert np.allclose(given, tree.cosines[line[1:]], atol=1e-5)
    assert tree.before[line[0]] == -1


def test_a_number_goes_past_the_threshold() -> None:
    points, alive = toy_points(), np.ones(60, np.bool_)
    tree = SemanticDedup(eps=1e-4).build(points)
    assert len(tree.remove(alive, None).rows) == 6
    assert len(tree.remove(alive, 59).rows) == 59


@pytest.mark.parametrize("settings", [{"eps": 0.0}, {"eps": 3.0}, {"n_clusters": 0}, {"seed": -1}])
def test_impossible_settings_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        SemanticDedup(**settings)  # type: ignore[arg-type]
