"""From what people send to what is in the log."""

import numpy as np
import pytest

from al_server.campaign.loop import Loop
from al_server.errors import (
    ALError,
    BadInput,
    KeyReused,
    NothingToUndo,
    UnknownClass,
    UnknownSample,
)
from al_server.models import AnswerIn
from al_server.models import Label as LabelName
from tests.campaign.conftest import MakeToy
from tests.toys_campaign import grid_vectors, lease, say, undo


def answer(
    sample_id: str, label: LabelName | None, *, by: str = "ann", key: str | None = None
) -> AnswerIn:
    return AnswerIn(sample_id=sample_id, label=label, annotator=by, key=key)


def label_of(loop: Loop, sample_id: str) -> object:
    return loop.ledger.standing(loop.names.row(sample_id)).label


def test_an_answer_given_twice_is_recorded_once(make_toy: MakeToy) -> None:
    loop = make_toy(5).open()
    say(loop, "s1", "ash")
    seq = loop.seq
    say(loop, "s1", "ash")
    loop.record([answer("s1", "ash"), answer("s1", "ash")])
    assert loop.seq == seq
    say(loop, "s2", None)
    seq = loop.seq
    say(loop, "s2", None)
    assert loop.seq == seq


def test_a_key_counts_once_within_a_request_and_across_restarts(make_toy: MakeToy) -> None:
    toy = make_toy(5)
    loop = toy.open()
    loop.record([answer("s1", "ash", key="k"), answer("s1", "ash", key="k")])
    assert label_of(loop, "s1") == 0
    undo(loop, "s1")
    for either in (loop, toy.open()):
        seq = either.seq
        either.record([answer("s1", "ash", key="k")])
        assert either.seq == seq, "a late repetition does not bring back what was undone"


def test_a_key_that_came_with_another_answer_is_refused_and_loses_nothing(
    make_toy: MakeToy,
) -> None:
    toy = make_toy(5)
    loop = toy.open()
    loop.record([answer("s1", "ash", key="k")])
    for either in (loop, toy.open()):
        for other in (
            answer("s2", "ash", key="k"),
            answer("s1", "beech", key="k"),
            answer("s1", None, key="k"),
            answer("s1", "ash", by="bob", key="k"),
        ):
            with pytest.raises(KeyReused, match="'s1' by 'ann'"):
                either.record([answer("s3", "ash"), other])
        assert either.ledger.counts().n_answers == 1


def test_a_late_repetition_of_any_key_does_not_bring_back_what_was_undone(
    make_toy: MakeToy,
) -> None:
    toy = make_toy(5)
    loop = toy.open()
    for key in ("first", "second"):
        loop.record([answer("s1", "ash", key=key)])
    undo(loop, "s1")
    for either in (loop, toy.open()):
        either.record([answer("s1", "ash", key="second")])
        assert label_of(either, "s1") is None


def test_several_answers_in_one_request_are_taken_in_order(make_toy: MakeToy) -> None:
    loop = make_toy(5).open()
    loop.record([answer("s1", "ash"), answer("s1", "beech"), answer("s1", "ash")])
    assert label_of(loop, "s1") == 0
    loop.record([answer("s1", None), answer("s1", "cedar"), answer("s1", "cedar")])
    assert label_of(loop, "s1") == 2
    assert loop.ledger.counts().n_answers == 1


@pytest.mark.parametrize(
    ("bad", "error", "says"),
    [
        (answer("s9", "ash"), UnknownSample, "'s9'"),
        (answer("s1", "oak"), UnknownClass, "'oak'"),
        (answer("s1", ["ash"]), BadInput, "one class name"),
    ],
)
def test_of_answers_that_come_together_all_or_none_are_recorded(
    make_toy: MakeToy, bad: AnswerIn, error: type[ALError], says: str
) -> None:
    loop = make_toy(5).open()
    seq = loop.seq
    with pytest.raises(error, match=says) as caught:
        loop.record([answer("s2", "ash"), bad])
    assert caught.value.message.startswith("labels[1]: ")
    assert loop.seq == seq
    assert loop.ledger.answers == {}


