"""A campaign with its writer thread, asked from many threads, on a disk that fills up."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from typing import Any

import numpy as np
import pytest

from al_server.campaign.campaign import Campaign
from al_server.errors import AlreadyExists, BadInput, NotReady, StorageFull, UnknownSample
from al_server.models import AnswerIn, PredictIn, PredictionsIn
from tests.campaign.conftest import MakeToy, Open
from tests.campaign.test_rebuild import assert_rebuilt_is_the_same, ledger_of
from tests.store.full_disk import full
from tests.toys_campaign import CLASSES, grid_vectors

LONG = "x" * 1000


def answer(sample_id: str, label: str | None = "ash", **more: Any) -> AnswerIn:
    return AnswerIn(sample_id=sample_id, label=label, **more)


def test_the_next_sample_reflects_every_answer_acknowledged_before(
    make_toy: MakeToy, open_: Open
) -> None:
    toy = make_toy(40)
    campaign, alone = open_(toy), make_toy(40).open()
    for step in range(30):
        (picked,) = campaign.next_batch(annotator="ann").samples
        (row,) = alone.offer("ann", 1).rows
        assert picked.sample_id == alone.names.sample_ids[row]
        given = [answer(picked.sample_id, CLASSES[step % 3], annotator="ann")]
        campaign.record_labels(given)
        alone.record(given)
        while alone.has_backlog():
            alone.work_off_one()


def test_annotators_in_many_threads_never_hold_the_same_sample(
    make_toy: MakeToy, open_: Open
) -> None:
    toy = make_toy(120)
    campaign = open_(toy)
    answered: list[str] = []
    lock = threading.Lock()

    def annotate(who: str) -> None:
        rng = np.random.default_rng(len(who))
        while batch := campaign.next_batch(annotator=who, n=int(rng.integers(1, 4))).samples:
            for picked in batch:
                campaign.record_labels(
                    [
                        answer(
                            picked.sample_id,
                            annotator=who,
                            key=f"{who} {picked.sample_id} {LONG}"[:200],
                        )
                    ]
                )
                campaign.record_labels([answer(picked.sample_id, annotator=who)])
                with lock:
                    answered.append(picked.sample_id)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(annotate, ["a" * n for n in range(1, 9)]))
    assert sorted(answered) == sorted(campaign.loop.names.sample_ids)
    assert all(len(answers) == 1 for answers in campaign.loop.ledger.answers.values())
    assert_rebuilt_is_the_same(toy, campaign.loop, forget_neighbors=False)


def test_on_a_full_disk_answers_are_refused_and_nothing_changes(
    make_toy: MakeToy, open_: Open
) -> None:
    toy = make_toy(300)
    campaign = open_(toy)
    campaign.record_labels([answer("s1")])
    ids = campaign.loop.names.sample_ids
    many = [answer(one, "beech", annotator=LONG[:200]) for one in ids]
    attempts: list[Callable[[], Any]] = [
        lambda: campaign.record_labels(many),
        lambda: campaign.add_classes([f"{n} {LONG[:190]}" for n in range(300)]),
        lambda: campaign.next_batch(annotator=LONG[:200], n=300),
    ]
    for attempt in attempts:
        campaign.progress()  # the backlog is done
        before = state_of(campaign)
        with full(toy.engine), pytest.raises(StorageFull, match="nothing was recorded"):
            attempt()
        campaign.progress()
        assert state_of(campaign) == before
    assert_rebuilt_is_the_same(toy, campaign.loop, forget_neighbors=False)
    for attempt in attempts[:2]:
        attempt()
    assert campaign.info().n_answers == 301
    assert_rebuilt_is_the_same(toy, campaign.loop, forget_neighbors=False)


def state_of(campaign: Campaign) -> dict[str, Any]:
    view = campaign.loop.pool.view()
    arrays = {name: array.tobytes() for name, array in vars(view).items()
              if isinstance(array, np.ndarray)}  # fmt: skip
    return deepcopy(ledger_of(campaign.loop)) | arrays | {
        "info": campaign.info(), "seq": campaign.loop.seq
    }  # fmt: skip


def test_a_bug_in_the_arrays_stops_the_campaign_but_not_the_log(
    make_toy: MakeToy, open_: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = make_toy(10)
    campaign = open_(toy)

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(campaign.loop.pool, "set_sample", broken)
    campaign.record_labels([answer("s1")])
    for ask in (
        lambda: campaign.next_batch(annotator="ann"),
        lambda: campaign.record_labels([answer("s2")]),
        campaign.progress,
    ):
        with pytest.raises(NotReady, match="ZeroDivisionError"):
            ask()
    assert toy.open().ledger.standing(1).label == 0, "what was acknowledged is in the log"


def test_a_class_that_is_there_already_is_refused(make_toy: MakeToy, open_: Open) -> None:
    campaign = open_(make_toy(5))
    for names in (["ash"], ["new", "new"], ["new", "beech"]):
        with pytest.raises(AlreadyExists):
            campaign.add_classes(names)
    assert campaign.add_classes(["dogwood", "ü"]).classes == [*CLASSES, "dogwood", "ü"]
    campaign.record_labels([answer("s1", "ü")])
    assert campaign.progress().class_counts["ü"] == 1


def test_predictions_of_ones_own_take_over_and_are_given_up_again(
    make_toy: MakeToy, open_: Open
) -> None:
    campaign = open_(make_toy(5))
    campaign.record_labels([answer("s1", "ash")])
    before = campaign.sample("s2").prediction
    said = PredictionsIn(sample_ids=["s2"], probabilities=[[0.1, 0.2, 0.7]])
    campaign.set_predictions(said)
    prediction = campaign.sample("s2").prediction
    assert prediction is not None
    assert prediction.label == "cedar" and prediction.probability == pytest.approx(0.7)
    (predicted,) = campaign.predict(PredictIn(sample_ids=["s2"])).predictions
    assert predicted.label == "cedar"
    rows = {row.sample_id: row for row in campaign.prediction_rows()}
    assert rows["s2"].label == "cedar" and "s1" not in rows and len(rows) == 4
    campaign.clear_predictions()
    assert campaign.sample("s2").prediction == before


@pytest.mark.parametrize(
    ("ids", "probabilities", "says"),
    [
        (["s1"], [[0.5, 0.5]], "2 numbers for 3 classes"),
        (["s1"], [[0.5, 0.5, 0.5]], "sum to 1"),
        (["s1"], [[float("nan"), 0.5, 0.5]], "from 0 to 1"),
        (["s1"], [[-0.5, 1.0, 0.5]], "from 0 to 1"),
        (["s1", "s2"], [[0, 0, 1]], "2 sample_ids, but 1 rows"),
        (["s1"], [[float("inf"), 0, 0]], "from 0 to 1"),
        (["s1", "s2", "s1"], [[0, 0, 1]] * 3, "1 sample_ids are named more than once: s1"),
    ],
)
def test_what_are_no_probabilities_is_refused(
    make_toy: MakeToy, open_: Open, ids: list[str], probabilities: list[list[float]], says: str
) -> None:
    campaign = open_(make_toy(5))
    with pytest.raises(BadInput, match=says):
        campaign.set_predictions(PredictionsIn(sample_ids=ids, probabilities=probabilities))
    assert campaign.sample("s1").prediction is None


@pytest.mark.parametrize(
    ("vectors", "says"),
    [
        ([[1, 2]], r"embeddings\[0\] has 2 numbers, this pool's have 3"),
        ([[1, 2, 3], [0, 0, 0]], r"embeddings\[1\] is all zeros"),
        ([[1, float("nan"), 3]], r"embeddings\[0\]"),
        ([[1, float("inf"), 3]], r"embeddings\[0\]"),
    ],
)
def test_vectors_that_do_not_fit_are_refused(
    make_toy: MakeToy, open_: Open, vectors: list[list[float]], says: str
) -> None:
    campaign = open_(make_toy(5))
    with pytest.raises(BadInput, match=says):
        campaign.predict(PredictIn(embeddings=vectors))


def test_a_prediction_is_of_samples_or_of_vectors(make_toy: MakeToy, open_: Open) -> None:
    campaign = open_(make_toy(5))
    for request in (PredictIn(), PredictIn(sample_ids=["s1"], embeddings=[[1, 2, 3]])):
        with pytest.raises(BadInput, match="either sample_ids or embeddings"):
            campaign.predict(request)
    with pytest.raises(UnknownSample, match="no sample 'nobody'"):
        campaign.predict(PredictIn(sample_ids=["nobody"]))


@pytest.mark.parametrize("n_samples", [1, 2, 30])
def test_similar_samples_come_nearest_first_without_the_sample_itself(
    make_toy: MakeToy, open_: Open, n_samples: int
) -> None:
    campaign = open_(make_toy(n_samples))
    similar = campaign.similar("s0", k=20).samples
    assert len(similar) == min(20, n_samples - 1)
    assert "s0" not in [one.sample_id for one in similar]
    distances = [one.distance for one in similar]
    assert distances == sorted(distances)


def test_the_curve_has_a_point_for_each_number_of_labels_and_undo_takes_it_back(
    make_toy: MakeToy, open_: Open
) -> None:
    vectors = np.eye(3, dtype=np.float32)
    toy = make_toy(vectors, holdout=(vectors[[0, 1, 1]], [0, 1, 1]))
    campaign = open_(toy)
    assert campaign.info().holdout_accuracy is None
    campaign.record_labels([answer("s0", "ash")])
    campaign.record_labels([answer("s1", "beech")])
    curve = campaign.progress().curve
    assert [(point.n_labeled, round(point.accuracy, 3)) for point in curve] == [(1, 0.333), (2, 1)]
    campaign.record_labels([answer("s1", "cedar")])
    assert campaign.progress().curve[-1].accuracy == pytest.approx(1 / 3)
    campaign.undo("s1", annotator="anonymous")
    assert [point.n_labeled for point in campaign.progress().curve] == [1]
    campaign.undo("s0", annotator="anonymous")
    assert campaign.progress().curve == []
    assert campaign.info().holdout_accuracy is None


def test_what_was_answered_is_listed_in_order_of_time_with_what_came_with_the_source(
    make_toy: MakeToy, open_: Open
) -> None:
    campaign = open_(make_toy(4, known=[1, -1, -1, -1], overlap=2))
    campaign.record_labels([answer("s2", "ash", annotator="ann", lead_time_s=1.5)])
    campaign.record_labels([answer("s2", None, annotator="bob"), answer("s1", "cedar")])
    rows = [(r.sample_id, r.annotator, r.label, r.known) for r in campaign.answer_rows()]
    assert rows == [
        ("s0", "", "beech", True),
        ("s2", "ann", "ash", False),
        ("s2", "bob", None, False),
        ("s1", "anonymous", "cedar", False),
    ]


def test_samples_that_are_there_already_are_passed_over(make_toy: MakeToy) -> None:
    toy = make_toy(5)
    loop = toy.open()
    n_new = toy.add_samples(
        loop, grid_vectors(3, np.random.default_rng(1)), ["s1", "new", "s2"], [0, 1, 2]
    )
    assert n_new == 1
    assert loop.names.sample_ids == ["s0", "s1", "s2", "s3", "s4", "new"]
    loop.catch_up()
    assert loop.pool.book.labels.tolist() == [-1, -1, -1, -1, -1, 1]
    assert toy.add_samples(loop, grid_vectors(1, np.random.default_rng(1)), ["s1"]) == 0
    assert_rebuilt_is_the_same(toy, loop, forget_neighbors=True)


def test_when_added_samples_do_not_fit_on_the_disk_the_pool_stays_as_it_was(
    make_toy: MakeToy,
) -> None:
    toy = make_toy(5)
    loop = toy.open()
    ids = [f"{LONG[:900]} {n}" for n in range(200)]
    vectors = grid_vectors(200, np.random.default_rng(1))
    with full(toy.engine), pytest.raises(StorageFull):
        toy.add_samples(loop, vectors, ids)
    assert loop.peek() == toy.open().peek()
    assert len(loop.names.sample_ids) == len(loop.pool.status) == 5
    assert toy.add_samples(loop, vectors, ids) == 200
    assert_rebuilt_is_the_same(toy, loop, forget_neighbors=True)
