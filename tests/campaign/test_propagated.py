"""The propagated classifier against its formula, solved as dense matrices."""

import numpy as np
import pytest
from numpy.typing import NDArray

from al_server.campaign import propagation_kernels as kernels
from al_server.campaign.classifier import LabelBook
from al_server.campaign.graph import N_LINKS, PoolGraph, make_graph, mass_of
from al_server.campaign.neighbors import pool_neighbors, vote_width
from al_server.campaign.propagated import BALANCE, PRIOR, Onlookers, Propagated
from al_server.models import AnswerIn, CampaignSpec, PredictIn, Source
from embeddings.index import HnswIndex
from tests.campaign.conftest import MakeToy
from tests.toys_campaign import CLASSES, say, undo

Floats = NDArray[np.floating]
NO_COLUMN = np.empty(0, np.float32)


def unit(vectors: Floats) -> NDArray[np.float32]:
    lengths: Floats = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / lengths, np.float32)


def make(n: int = 60, n_classes: int = 3, seed: int = 0) -> tuple[Propagated, LabelBook]:
    rng = np.random.default_rng(seed)
    vectors = unit(rng.normal(size=(n, 5)))
    keys = rng.permutation(n).astype(np.uint64)
    book = LabelBook(np.full(n, -1, np.int64), None, keys, n_classes)
    lists = pool_neighbors(vectors, keys)
    return Propagated(vectors, book, PoolGraph(lists, book, width=vote_width(lists))), book


def weights_of(vectors: Floats, width: float) -> tuple[Floats, Floats]:
    """Return the links of the 10 nearest, one-way, and the weights of all pairs."""
    distances = 1 - vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    np.fill_diagonal(distances, np.inf)
    near = np.zeros(distances.shape)
    for row, column in enumerate(np.argsort(distances, axis=1)[:, :N_LINKS]):
        near[row, column] = 1
    return near, np.exp(-distances / width)


def reach_of(classifier: Propagated) -> Floats:
    """Return pi_i as row i, by solving the whole system."""
    near, weights = weights_of(classifier.embeddings, classifier.graph.width)
    links = weights * np.maximum(near, near.T)
    roots = np.sqrt(links.sum(axis=1))
    spread = links / roots / roots[:, None]
    a = kernels.ALPHA
    return (1 - a) * np.linalg.inv(np.eye(len(links)) - a * spread)


def probabilities_of(classifier: Propagated, book: LabelBook, reach: Floats) -> Floats:
    """Write the formula out, given what each label sends to each row."""
    labeled, n_classes = book.labeled_rows(), book.n_classes
    seen = sorted({int(book.labels[row]) for row in labeled})
    sums = {
        c: sum((reach[row] for row in labeled if book.labels[row] == c), np.zeros(len(reach)))
        for c in seen
    }
    mean = np.mean([sums[c].sum() for c in seen])
    shares = np.full((len(reach), n_classes), PRIOR / n_classes)
    for c in seen:
        shares[:, c] += len(reach) * sums[c] / mean * (mean / sums[c].sum()) ** BALANCE
    shares /= shares.sum(axis=1, keepdims=True)
    centroids = {c: classifier.embeddings[labeled[book.labels[labeled] == c]].sum(0) for c in seen}
    cosines = np.stack(
        [classifier.embeddings @ (centroids[c] / np.linalg.norm(centroids[c])) for c in seen], 1
    ).astype(np.float64)
    odds = np.exp(cosines / cosines.std())
    odds /= odds.sum(axis=1, keepdims=True)
    shares[:, seen] += odds
    return shares / 2


def give(classifier: Propagated, book: LabelBook, row: int, label: int) -> None:
    book.labels[row] = label
    classifier.learn(row, NO_COLUMN)


def test_what_a_label_sends_is_that_of_the_whole_system() -> None:
    classifier, book = make()
    exact = reach_of(classifier)
    for row in (3, 7, 20):
        give(classifier, book, row, row % 3)
        pushed = classifier.reach[row % 3] / kernels.UNIT
        # what was not pushed on is less than the tolerance at each row, and spreads no further
        # than the whole system would spread it
        lost = exact[row] - pushed
        assert (lost > -1e-9).all()
        bound = kernels.TOLERANCE * (exact / (1 - kernels.ALPHA)).sum(axis=0)
        assert (lost < bound).all()
        book.labels[row] = -1
        classifier.forget(row)


