import numpy as np
import pytest
from numpy.typing import NDArray

from embeddings.neighbor_votes import Labels, Vectors, right_votes


def on_circle(*degrees: float) -> NDArray[np.float32]:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def slow_votes(
    vectors: Vectors, labels: Labels, folds: NDArray[np.int64], k: int, width: float
) -> NDArray[np.float64]:
    """Sample by sample, vote by vote."""
    right = np.zeros(len(vectors))
    for row in range(len(vectors)):
        squared = ((vectors.astype(np.float64) - vectors[row]) ** 2).sum(axis=1)
        others = [other for other in np.argsort(squared) if folds[other] != folds[row]][:k]
        weights = np.exp(-squared[others] / width)
        if labels.ndim == 1:
            votes = np.zeros(labels.max() + 1)
            for other, weight in zip(others, weights, strict=True):
                votes[labels[other]] += weight
            right[row] = votes.argmax() == labels[row]
            continue
        said = labels[others]
        yes = (weights[:, None] * (said == 1)).sum(axis=0)
        known = (weights[:, None] * (said >= 0)).sum(axis=0)
        asked = labels[row] >= 0
        good = ((2 * yes >= known) == (labels[row] == 1)) & (known > 0)
        right[row] = good[asked].mean()
    return right


@pytest.mark.parametrize("multi", [False, True])
@pytest.mark.parametrize("n_folds", [5, 1000])
def test_votes_are_those_of_a_slow_count(multi: bool, n_folds: int):
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(60, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels: Labels = rng.integers(3, size=60)
    if multi:
        labels = rng.integers(-1, 2, size=(60, 4)).astype(np.int8)
        labels[:, 0] = np.abs(labels[:, 0])  # something is known of each
    folds = np.arange(60) % n_folds
    found = right_votes(vectors, labels, folds, k=4, width=0.3)
    np.testing.assert_allclose(found, slow_votes(vectors, labels, folds, 4, 0.3))
    assert 0 < found.mean() < 1


def test_nobody_votes_for_itself_or_for_its_fold():
    vectors, labels = on_circle(0, 1, 90, 91), np.array([0, 1, 1, 0])
    alone = right_votes(vectors, labels, np.arange(4), k=1)
    assert alone.tolist() == [0, 0, 0, 0]
    in_pairs = right_votes(vectors, labels, np.array([0, 0, 1, 1]), k=1)
    assert in_pairs.tolist() == [0, 1, 1, 0]  # 0 and 90: nearest across are 90 and 1
    assert right_votes(vectors, labels, np.zeros(4, np.int64), k=1).tolist() == [0, 0, 0, 0]


def test_the_nearer_ones_weigh_more():
    vectors, labels = on_circle(0, 2, 40, 45), np.array([0, 0, 1, 1])
    assert right_votes(vectors, labels, np.arange(4), k=3, width=0.01)[0] == 1
    assert right_votes(vectors, labels, np.arange(4), k=3, width=100.0)[0] == 0


def test_far_from_everybody_the_nearest_still_vote():
    vectors, labels = on_circle(0, 120, 130, 140), np.array([0, 0, 1, 1])
    assert right_votes(vectors, labels, np.arange(4), k=1, width=1e-6)[0] == 1


def test_a_map_is_learned_from_the_other_folds_alone():
    vectors, labels = on_circle(0, 10, 20, 30, 40, 50), np.array([0, 1, 0, 1, 0, 1])
    folds = np.array([0, 0, 1, 1, 2, 2])
    seen: list[list[int]] = []

    def learn(some: Vectors, theirs: Labels):  # type: ignore[no-untyped-def]
        seen.append(np.round(np.degrees(np.arctan2(some[:, 1], some[:, 0]))).astype(int).tolist())
        assert len(theirs) == len(some)
        return lambda given: given

    right = right_votes(vectors, labels, folds, k=2, width=1.0, learn=learn)
    assert seen == [[20, 30, 40, 50], [0, 10, 40, 50], [0, 10, 20, 30]]
    assert np.array_equal(right, right_votes(vectors, labels, folds, k=2, width=1.0))
