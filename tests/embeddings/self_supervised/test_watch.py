import numpy as np
import pytest

from embeddings.errors import EmbeddingError
from embeddings.self_supervised.measures import effective_rank, kept_neighbors, nearest
from embeddings.self_supervised.watch import Watch


def features(seed: int, n: int = 60, width: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, width)).astype(np.float32)


def test_the_effective_rank_counts_the_directions_in_use() -> None:
    corners = np.concatenate([np.eye(5), -np.eye(5)]).astype(np.float32)
    assert effective_rank(corners) == pytest.approx(5)
    assert effective_rank(corners @ np.diag([1, 1, 1, 0, 0]).astype(np.float32)) == pytest.approx(3)
    assert effective_rank(np.ones((10, 4), np.float32)) == 1


def test_neighbors_are_the_nearest_others_by_cosine_around_the_mean() -> None:
    given = features(0)
    centered = given - given.mean(axis=0)
    for row, found in enumerate(nearest(given, k=3)):
        cosines = [
            -2 if other == row else float(one @ centered[row] / np.linalg.norm(one))
            for other, one in enumerate(centered)
        ]
        assert set(found) == set(np.argsort(cosines)[-3:])


def test_kept_neighbors_do_not_depend_on_their_order() -> None:
    before = np.array([[1, 2], [0, 2]])
    assert kept_neighbors(before, before[:, ::-1]) == 1
    assert kept_neighbors(before, np.array([[2, 3], [3, 4]])) == 0.25


def test_a_training_is_over_when_its_graph_stood_still_twice() -> None:
    watch = Watch(stop_at=0.9)
    over = []
    for seed in (0, 1, 1, 2, 2, 2):
        watch.look(features(seed))
        over.append(watch.is_over)
    assert over == [False, False, False, False, False, True]


def test_a_graph_that_rests_before_it_counts_does_not_end_a_training() -> None:
    watch = Watch(stop_at=0.9)
    for may_end in (False, False, False, True):
        watch.look(features(0), may_end=may_end)
        assert not watch.is_over
    watch.look(features(0))
    assert watch.is_over


def test_features_that_say_the_same_of_every_image_are_a_collapse() -> None:
    with pytest.raises(EmbeddingError, match="collapsed") as caught:
        Watch(0.9).look(np.ones((20, 4), np.float32))
    assert "learning-rate" in caught.value.remedy


def test_features_that_are_not_finite_are_a_divergence() -> None:
    broken = features(0)
    broken[3, 2] = np.nan
    with pytest.raises(EmbeddingError, match="diverged"):
        Watch(0.9).look(broken)
