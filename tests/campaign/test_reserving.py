"""What integrations use: a queue kept elsewhere, and samples that are gone."""

import pytest

from tests.campaign.conftest import MakeToy
from tests.toys_campaign import lease, say


def test_what_is_reserved_is_offered_to_nobody_else_and_comes_beside_what_is_held(
    make_toy: MakeToy,
) -> None:
    loop = make_toy(10).open()
    first = loop.reserve("queue", 2, lease_s=100)
    second = loop.reserve("queue", 3, lease_s=100)
    assert len({*first, *second}) == 5
    assert list(loop.ledger.leases["queue"]) == [*first, *second]
    assert len(lease(loop, by="ann", n=9)) == 5


def test_an_answer_by_anybody_ends_the_reservation(make_toy: MakeToy) -> None:
    loop = make_toy(10).open()
    (row,) = loop.reserve("queue", 1, lease_s=100)
    say(loop, loop.names.sample_ids[row], "ash", by="ann")
    assert "queue" not in loop.ledger.leases


def test_a_released_sample_is_offered_again(make_toy: MakeToy) -> None:
    loop = make_toy(3).open()
    rows = loop.reserve("queue", 3, lease_s=100)
    assert lease(loop, by="ann") == []
    loop.release("queue", rows[:1])
    loop.release("queue", rows[:1])  # nothing to release
    assert lease(loop, by="ann") == [loop.names.sample_ids[rows[0]]]


def test_reservations_count_against_the_budget(make_toy: MakeToy) -> None:
    loop = make_toy(10, budget=4).open()
    assert len(loop.reserve("queue", 9, lease_s=100)) == 4
    assert loop.reserve("queue", 1, lease_s=100) == []


def test_renewing_moves_the_end_of_every_lease(make_toy: MakeToy) -> None:
    loop = make_toy(10).open()
    loop.reserve("queue", 2, lease_s=100)
    before = list(loop.ledger.leases["queue"].values())
    loop.renew("queue", lease_s=10_000)
    assert min(loop.ledger.leases["queue"].values()) > max(before) + 9000


@pytest.mark.parametrize("overlap", [1, 3])
def test_a_retired_sample_is_never_offered_and_its_answers_are_taken_back(
    make_toy: MakeToy, overlap: int
) -> None:
    toy = make_toy(4, overlap=overlap)
    loop = toy.open()
    say(loop, "s1", "ash", by="ann")
    loop.reserve("queue", 1, lease_s=100)
    loop.retire(range(3))
    loop.retire([0])  # again
    loop.catch_up()
    for either in (loop, toy.open()):
        assert either.ledger.counts().n_labeled == 0
        assert either.ledger.counts().n_skipped == 3
        assert either.ledger.answers == {}
    assert lease(loop, by="bob", n=4) in ([], ["s3"])