def test_probabilities_are_those_of_the_formula() -> None:
    classifier, book = make()
    for row, label in ((3, 0), (7, 0), (20, 2), (41, 0)):  # nobody has said class 1
        give(classifier, book, row, label)
    reach = np.zeros((len(book.labels), len(book.labels)))
    for row in book.labeled_rows():
        other, empty = make()
        give(other, empty, int(row), 0)
        reach[row] = other.reach[0] / kernels.UNIT
    expected = probabilities_of(classifier, book, reach)
    beliefs = classifier.beliefs
    assert np.allclose(beliefs.probabilities, expected, atol=1e-5)
    assert np.allclose(beliefs.probabilities.sum(axis=1), 1, atol=1e-5)
    assert np.array_equal(beliefs.predicted, expected.argmax(axis=1))
    first, second = np.sort(expected, axis=1)[:, :-3:-1].T
    assert np.allclose(beliefs.uncertainty, 1 - (first - second), atol=1e-5)


def test_people_are_told_the_squares() -> None:
    classifier, book = make()
    give(classifier, book, 3, 0)
    give(classifier, book, 7, 1)
    believed = classifier.beliefs.probabilities
    told = classifier.told(believed)
    assert np.allclose(told, believed**2 / (believed**2).sum(axis=1, keepdims=True))
    assert np.array_equal(told.argmax(axis=1), believed.argmax(axis=1))


def test_appended_classes_change_what_a_rebuild_would() -> None:
    one, book = make()
    other, other_book = make(n_classes=5)
    for row, label in ((3, 0), (7, 1)):
        give(one, book, row, label)
        give(other, other_book, row, label)
    assert one.beliefs.probabilities.shape == (60, 3)
    book.n_classes = 5
    one.add_classes()
    for classifier, its in ((one, book), (other, other_book)):
        give(classifier, its, 20, 4)
    for ours, theirs in zip(one.beliefs, other.beliefs, strict=True):
        assert ours.tobytes() == theirs.tobytes()


@pytest.mark.parametrize("n_threads", [1, 2, 3, 7])
def test_labels_that_spread_at_once_are_those_that_spread_in_turn(n_threads: int) -> None:
    classifier, book = make()
    rng = np.random.default_rng(2)
    rows = rng.choice(60, 40, replace=False)
    classes = np.sort(rng.integers(3, size=40))
    for row, label in zip(rows.tolist(), classes.tolist(), strict=True):
        give(classifier, book, row, label)
    reach, totals = np.zeros_like(classifier.reach), np.zeros(3, np.int64)
    kernels.add_many_labels(classifier.graph.now(), rows, classes, n_threads, reach, totals)
    assert np.array_equal(reach, classifier.reach)
    assert np.array_equal(totals, reach.sum(axis=1))


def test_before_the_first_label_all_classes_are_as_likely() -> None:
    classifier, _ = make()
    assert np.allclose(classifier.beliefs.probabilities, 1 / 3)
    assert (classifier.beliefs.uncertainty == 1).all()


@pytest.mark.parametrize("seed", range(3))
def test_labels_in_any_order_and_undone_leave_the_same_bits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, book = make(seed=seed)
    other, other_book = make(seed=seed)
    rows = rng.choice(60, 20, replace=False).tolist()
    labels = {row: int(rng.integers(3)) for row in rows}
    for row in rows:
        give(one, book, row, labels[row])
    for row in sorted(rows):
        give(other, other_book, row, (labels[row] + 1) % 3)
        other_book.labels[row] = labels[row]
        other.relearn(row)
    for row in range(60):
        if row not in labels:
            give(other, other_book, row, 1)
            other_book.labels[row] = -1
            other.forget(row)
    assert np.array_equal(one.reach, other.reach)
    for ours, theirs in zip(one.beliefs, other.beliefs, strict=True):
        assert ours.tobytes() == theirs.tobytes()
    one.rebuild(np.arange(60))
    for ours, theirs in zip(one.beliefs, other.beliefs, strict=True):
        assert ours.tobytes() == theirs.tobytes()


def test_a_prediction_is_explained_by_the_labels_that_reach_it_most() -> None:
    classifier, book = make()
    for row in (3, 7, 20, 41):
        give(classifier, book, row, row % 3)
    exact = reach_of(classifier)
    for row in (0, 3, 50):
        rows, distances = classifier.neighbors_of(row)
        assert set(rows.tolist()) <= {3, 7, 20, 41}
        assert rows[0] == max((3, 7, 20, 41), key=lambda one: exact[one, row])
        apart = 1 - classifier.embeddings[rows] @ classifier.embeddings[row]
        assert np.allclose(distances, np.maximum(apart, 0), atol=1e-6)
        assert set(book.labels[rows]) <= {0, 1, 2}


