"""Incremental equals rebuilt: whatever people do, a start from the store ends up the same."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from al_server.campaign.classifier import Answers, Classifier
from al_server.campaign.loop import Loop
from al_server.models import AnswerIn, PredictionsIn
from al_server.models import Label as LabelName
from al_server.store.event_log import Event
from strategies.pool import PoolView
from tests.campaign.conftest import MakeToy
from tests.toys_campaign import CLASSES, ToyCampaign, grid_vectors, say, undo

N_OPERATIONS = 2000
ANNOTATORS = ("ann", "bob", "cleo", "dan")
HOLDOUT = (grid_vectors(40, np.random.default_rng(40)), [row % 3 for row in range(40)])


def assert_same_voters(left: Classifier, right: Classifier) -> None:
    for row in range(len(left.embeddings)):
        for ours, theirs in zip(left.neighbors_of(row), right.neighbors_of(row), strict=True):
            assert np.array_equal(ours, theirs)


def assert_same_votes(left: Answers, right: Answers) -> None:
    for ours, theirs in zip(left.beliefs, right.beliefs, strict=True):
        assert ours.tobytes() == theirs.tobytes()


def assert_same_view(left: PoolView, right: PoolView) -> None:
    for field in fields(PoolView):
        ours, theirs = getattr(left, field.name), getattr(right, field.name)
        if isinstance(ours, np.ndarray):
            assert ours.dtype == theirs.dtype, field.name
            assert ours.shape == theirs.shape, field.name
            assert ours.tobytes() == theirs.tobytes(), field.name
        elif field.name == "neighbors":
            assert left.neighbors is not None and right.neighbors is not None
            assert np.array_equal(left.neighbors.rows, right.neighbors.rows)
            assert np.array_equal(left.neighbors.distances, right.neighbors.distances)
        else:
            assert ours == theirs, field.name


def assert_rebuilt_is_the_same(toy: ToyCampaign, loop: Loop, *, forget_neighbors: bool) -> None:
    if forget_neighbors:
        (toy.folder / "pool" / "neighbors.npz").unlink()
    rebuilt = toy.open()
    picked = loop.peek()
    assert picked == rebuilt.peek()
    assert_same_view(loop.pool.view(), rebuilt.pool.view())
    assert_same_votes(loop.pool.votes, rebuilt.pool.votes)
    assert_same_voters(loop.pool.votes, rebuilt.pool.votes)
    assert loop.ledger.counts() == rebuilt.ledger.counts()
    assert loop.snapshot == rebuilt.snapshot
    assert loop.names.sample_ids == rebuilt.names.sample_ids
    assert loop.names.classes == rebuilt.names.classes
    assert ledger_of(loop) == ledger_of(rebuilt)
    assert len(loop.pool.index) == len(rebuilt.pool.index) == loop.pool.n_labeled
    if loop.pool.holdout is not None and rebuilt.pool.holdout is not None:
        assert_same_votes(loop.pool.holdout.votes, rebuilt.pool.holdout.votes)
        assert loop.pool.holdout.curve[-1:] == rebuilt.pool.holdout.curve[-1:]


def ledger_of(loop: Loop) -> dict[str, Any]:
    kept = {key: value for key, value in vars(loop.ledger).items() if key != "_n_by_status"}
    # the order in which second opinions are asked for is part of the promise
    return kept | {"order": list(loop.ledger._open)}


class People:
    """Does random things to a loop; every one of them is something a server does."""

    def __init__(self, toy: ToyCampaign, loop: Loop, rng: np.random.Generator) -> None:
        self.toy, self.loop, self.rng = toy, loop, rng
        self.n_added = 0
        shares = {
            self.label: 0.27,
            self.skip: 0.06,
            self.undo: 0.14,
            self.offer: 0.20,
            self.reserve: 0.04,
            self.answer_a_lease: 0.13,
            self.expire: 0.06,
            self.release: 0.02,
            self.renew: 0.02,
            self.retire: 0.01,
            self.set_predictions: 0.015,
            self.clear_predictions: 0.015,
            self.add_samples: 0.012,
            self.add_class: 0.008,
        }
        self._doings, self._shares = list(shares), list(shares.values())

    def do_something(self) -> None:
        self._doings[self.rng.choice(len(self._doings), p=self._shares)]()
        # sometimes the arrays lag behind, as they do while many answer at once
        if self.rng.random() < 0.7:
            self.loop.catch_up()
        elif self.loop.has_backlog():
            self.loop.work_off_one()

    def label(self) -> None:
        answers = [
            AnswerIn(
                sample_id=str(self.rng.choice(self.loop.names.sample_ids)),
                label=self._any_label(),
                annotator=self._anybody(),
            )
            for _ in range(self.rng.integers(1, 4))
        ]
        self.loop.record(answers)

    def skip(self) -> None:
        sample_id = str(self.rng.choice(self.loop.names.sample_ids))
        self.loop.record([AnswerIn(sample_id=sample_id, label=None, annotator=self._anybody())])

    def undo(self) -> None:
        given = [(row, who) for row, all_of in self.loop.ledger.answers.items() for who in all_of]
        if given:
            row, who = given[self.rng.integers(len(given))]
            self.loop.undo(row, who, lease=bool(self.rng.random() < 0.3))

    def offer(self) -> None:
        self.loop.offer(self._anybody(), int(self.rng.integers(1, 4)))

    def reserve(self) -> None:
        self.loop.reserve(self._anybody(), int(self.rng.integers(1, 4)), lease_s=60.0)

    def release(self) -> None:
        some = self.rng.integers(len(self.loop.names.sample_ids), size=5)
        self.loop.release(self._anybody(), some.tolist())

    def renew(self) -> None:
        self.loop.renew(self._anybody(), lease_s=60.0)

    def retire(self) -> None:
        self.loop.retire([int(self.rng.integers(len(self.loop.names.sample_ids)))])

    def answer_a_lease(self) -> None:
        held = self._leases()
        if held:
            who, row = held[self.rng.integers(len(held))]
            sample_id = self.loop.names.sample_ids[row]
            self.loop.record(
                [AnswerIn(sample_id=sample_id, label=self._any_label(), annotator=who)]
            )

    def expire(self) -> None:
        held = self._leases()
        if held:
            some = self.rng.choice(len(held), size=min(2, len(held)), replace=False)
            ended = [held[place] for place in some]
            self.loop.commit([Event("expire", row=row, annotator=who) for who, row in ended])

    def set_predictions(self) -> None:
        ids = self.loop.names.sample_ids
        n_said = len(ids) if self.rng.random() < 0.3 else int(self.rng.integers(1, len(ids)))
        said = self.rng.choice(ids, size=n_said, replace=False).tolist()
        values = self.rng.dirichlet(np.ones(len(self.loop.names.classes)), size=n_said)
        self.toy.set_predictions(
            self.loop, PredictionsIn(sample_ids=said, probabilities=values.tolist())
        )

    def clear_predictions(self) -> None:
        self.toy.set_predictions(self.loop, None)

    def add_samples(self) -> None:
        n_new = int(self.rng.integers(1, 6))
        ids = [f"later/{self.n_added + number} ü" for number in range(n_new)]
        self.n_added += n_new
        known = self.rng.integers(-1, 3, n_new).tolist() if self.rng.random() < 0.4 else None
        if self.toy.spec.task == "multi":
            known = None  # an .npz says one class a sample
        self.toy.add_samples(self.loop, grid_vectors(n_new, self.rng), ids, known)

    def add_class(self) -> None:
        self.loop.add_classes([f"class {len(self.loop.names.classes)}"])

    def _anybody(self) -> str:
        return str(self.rng.choice(ANNOTATORS))

    def _any_label(self) -> LabelName:
        classes = self.loop.names.classes
        if self.toy.spec.task == "single":
            return str(self.rng.choice(classes))
        return [name for name in classes if self.rng.random() < 0.3]

    def _leases(self) -> list[tuple[str, int]]:
        return [(who, row) for who, rows in self.loop.ledger.leases.items() for row in rows]


@pytest.mark.parametrize(
    "spec",
    [
        {"holdout": HOLDOUT, "k": 2},
        {"overlap": 3, "known": [0, 1, 2, *[-1] * 27], "strategy": "cdf_product"},
        {"task": "multi", "holdout": HOLDOUT, "k": 3},
        {"task": "multi", "overlap": 3, "strategy": "uniform"},
        {"budget": 40, "overlap": 2, "k": 1, "strategy": "entropy"},
        {"holdout": HOLDOUT, "classifier": "propagated", "strategy": "mass"},
        {"overlap": 2, "known": [0, 1, 2, *[-1] * 27], "classifier": "propagated"},
        {"k": 3, "strategy": "then?first=uniform&until=3&then=mass"},
        {"k": 3, "random_share": 0.4, "overlap": 2},
    ],
    ids=[
        "single",
        "overlap",
        "multi",
        "multi-overlap",
        "budget",
        "propagated",
        "propagated-overlap",
        "mass",
        "random-picks",
    ],
)
def test_a_fresh_start_from_the_store_has_the_same_arrays_and_the_same_next_pick(
    make_toy: MakeToy, spec: dict[str, Any]
) -> None:
    toy = make_toy(30, **spec)
    loop = toy.open()
    people = People(toy, loop, np.random.default_rng(2))
    for number in range(1, N_OPERATIONS + 1):
        people.do_something()
        if number % 100 == 0:
            assert_rebuilt_is_the_same(toy, loop, forget_neighbors=number % 300 == 0)
    assert people.n_added > 0
    assert len(loop.names.classes) > len(CLASSES)


@pytest.mark.parametrize("task", ["single", "multi"])
def test_undoing_everything_leads_back_to_the_untouched_pool(make_toy: MakeToy, task: str) -> None:
    toy = make_toy(25, task=task, holdout=HOLDOUT, k=3)
    untouched, loop = toy.open(), toy.open()
    rng = np.random.default_rng(1)
    ids = list(loop.names.sample_ids)
    for sample_id in ids:
        name = str(rng.choice(CLASSES))
        say(loop, sample_id, name if task == "single" else [name])
    assert loop.peek() is None
    for number, sample_id in enumerate(rng.permutation(ids)):
        undo(loop, str(sample_id))
        if number % 4 == 3:  # by then some lists have run short of entries
            assert_rebuilt_is_the_same(toy, loop, forget_neighbors=False)
    assert loop.pool.view().probabilities is None
    assert_same_view(loop.pool.view(), untouched.pool.view())
    assert_same_votes(loop.pool.votes, untouched.pool.votes)
    assert loop.peek() == untouched.peek()
    assert loop.pool.holdout is not None and loop.pool.holdout.curve == []


def test_a_class_that_nobody_was_asked_about_stays_unknown_after_a_restart(
    make_toy: MakeToy,
) -> None:
    toy = make_toy(12, task="multi")
    loop = toy.open()
    say(loop, "s1", ["ash"])
    loop.add_classes(["dogwood"])
    say(loop, "s2", ["beech"])
    for either in (loop, toy.open()):
        targets = either.pool.view().targets
        assert targets is not None
        assert targets[1].tolist() == [1, 0, 0, -1]
        assert targets[2].tolist() == [0, 1, 0, 0]
        assert targets[3].tolist() == [-1, -1, -1, -1]


def test_own_predictions_survive_growth_and_a_restart(make_toy: MakeToy) -> None:
    toy = make_toy(12)
    loop = toy.open()
    request = PredictionsIn(sample_ids=["s3", "s1"], probabilities=[[0, 1, 0], [0.5, 0, 0.5]])
    toy.set_predictions(loop, request)
    toy.add_samples(loop, grid_vectors(2, np.random.default_rng(0)), ["new 1", "new 2"])
    loop.add_classes(["dogwood"])
    for either in (loop, toy.open()):
        probabilities = either.pool.view().probabilities
        assert probabilities is not None
        assert probabilities[3].tolist() == [0, 1, 0, 0]
        assert probabilities[1].tolist() == [0.5, 0, 0.5, 0]
        assert probabilities[13].tolist() == [0.25] * 4


@pytest.mark.parametrize("n_samples", [1, 2, 21])
def test_the_smallest_pools_can_be_labeled_to_the_end(make_toy: MakeToy, n_samples: int) -> None:
    toy = make_toy(n_samples, classes=["ash"])
    loop = toy.open()
    for _ in range(n_samples):
        (row,) = loop.offer("ann", 1).rows
        say(loop, loop.names.sample_ids[row], "ash")
        assert_rebuilt_is_the_same(toy, loop, forget_neighbors=True)
    assert loop.offer("ann", 1).reason == "pool_exhausted"
    undo(loop, "s0")
    assert_rebuilt_is_the_same(toy, loop, forget_neighbors=False)
    assert loop.offer("bob", 1).rows == [0]


def test_an_old_view_of_the_embeddings_stays_readable_while_the_pool_grows(
    make_toy: MakeToy,
) -> None:
    toy = make_toy(10)
    loop = toy.open()
    old = loop.pool.view().embeddings
    copied = old.copy()
    toy.add_samples(
        loop, grid_vectors(500, np.random.default_rng(9)), [f"n{i}" for i in range(500)]
    )
    assert np.array_equal(old, copied)
    assert np.array_equal(loop.pool.view().embeddings[:10], copied)
