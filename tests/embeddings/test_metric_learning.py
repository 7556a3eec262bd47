import numpy as np
import pytest
from numpy.typing import NDArray

from embeddings.metric_learning import KINDS, Kind, cross_validated, fit_metric, learn_metric
from embeddings.neighbor_votes import right_votes


def noisy(
    n: int, *, loud: float, seed: int = 0, n_classes: int = 2
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Classes that differ in the last dimensions, beneath noise in the first ones."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(n_classes, size=n)
    told = np.eye(n_classes)[labels] + 0.1 * rng.normal(size=(n, n_classes))
    rows = np.hstack([loud * rng.normal(size=(n, 6)), told])
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32), labels


def test_it_is_taken_where_noise_hides_the_classes_and_helps_on_new_samples():
    vectors, labels = noisy(300, loud=3.0)
    metric = learn_metric(vectors[:150], labels[:150], seed=0)
    assert metric.reduction is not None and metric.kind in KINDS
    assert metric.gain.is_better
    folds = (np.arange(300) >= 150).astype(np.int64)
    before = right_votes(vectors, labels, folds, k=5)[150:].mean()
    after = right_votes(metric.reduction.apply(vectors), labels, folds, k=5)[150:].mean()
    assert after > before + 0.1


def test_labels_that_say_nothing_teach_nothing():
    taken = 0
    for seed in range(10):
        rng = np.random.default_rng([seed, 1])
        vectors, _ = noisy(60, loud=1.0, seed=seed)
        metric = learn_metric(vectors, rng.integers(2, size=60), seed=seed)
        taken += metric.reduction is not None
    assert taken <= 1


def test_where_all_is_clear_nothing_is_changed():
    vectors, labels = noisy(100, loud=0.01)
    metric = learn_metric(vectors, labels, seed=0)
    assert metric.reduction is None
    assert metric.gain.before == 1


@pytest.mark.parametrize(
    "labels", [np.zeros(0, np.int64), np.zeros(50, np.int64), np.arange(50), np.arange(10) % 2]
)
def test_too_few_labels_are_no_error(labels: NDArray[np.int64]):
    vectors = noisy(max(1, len(labels)), loud=1.0)[0][: len(labels)]
    metric = learn_metric(vectors, labels, seed=0)
    assert (metric.reduction, metric.kind, metric.gain.n) == (None, None, 0)


def test_a_class_with_one_sample_is_no_error():
    vectors, labels = noisy(60, loud=1.0)
    labels[0] = 2
    assert learn_metric(vectors, labels, seed=0).gain.n == 60


def test_samples_of_one_group_do_not_vouch_for_each_other():
    rng = np.random.default_rng(0)
    originals = rng.normal(size=(60, 40)).astype(np.float32)
    originals /= np.linalg.norm(originals, axis=1, keepdims=True)
    labels = np.repeat(rng.permutation(60) % 2, 3)  # of chance: only copies know them
    groups, vectors = np.repeat(np.arange(60), 3), np.repeat(originals, 3, axis=0)
    leaky = cross_validated(vectors, labels, np.arange(180), kind=None, seed=0)
    honest = cross_validated(vectors, labels, groups, kind=None, seed=0)
    assert leaky.mean() > 0.95 and honest.mean() < 0.7
    assert learn_metric(vectors, labels, groups=groups, seed=0).reduction is None


@pytest.mark.parametrize("kind", KINDS)
def test_scatter_inside_the_classes_is_evened_out(kind: Kind):
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 2000)
    rows = np.zeros((4000, 3))
    rows[:, 0] = 5
    rows[:, 1] = 0.8 * rng.normal(size=4000)
    rows[:, 2] = 0.1 * rng.normal(size=4000) + 0.3 * labels
    vectors = np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)
    mapped = fit_metric(vectors, labels, kind=kind)
    linear = (vectors - mapped._state["mean"]) @ mapped._state["projection"]
    before = vectors[labels == 0].std(axis=0)
    after = linear[labels == 0].std(axis=0)
    assert after[1] / after[2] < 0.5 * before[1] / before[2]


def test_more_dimensions_than_labels_are_no_error():
    rng = np.random.default_rng(0)
    labels = np.arange(24) % 3
    vectors = (np.eye(3, 200)[labels] + 0.05 * rng.normal(size=(24, 200))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for kind in KINDS:
        mapped = fit_metric(vectors, labels, kind=kind).apply(vectors)
        assert np.isfinite(mapped).all()
        assert right_votes(mapped, labels, np.arange(24), k=3).mean() == 1


def test_classes_without_scatter_are_no_error():
    vectors = np.repeat(np.eye(2, 5, dtype=np.float32), 15, axis=0)
    for kind in KINDS:
        assert np.isfinite(
            fit_metric(vectors, np.repeat([0, 1], 15), kind=kind).apply(vectors)
        ).all()


def test_equal_input_gives_an_equal_metric():
    vectors, labels = noisy(150, loud=3.0)
    first, again = (learn_metric(vectors, labels, seed=4) for _ in range(2))
    assert first.reduction is not None and again.reduction is not None
    assert (first.reduction.id, first.gain) == (again.reduction.id, again.gain)


def test_arrays_of_other_lengths_are_refused():
    vectors, labels = noisy(30, loud=1.0)
    with pytest.raises(ValueError, match="one row for each labeled sample"):
        learn_metric(vectors, labels[:-1], seed=0)
