"""Who holds, answered and skipped what, and what that makes of a sample."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from al_server.campaign.ledger import Ledger, Standing
from al_server.store.event_log import Event, StoredLabel
from strategies.pool import Status

A, B, C = "ann", "bob", "cleo"


def ledger(*events: Event, overlap: int = 1, n_classes: int = 3) -> Ledger:
    made = Ledger(overlap=overlap)
    start = [
        Event("classes", data={"names": [f"class {number}" for number in range(n_classes)]}),
        Event("samples", data={"first": 0, "n": 5}),
    ]
    for seq, event in enumerate([*start, *events], start=1):
        made.apply(replace(event, seq=seq, at=float(seq)))
    return made


def label(by: str | None, what: StoredLabel, row: int = 0, **more: Any) -> Event:
    return Event("label", row=row, annotator=by, label=what, **more)


def skip(by: str, row: int = 0) -> Event:
    return Event("skip", row=row, annotator=by)


def undo(by: str, row: int = 0) -> Event:
    return Event("undo", row=row, annotator=by)


def lease(by: str, row: int = 0, expires_at: float = 100.0) -> Event:
    return Event("lease", row=row, annotator=by, data={"expires_at": expires_at})


def expire(by: str, row: int = 0) -> Event:
    return Event("expire", row=row, annotator=by)


def labeled(what: int | tuple[int, ...], n_classes: int = 3) -> Standing:
    return Standing(Status.LABELED, what, n_classes)


PENDING, SKIPPED, UNLABELED = (
    Standing(status) for status in (Status.PENDING, Status.SKIPPED, Status.UNLABELED)
)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], UNLABELED),
        ([lease(A)], PENDING),
        ([lease(A), expire(A)], UNLABELED),
        ([lease(A), label(A, 2)], labeled(2)),
        ([label(A, 2), undo(A)], UNLABELED),
        ([label(A, 2), undo(A), lease(A)], PENDING),
        ([label(A, 2), label(A, 1)], labeled(1)),
        ([label(A, 2), skip(A)], SKIPPED),
        ([skip(A)], SKIPPED),
        ([skip(A), undo(A)], UNLABELED),
        ([skip(A), label(A, 0)], labeled(0)),
        ([lease(A), skip(B)], PENDING),
        ([lease(A), skip(B), expire(A)], SKIPPED),
        ([label(A, 2), skip(B)], labeled(2)),
        ([Event("retire", row=0)], SKIPPED),
        ([lease(A), Event("retire", row=0)], SKIPPED),
        ([label(A, 1), undo(A), Event("retire", row=0)], SKIPPED),
        ([label(None, 1)], labeled(1)),
        ([label(None, 1), skip(A)], labeled(1)),
        ([label(None, 1), label(A, 2)], labeled(2)),
        ([label(None, 1), label(A, 2), undo(A)], labeled(1)),
    ],
)
def test_a_sample_is_what_all_that_happened_makes_of_it(
    events: Sequence[Event], expected: Standing
) -> None:
    assert ledger(*events).standing(0) == expected


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([(A, 1), (B, 2), (C, 2)], 2),
        ([(A, 1), (B, 2), (C, 0)], 1),
        ([(A, 2), (B, 1)], 2),
        # who says something else says it later than the others
        ([(A, 2), (B, 1), (A, 0)], 1),
        ([(A, 1), (B, 2), (A, 2)], 2),
        ([(A, 1), (B, None), (C, 2)], 1),
    ],
)
def test_the_majority_wins_and_ties_go_to_the_earliest_answer(
    answers: Sequence[tuple[str, int | None]], expected: int
) -> None:
    events = [skip(by) if what is None else label(by, what) for by, what in answers]
    assert ledger(*events, overlap=3).standing(0) == labeled(expected)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([[0, 1], [1, 2], [1]], (1,)),
        ([[0, 1], [2]], (0, 1)),
        ([[], [0]], ()),
        ([[0], []], (0,)),
        ([[0], [0], [], []], (0,)),
        ([[], [0], [0], []], ()),
        ([[2, 0]], (0, 2)),
    ],
)
def test_several_classes_are_voted_on_one_by_one(
    answers: Sequence[list[int]], expected: tuple[int, ...]
) -> None:
    events = [label(f"annotator {n}", sorted(what)) for n, what in enumerate(answers)]
    assert ledger(*events, overlap=9).standing(0) == labeled(expected)


def test_a_class_is_voted_on_by_those_who_were_asked_about_it() -> None:
    more = Event("classes", data={"names": ["late"]})
    asked_late = ledger(label(A, [0]), label(B, [0]), more, label(C, [3]), overlap=3)
    assert asked_late.standing(0) == labeled((0, 3), n_classes=4)
    assert ledger(label(A, [0]), more).standing(0) == labeled((0,), n_classes=3)


def test_leases_and_answers_never_exceed_the_overlap() -> None:
    two = ledger(label(A, 1), lease(B), overlap=2)
    assert list(two.open_rows(C)) == []
    assert list(ledger(label(A, 1), lease(B), overlap=3).open_rows(C)) == [0]
    assert list(ledger(lease(A), lease(B), overlap=3).open_rows(C)) == [0]
    assert list(ledger(lease(A), lease(B), expire(B), overlap=2).open_rows(C)) == [0]


def test_second_opinions_are_asked_of_distinct_annotators_the_oldest_first() -> None:
    begun = ledger(label(A, 0, 3), lease(B, 1), label(A, 0, 2), skip(B, 2), overlap=2)
    assert list(begun.open_rows(A)) == [1]
    assert list(begun.open_rows(B)) == [3]
    assert list(begun.open_rows(C)) == [3, 1, 2]


def test_one_answer_is_enough_where_the_overlap_is_one() -> None:
    assert list(ledger(label(A, 0), skip(A, 1), lease(A, 2)).open_rows(B)) == []


def test_a_skip_hides_a_sample_from_one_annotator_where_others_are_wanted() -> None:
    skipped = ledger(skip(A), overlap=2)
    assert list(skipped.open_rows(A)) == []
    assert list(skipped.open_rows(B)) == [0]
    both = ledger(skip(A), skip(B), overlap=2)
    assert list(both.open_rows(C)) == [0], "a skip is no answer: two are still wanted"


def test_a_known_label_wants_no_second_opinion() -> None:
    assert list(ledger(label(None, 1), overlap=3).open_rows(A)) == []


def test_a_retired_sample_is_held_by_nobody_and_wants_no_opinion() -> None:
    retired = ledger(lease(A), skip(B), Event("retire", row=0), overlap=3)
    assert (retired.leases, list(retired.open_rows(C))) == ({}, [])


def test_the_last_answer_wanted_ends_the_leases_of_the_others() -> None:
    done = ledger(lease(A), label(B, 1))
    assert done.leases == {}
    assert done.n_leases() == 0
    going = ledger(lease(A), label(B, 1), overlap=2)
    assert list(going.leases) == [A]


def test_the_budget_counts_answers_that_stand() -> None:
    def n_answers(*events: Event) -> int:
        return ledger(*events, overlap=2).counts().n_answers

    assert n_answers(label(A, 1), label(B, 2), label(A, 1, row=1)) == 3
    assert n_answers(label(A, 1), label(A, 2)) == 1, "a relabel does not cost twice"
    assert n_answers(label(A, 1), undo(A)) == 0, "undo refunds"
    assert n_answers(skip(A), skip(B)) == 0, "a skip is free"
    assert n_answers(label(A, 1), skip(A)) == 0
    assert n_answers(skip(A), label(A, 1)) == 1
    assert n_answers(label(None, 1)) == 0, "known labels were paid for by others"
    assert n_answers(lease(A)) == 0


def test_samples_are_counted_by_what_they_are() -> None:
    counts = ledger(
        label(A, 1), label(B, 2), label(None, 0, 1), lease(A, 2), skip(A, 3), overlap=2
    ).counts()
    assert (counts.n_samples, counts.n_labeled, counts.n_pending, counts.n_skipped) == (5, 2, 1, 1)
    assert counts.n_answers == 2


def test_leases_expire_when_their_time_has_come() -> None:
    held = ledger(lease(A, 0, 10.0), lease(B, 1, 20.0), lease(A, 2, 30.0))
    assert held.next_expiry() == 10.0
    assert held.expired(9.9) == []
    assert sorted(held.expired(20.0)) == [(A, 0), (B, 1)]
    assert ledger().next_expiry() is None


def test_keys_are_remembered_when_the_answer_is_gone() -> None:
    assert ledger(label(A, 1, key="once"), undo(A)).keys.keys() == {"once"}


def test_nothing_is_left_of_what_was_undone() -> None:
    clean, used = ledger(), ledger(lease(A), label(A, 1), skip(B), undo(A), undo(B))
    assert used.counts() == clean.counts()
    assert (used.answers, used.leases, used._holders, used._open, used._standing) == (
        {}, {}, {}, {}, {},
    )  # fmt: skip
