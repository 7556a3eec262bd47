"""The judge of the kill test can find every fault that it is there to find."""

import pytest

from tests.end_to_end.claims import Claims, Exported, Tenure, faults, samples_of_two


def _two_annotators() -> list[Claims]:
    """Ada labels `a` and gives `b` back, Grace has `b` after her and skips `c`."""
    ada, grace = Claims("Ada"), Claims("Grace")
    ada.offered("a", received_at=1)
    ada.offered("b", received_at=1)
    ada.acknowledged("a", "ripe")
    ada.acknowledged("b", "ripe")
    ada.undone("b", sent_at=3, leased_again=False)
    grace.offered("b", received_at=4)
    grace.acknowledged("b", "rotten")
    grace.offered("c", received_at=5)
    grace.acknowledged("c", None)
    return [ada, grace]


KEPT = [
    Exported("a", "Ada", "ripe"),
    Exported("b", "Grace", "rotten"),
    Exported("c", "Grace", None),
]


def test_a_server_that_kept_its_word_has_no_faults() -> None:
    assert faults(_two_annotators(), KEPT) == []


@pytest.mark.parametrize("dropped", KEPT)
def test_an_acknowledged_answer_that_is_gone_is_found(dropped: Exported) -> None:
    lines = [line for line in KEPT if line != dropped]
    assert faults(_two_annotators(), lines) == [f"lost: {dropped[:2]}"]


def test_an_answer_that_stands_twice_is_found() -> None:
    assert faults(_two_annotators(), [*KEPT, KEPT[0]]) == ["doubled: ('a', 'Ada') stands 2 times"]


@pytest.mark.parametrize("label", ["rotten", None])
def test_an_answer_that_has_changed_is_found(label: str | None) -> None:
    lines = [Exported("a", "Ada", label), *KEPT[1:]]
    assert faults(_two_annotators(), lines) == [f"changed: ('a', 'Ada') was 'ripe', is {label!r}"]


@pytest.mark.parametrize(
    "line", [Exported("d", "Ada", "ripe"), Exported("b", "Ada", "ripe"), Exported("a", "Eve", None)]
)
def test_an_answer_that_nobody_gave_or_that_was_taken_back_is_found(line: Exported) -> None:
    assert faults(_two_annotators(), [*KEPT, line]) == [f"invented: {line[:2]}"]


def test_a_sample_given_to_a_second_annotator_during_a_lease_is_found() -> None:
    ada, grace = _two_annotators()
    ada.offered("d", received_at=6)
    grace.offered("d", received_at=7)
    assert faults([ada, grace], KEPT) == ["shared: d given to Grace while Ada had it"]


def test_a_sample_given_to_a_second_annotator_after_an_answer_is_found() -> None:
    ada, grace = _two_annotators()
    grace.offered("a", received_at=9)
    assert faults([ada, grace], KEPT) == ["shared: a given to Grace while Ada had it"]


def test_a_sample_handed_back_to_its_annotator_with_the_undo_stays_theirs() -> None:
    ada = Claims("Ada")
    ada.offered("a", received_at=1)
    ada.acknowledged("a", "ripe")
    ada.undone("a", sent_at=2, leased_again=True)
    grace = Claims("Grace")
    grace.offered("a", received_at=3)
    assert faults([ada, grace], []) == ["shared: a given to Grace while Ada had it"]


def test_tenures_may_follow_one_another_but_not_overlap() -> None:
    first, second = Tenure("a", "Ada", 0, 2), Tenure("a", "Grace", 2, 3)
    assert samples_of_two([second, first]) == []
    assert len(samples_of_two([second, first._replace(end=2.5)])) == 1
    assert len(samples_of_two([first, Tenure("a", "Eve", 0, 3), second])) == 2
