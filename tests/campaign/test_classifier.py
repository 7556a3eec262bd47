"""The posterior against the formula, written out."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from al_server.campaign.loop import Loop
from al_server.campaign.pool_building import SMOOTHING
from al_server.models import Label as LabelName
from al_server.models import PredictIn
from strategies.kernels.distances import cosine_distances
from tests.campaign.conftest import MakeToy
from tests.toys_campaign import CLASSES, grid_vectors, lease, say, undo


def voters(loop: Loop, row: int) -> list[tuple[float, int]]:
    """(weight, row) of the k nearest labeled samples, itself included if it is labeled."""
    pool, k = loop.pool, loop.spec.k
    distances = cosine_distances(pool.embeddings, pool.embeddings[row : row + 1])[0]
    labeled = np.flatnonzero(pool.book.labels >= 0)
    near = sorted(labeled, key=lambda other: (distances[other], pool.book.keys[other]))[:k]
    width = pool.votes.settings.width
    return [(math.exp(-2 * float(distances[other]) / width), int(other)) for other in near]


def posterior(loop: Loop, row: int) -> list[float]:
    """p_c = (sum of w_i [y_i = c] + a / C) / (sum of w_i + a)."""
    n_classes = loop.pool.book.n_classes
    votes = voters(loop, row)
    total = sum(weight for weight, _ in votes) + SMOOTHING
    labels = loop.pool.book.labels
    return [
        (sum(w for w, other in votes if labels[other] == c) + SMOOTHING / n_classes) / total
        for c in range(n_classes)
    ]


def posterior_multi(loop: Loop, row: int) -> list[float]:
    """One class against the rest, over those who were asked about it; the prior is 1/2."""
    targets = loop.pool.book.targets
    assert targets is not None
    found = []
    for c in range(loop.pool.book.n_classes):
        asked = [(w, other) for w, other in voters(loop, row) if targets[other, c] >= 0]
        yes = sum(w for w, other in asked if targets[other, c] == 1)
        found.append((yes + SMOOTHING / 2) / (sum(w for w, _ in asked) + SMOOTHING))
    return found


def margin(probabilities: Sequence[float]) -> float:
    first, second, *_ = [*sorted(probabilities, reverse=True), 0.0]
    return 1 - (first - second)


def label_some(loop: Loop, rng: np.random.Generator, n: int, *, multi: bool) -> None:
    for sample_id in rng.choice(loop.names.sample_ids, size=n, replace=False):
        label: LabelName = str(rng.choice(CLASSES))
        if multi:
            label = [name for name in CLASSES if rng.random() < 0.4]
        say(loop, str(sample_id), label)


@pytest.mark.parametrize("k", [1, 3, 100])
def test_every_row_is_voted_on_by_the_documented_formula(make_toy: MakeToy, k: int) -> None:
    loop = make_toy(30, k=k, classifier="knn").open()
    rng = np.random.default_rng(k)
    label_some(loop, rng, 12, multi=False)
    undo(loop, loop.names.sample_ids[int(loop.pool.book.labeled_rows()[0])])
    view = loop.pool.view()
    assert view.probabilities is not None and view.uncertainty is not None
    assert view.predicted is not None
    for row in range(30):
        expected = posterior(loop, row)
        assert view.probabilities[row] == pytest.approx(expected, rel=1e-6)
        assert view.uncertainty[row] == pytest.approx(margin(expected), abs=1e-6)
        assert view.predicted[row] == int(np.argmax(view.probabilities[row]))


@pytest.mark.parametrize("k", [1, 3, 100])
def test_several_classes_are_voted_on_one_by_one(make_toy: MakeToy, k: int) -> None:
    loop = make_toy(30, k=k, task="multi").open()
    label_some(loop, np.random.default_rng(k), 12, multi=True)
    loop.add_classes(["dogwood"])
    say(loop, "s1", ["dogwood"])
    say(loop, "s2", [])
    view = loop.pool.view()
    assert view.probabilities is not None and view.uncertainty is not None
    assert view.predicted is not None
    for row in range(30):
        expected = posterior_multi(loop, row)
        assert view.probabilities[row] == pytest.approx(expected, rel=1e-6)
        doubt = sum(1 - abs(2 * p - 1) for p in expected) / len(expected)
        assert view.uncertainty[row] == pytest.approx(doubt, abs=1e-6)
        assert view.predicted[row] == int(np.argmax(view.probabilities[row]))


def test_one_label_seen_from_far_away_computed_by_hand(make_toy: MakeToy) -> None:
    vectors = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    loop = make_toy(vectors, classifier="knn").open()
    assert loop.pool.votes.settings.width == 1.0  # too few neighbours to tell the pool's own scale
    say(loop, "s0", "beech")
    probabilities = loop.pool.view().probabilities
    assert probabilities is not None
    weight, share = math.exp(-2), 0.1 / 3
    assert probabilities[1] == pytest.approx(
        [share / (weight + 0.1), (weight + share) / (weight + 0.1), share / (weight + 0.1)]
    )
    assert probabilities[0] == pytest.approx([share / 1.1, (1 + share) / 1.1, share / 1.1])


def test_before_the_first_label_and_after_the_last_undo_nothing_is_believed(
    make_toy: MakeToy,
) -> None:
    loop = make_toy(10, classifier="knn").open()
    assert loop.pool.view().probabilities is None
    say(loop, "s1", "ash")
    assert loop.pool.view().probabilities is not None
    undo(loop, "s1")
    assert loop.pool.view().probabilities is None
    assert loop.pool.votes.beliefs.probabilities == pytest.approx(1 / 3)


def test_an_appended_class_takes_its_share_of_the_prior(make_toy: MakeToy) -> None:
    loop = make_toy(10, classifier="knn").open()
    say(loop, "s1", "ash")
    loop.add_classes(["dogwood", "elm"])
    view = loop.pool.view()
    assert view.probabilities is not None and view.n_classes == 5
    for row in range(10):
        assert view.probabilities[row] == pytest.approx(posterior(loop, row), rel=1e-6)


def test_a_campaign_of_one_class_is_sure_of_it(make_toy: MakeToy) -> None:
    loop = make_toy(6, classes=["ash"]).open()
    say(loop, "s1", "ash")
    view = loop.pool.view()
    assert view.probabilities is not None and view.uncertainty is not None
    assert view.probabilities.tolist() == [[1.0]] * 6
    assert view.uncertainty.tolist() == [0.0] * 6


def shuffled_toys(
    make_toy: MakeToy, vectors: NDArray[np.float32], **spec: object
) -> tuple[Loop, Loop, NDArray[np.int64]]:
    """The same samples twice, the second time in another order; row order[i] becomes row i."""
    order = np.random.default_rng(4).permutation(len(vectors))
    straight = make_toy(vectors, **spec)
    shuffled = make_toy(vectors[order], ids=[f"s{row}" for row in order], **spec)
    return straight.open(), shuffled.open(), order


@pytest.mark.parametrize(
    ("task", "classifier"), [("single", "knn"), ("single", "propagated"), ("multi", "knn")]
)
@pytest.mark.parametrize("strategy", ["mass", "in_class", "cdf_product", "margin"])
def test_the_order_of_the_rows_does_not_matter(
    make_toy: MakeToy, task: str, classifier: str, strategy: str
) -> None:
    vectors = grid_vectors(60, np.random.default_rng(0))
    spec = {"task": task, "classifier": classifier, "strategy": strategy}
    left, right, order = shuffled_toys(make_toy, vectors, **spec)
    assert left.pool.width == right.pool.width
    for step in range(25):
        (sample_id,) = lease(left)
        assert lease(right) == [sample_id]
        label = CLASSES[step % 3] if task == "single" else list(CLASSES[: step % 4])
        for loop in (left, right):
            say(loop, sample_id, label)
        if step % 5 == 4:
            for loop in (left, right):
                undo(loop, sample_id)
    ours, theirs = left.pool.view(), right.pool.view()
    for name in ("probabilities", "uncertainty", "predicted", "density", "cover_distance"):
        assert np.array_equal(getattr(ours, name)[order], getattr(theirs, name)), name


@pytest.mark.parametrize("task", ["single", "multi"])
def test_a_vector_from_outside_is_believed_what_its_twin_in_the_pool_is(
    make_toy: MakeToy, task: str
) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(30, 4)).astype(np.float32)
    campaign = make_toy(vectors, task=task, k=4, classifier="knn").open_campaign()
    try:
        label_some(campaign.loop, rng, 10, multi=task == "multi")
        outside = campaign.predict(PredictIn(embeddings=(vectors * 3).tolist())).predictions
        ids = [f"s{row}" for row in range(30)]
        inside = campaign.predict(PredictIn(sample_ids=ids)).predictions
        for ours, theirs in zip(outside, inside, strict=True):
            assert ours.label == theirs.label
            assert ours.probabilities == pytest.approx(theirs.probabilities, abs=1e-5)
            assert [near.sample_id for near in ours.neighbors] == [
                near.sample_id for near in theirs.neighbors
            ]
    finally:
        campaign.close()


def test_without_labels_predictions_are_the_prior(make_toy: MakeToy) -> None:
    campaign = make_toy(5).open_campaign()
    try:
        request = PredictIn(embeddings=[[1, 2, 3]])
        (outside,) = campaign.predict(request).predictions
        (inside,) = campaign.predict(PredictIn(sample_ids=["s0"])).predictions
        for prediction in (outside, inside):
            assert prediction.neighbors == []
            assert list(prediction.probabilities.values()) == pytest.approx([1 / 3] * 3)
        assert campaign.predict(PredictIn(embeddings=[])).predictions == []
    finally:
        campaign.close()