def test_samples_from_outside_take_the_mean_of_their_neighbors() -> None:
    classifier, book = make()
    for row in (3, 7, 20, 41):
        give(classifier, book, row, row % 3)
    vectors = unit(np.random.default_rng(5).normal(size=(6, 5)))
    index = HnswIndex(5)
    assert [len(rows) for rows, _ in classifier.predict(vectors, index).voters] == [0] * 6
    index.add(np.array([3, 7, 20, 41]), classifier.embeddings[[3, 7, 20, 41]])
    beliefs, voters = classifier.predict(vectors, index)
    shares = np.zeros((6, 3))
    for place, vector in enumerate(vectors):
        distances = 1 - classifier.embeddings @ vector
        near = np.argsort(distances)[:N_LINKS]
        weights = np.exp(-distances[near] / classifier.graph.width)
        shares[place] = classifier.reach[:, near] @ weights / weights.sum()
    known = classifier.known()
    shares = shares * known.factors + PRIOR / 3
    odds = np.exp(known.steepness * vectors @ known.centroids.T)
    shares, odds = (one / one.sum(axis=1, keepdims=True) for one in (shares, odds))
    expected = (shares + odds) ** 2
    expected /= expected.sum(axis=1, keepdims=True)
    assert np.allclose(beliefs.probabilities, expected, atol=1e-4)
    for vector, (rows, _) in zip(vectors, voters, strict=True):
        distances = 1 - classifier.embeddings @ vector
        assert rows.tolist() == sorted([3, 7, 20, 41], key=distances.__getitem__)
    onlookers = Onlookers(vectors, classifier)
    assert np.array_equal(onlookers.beliefs.probabilities, beliefs.probabilities)


def test_mass_is_own_uncertainty_and_that_of_neighbors_in_both_directions() -> None:
    classifier, _ = make()
    near, weights = weights_of(classifier.embeddings, classifier.graph.width)
    weights = weights * near
    weights = weights / (2 * N_LINKS) / (weights.sum() / near.sum())
    values = np.random.default_rng(1).random(60).astype(np.float32)
    expected = values + (weights + weights.T) @ values
    assert np.allclose(mass_of(values, classifier.graph.now()), expected, atol=1e-5)


def test_the_order_of_the_rows_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    vectors, keys = unit(rng.normal(size=(50, 4))), rng.permutation(50).astype(np.uint64)
    values = rng.random(50).astype(np.float32)
    order = rng.permutation(50)
    lists, moved = pool_neighbors(vectors, keys), pool_neighbors(vectors[order], keys[order])
    masses = [
        mass_of(values, make_graph(lists, keys, width=0.1)),
        mass_of(values[order], make_graph(moved, keys[order], width=0.1)),
    ]
    assert np.array_equal(masses[0][order], masses[1])


def test_one_sample_and_samples_far_from_all_are_no_trouble() -> None:
    for n in (1, 2, 12):
        vectors = np.eye(12, dtype=np.float32)[:n]
        keys = np.arange(n, dtype=np.uint64)
        book = LabelBook(np.full(n, -1, np.int64), None, keys, 2)
        lists = pool_neighbors(vectors, keys)
        classifier = Propagated(vectors, book, PoolGraph(lists, book, width=1e-6))
        give(classifier, book, 0, 1)
        assert classifier.beliefs.predicted[0] == 1
        assert np.isfinite(classifier.beliefs.probabilities).all()
        assert np.isfinite(mass_of(classifier.beliefs.uncertainty, classifier.graph.now())).all()


def test_a_campaign_tells_of_pool_and_outside_alike(make_toy: MakeToy) -> None:
    toy = make_toy(30, classifier="propagated", strategy="mass")
    campaign = toy.open_campaign()
    try:
        campaign.record_labels(
            [AnswerIn(sample_id=f"s{row}", label=CLASSES[row % 3]) for row in range(8)]
        )
        vector = toy.open().pool.embeddings[9].tolist()
        (inside,) = campaign.predict(PredictIn(sample_ids=["s9"])).predictions
        (outside,) = campaign.predict(PredictIn(embeddings=[vector])).predictions
        for told in (inside, outside):
            assert sum(told.probabilities.values()) == pytest.approx(1, abs=1e-5)
            assert told.neighbors
    finally:
        campaign.close()


def test_undo_leads_back_to_the_untouched_pool(make_toy: MakeToy) -> None:
    toy = make_toy(25, classifier="propagated")
    untouched, loop = toy.open(), toy.open()
    for sample_id in loop.names.sample_ids[:9]:
        say(loop, sample_id, CLASSES[0])
    for sample_id in loop.names.sample_ids[:9]:
        undo(loop, sample_id)
    assert untouched.peek() == loop.peek()
    for ours, theirs in zip(untouched.pool.votes.beliefs, loop.pool.votes.beliefs, strict=True):
        assert np.array_equal(ours, theirs)


def test_several_labels_a_sample_are_refused() -> None:
    with pytest.raises(ValueError, match="one label a sample"):
        CampaignSpec(
            name="a",
            classes=["b"],
            source=Source(kind="npz", path="x.npz"),
            task="multi",
            classifier="propagated",
        )