def test_an_unknown_class_is_answered_with_those_there_are(make_toy: MakeToy) -> None:
    loop = make_toy(5).open()
    with pytest.raises(UnknownClass) as caught:
        loop.record([answer("s1", "oak")])
    assert "'ash', 'beech', 'cedar'" in caught.value.remedy


def test_multi_label_answers_are_sets(make_toy: MakeToy) -> None:
    loop = make_toy(5, task="multi").open()
    say(loop, "s1", ["cedar", "ash", "cedar"])
    assert label_of(loop, "s1") == (0, 2)
    seq = loop.seq
    say(loop, "s1", ["ash", "cedar"])
    assert loop.seq == seq
    with pytest.raises(BadInput, match="a list of class names"):
        loop.record([answer("s1", "ash")])


def test_a_multi_label_answer_repeated_says_no_to_the_classes_appended_since(
    make_toy: MakeToy,
) -> None:
    loop = make_toy(5, task="multi").open()
    say(loop, "s1", ["ash"])
    loop.add_classes(["dogwood"])
    targets = loop.pool.view().targets
    assert targets is not None and targets[1].tolist() == [1, 0, 0, -1]
    say(loop, "s1", ["ash"])
    targets = loop.pool.view().targets
    assert targets is not None and targets[1].tolist() == [1, 0, 0, 0]
    assert loop.ledger.counts().n_answers == 1


def test_answers_are_taken_for_samples_leased_to_somebody_else(make_toy: MakeToy) -> None:
    loop = make_toy(5).open()
    (sample_id,) = lease(loop, by="bob")
    say(loop, sample_id, "ash", by="ann")
    assert label_of(loop, sample_id) == 0
    assert loop.ledger.leases == {}, "nothing is left to answer"
    say(loop, sample_id, "beech", by="bob")
    assert label_of(loop, sample_id) == 0, "kept beside the first, which was earlier"
    assert len(loop.ledger.answers[loop.names.row(sample_id)]) == 2


def test_undo_takes_back_an_annotators_own_answer_alone(make_toy: MakeToy) -> None:
    loop = make_toy(5).open()
    say(loop, "s1", "ash", by="ann")
    with pytest.raises(NothingToUndo, match="'bob' has no answer on 's1'"):
        loop.undo(1, "bob", lease=False)
    assert loop.undo(1, "ann", lease=False) == 0
    with pytest.raises(NothingToUndo):
        loop.undo(1, "ann", lease=False)
    say(loop, "s1", None)
    assert loop.undo(1, "ann", lease=False) is None


def test_undo_with_lease_hands_the_sample_back_before_anybody_else_gets_it(
    make_toy: MakeToy,
) -> None:
    loop = make_toy(5).open()
    say(loop, "s1", "ash", by="ann")
    undo(loop, "s1", by="ann", lease=True)
    assert lease(loop, by="ann") == ["s1"]
    assert "s1" not in lease(loop, by="bob", n=9)


def test_an_undone_sample_that_somebody_else_has_is_not_handed_back(make_toy: MakeToy) -> None:
    loop = make_toy(5).open()
    (held,) = lease(loop, by="ann")
    say(loop, held, None, by="bob")  # a skip of what bob was never offered
    undo(loop, held, by="bob", lease=True)
    assert lease(loop, by="ann") == [held]
    assert held not in lease(loop, by="bob", n=9)


def test_an_undo_does_not_hand_out_more_than_the_budget(make_toy: MakeToy) -> None:
    loop = make_toy(5, budget=1).open()
    say(loop, "s1", None)
    say(loop, "s2", "ash")
    undo(loop, "s1", lease=True)
    assert loop.ledger.n_leases() == 0


@pytest.mark.parametrize(
    "sample_id", ["a/b/../c", "ü 後藤/😀", "100%2F", "line\nbreak", "'; drop table events; --"]
)
def test_ids_are_taken_as_they_are(make_toy: MakeToy, sample_id: str) -> None:
    toy = make_toy(grid_vectors(3, np.random.default_rng(0)), ids=["x", sample_id, "y"])
    loop = toy.open()
    say(loop, sample_id, "ash", by="ü/😀", key="ключ")
    for either in (loop, toy.open()):
        assert either.ledger.answers[1]["ü/😀"].label == 0
        assert set(either.ledger.keys) == {"ключ"}
