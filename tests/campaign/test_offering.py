"""What annotators are given, and what they are told when there is nothing."""

from dataclasses import dataclass

import numpy as np
import pytest

from al_server.campaign.loop import Loop
from al_server.campaign.offering import explain, pick
from al_server.errors import StrategyFailed
from al_server.models import AnswerIn
from strategies.pool import Explanation, PoolView, Rows
from strategies.toy_pool import toy_pool
from tests.campaign.conftest import MakeToy
from tests.toys_campaign import CLASSES, expire, lease, say, undo


@dataclass
class Clock:
    """Stands in for the module `time`."""

    now: float = 1000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("al_server.campaign.loop.time", made)
    return made


@dataclass(frozen=True)
class Returns:
    """A strategy that returns what it is told to."""

    rows: tuple[int, ...]

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        return np.array(self.rows, dtype=np.int64)


@dataclass(frozen=True)
class CannotExplain:
    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        return pool.candidate_rows()[:budget]

    def explain(self, pool: PoolView, rows: Rows) -> list[Explanation]:
        raise KeyError("no idea")


@pytest.mark.parametrize("overlap", [1, 3])
def test_nobody_is_offered_what_is_pending_labeled_or_skipped(
    make_toy: MakeToy, overlap: int
) -> None:
    loop = make_toy(20, overlap=overlap).open()
    rng = np.random.default_rng(0)
    begun: dict[str, set[str]] = {}
    for step in range(60):
        who = f"annotator {rng.integers(5)}"
        for sample_id in lease(loop, by=who):
            row = loop.names.row(sample_id)
            holders = begun.setdefault(sample_id, set())
            if who in loop.ledger.leases and row in loop.ledger.leases[who] and who in holders:
                continue  # held already, shown again
            assert who not in loop.ledger.answers.get(row, {})
            holders.add(who)
            answers = loop.ledger.answers.get(row, {}).values()
            n_answers = sum(answer.label is not None for answer in answers)
            n_leases = sum(row in held for held in loop.ledger.leases.values())
            assert n_answers + n_leases <= overlap
            if rng.random() < 0.8:
                say(loop, sample_id, CLASSES[step % 3] if rng.random() < 0.8 else None, by=who)


def test_what_an_annotator_holds_comes_first(make_toy: MakeToy) -> None:
    loop = make_toy(10).open()
    held = lease(loop, by="ann", n=2)
    assert lease(loop, by="ann", n=1) == held[:1]
    assert lease(loop, by="ann", n=2) == held
    more = lease(loop, by="ann", n=4)
    assert more[:2] == held and len(set(more)) == 4


def test_second_opinions_come_before_new_samples(make_toy: MakeToy) -> None:
    loop = make_toy(10, overlap=2).open()
    first, second = lease(loop, by="ann", n=2)
    say(loop, second, "ash", by="ann")
    assert lease(loop, by="bob", n=3)[:2] == [first, second]
    assert lease(loop, by="cleo", n=1) not in ([first], [second]), "two are on each already"


def test_an_expired_lease_makes_room_for_a_second_opinion(make_toy: MakeToy) -> None:
    loop = make_toy(10, overlap=2).open()
    (sample_id,) = lease(loop, by="ann")
    say(loop, sample_id, "ash", by="ann")
    assert lease(loop, by="bob") == [sample_id]
    assert lease(loop, by="cleo") != [sample_id]
    expire(loop, by="bob", sample_id=sample_id)
    assert sample_id in lease(loop, by="dan", n=2)


def test_leases_run_out_and_their_samples_are_offered_again(
    make_toy: MakeToy, clock: Clock
) -> None:
    loop = make_toy(3, lease_s=10).open()
    held = lease(loop, by="ann", n=3)
    assert loop.offer("bob", 1).reason == "all_leased"
    assert loop.wake_at() == 1010.0
    clock.now = 1009.9
    loop.wake()
    assert loop.offer("bob", 1).rows == []
    clock.now = 1010.0
    loop.wake()
    assert loop.wake_at() is None
    assert loop.has_backlog()
    assert set(loop.offer("bob", 3).rows) == {loop.names.row(sample_id) for sample_id in held}
    assert loop.ledger.counts().n_pending == 3


def test_fewer_come_where_fewer_are_left(make_toy: MakeToy) -> None:
    loop = make_toy(4).open()
    say(loop, "s0", "ash")
    say(loop, "s1", None)
    assert sorted(lease(loop, n=50)) == ["s2", "s3"]


def test_an_exhausted_pool_and_a_leased_one_are_told_apart(make_toy: MakeToy) -> None:
    loop = make_toy(2).open()
    for sample_id in lease(loop, by="ann", n=2):
        assert loop.offer("bob", 1).reason == "all_leased"
        say(loop, sample_id, "ash", by="ann")
    assert loop.offer("bob", 1).reason == "pool_exhausted"
    undo(loop, "s0", by="ann")
    assert loop.offer("bob", 1).rows == [0]


def test_leases_count_against_the_budget_until_they_end(make_toy: MakeToy) -> None:
    loop = make_toy(20, budget=3).open()
    held = lease(loop, by="ann", n=2)
    assert len(lease(loop, by="bob", n=9)) == 1
    assert loop.offer("cleo", 1).reason == "all_leased"
    say(loop, held[0], None, by="ann")
    assert len(lease(loop, by="cleo", n=9)) == 1, "a skip is free"
    expire(loop, by="ann", sample_id=held[1])
    assert len(lease(loop, by="dan", n=9)) == 1
    for who in ("bob", "cleo", "dan"):
        (row,) = loop.ledger.leases[who]
        say(loop, loop.names.sample_ids[row], "ash", by=who)
    assert loop.offer("ann", 1).reason == "budget_spent"
    undo(loop, loop.names.sample_ids[row], by="dan")
    assert len(lease(loop, by="ann", n=9)) == 1, "undo refunds"


def test_a_budget_of_nothing_is_spent(make_toy: MakeToy) -> None:
    assert make_toy(3, budget=0).open().offer("ann", 1).reason == "budget_spent"


def test_known_labels_do_not_count_against_the_budget(make_toy: MakeToy) -> None:
    loop = make_toy(5, budget=1, known=[0, 1, 2, -1, -1]).open()
    assert loop.ledger.counts().n_labeled == 3
    assert loop.ledger.counts().n_answers == 0
    (sample_id,) = lease(loop, n=5)
    assert sample_id in ("s3", "s4")


def test_what_may_come_next_is_not_leased(make_toy: MakeToy) -> None:
    loop = make_toy(10).open()
    offer = loop.offer("ann", 1)
    likely_next = loop.likely_next()
    assert likely_next is not None
    assert likely_next not in offer.rows
    assert loop.ledger.counts().n_pending == 1
    loop.catch_up()
    everything = loop.offer("bob", 9)
    assert likely_next in everything.rows
    assert loop.likely_next() is None


def test_rows_that_the_arrays_do_not_know_of_yet_are_not_offered(make_toy: MakeToy) -> None:
    loop = make_toy(6).open()
    loop.peek()
    ids = loop.names.sample_ids
    loop.record([AnswerIn(sample_id=one, label="ash") for one in ids[:3]])
    loop.record([AnswerIn(sample_id=ids[3], label=None)])
    assert loop.has_backlog()
    assert (loop.pool.status == 0).all(), "the arrays are behind the log"
    first = loop.offer("bob", 1).rows
    second = loop.offer("cleo", 9).rows
    assert sorted(first + second) == [4, 5]
    assert loop.offer("dan", 1).reason == "all_leased"


@pytest.mark.parametrize(
    ("strategy", "parts"),
    [("default", {"mass", "diversity"}), ("in_class", {"uncertainty", "density", "diversity"})],
)
def test_a_pick_says_why(make_toy: MakeToy, strategy: str, parts: set[str]) -> None:
    loop = make_toy(10, strategy=strategy).open()
    say(loop, "s0", "ash")
    (row,) = loop.offer("ann", 1).rows
    why = loop.explanations["ann", row]
    assert why is not None
    assert set(why.parts) == parts
    assert all(0 < part <= 1 for part in why.parts.values())
    say(loop, loop.names.sample_ids[row], "ash")
    assert ("ann", row) not in loop.explanations


@pytest.mark.parametrize(
    ("rows", "status_of"),
    [((0, 0), None), ((-1,), None), ((60,), None), ((0, 1, 2), None), ((7,), 1), ((7,), 2)],
    ids=["twice", "negative", "beyond", "too many", "pending", "labeled"],
)
def test_a_strategy_that_chooses_what_is_not_on_offer_is_refused(
    rows: tuple[int, ...], status_of: int | None
) -> None:
    pool = toy_pool()
    pool.status[:] = 0
    if status_of is not None:
        pool.status[rows[0]] = status_of
    with pytest.raises(StrategyFailed, match="Returns could not choose"):
        pick(Returns(rows), pool, 2, seed=0, seq=1)


def test_a_strategy_that_cannot_choose_stops_nobody_from_answering(make_toy: MakeToy) -> None:
    loop = make_toy(5).open()
    loop._strategy = Returns((99,))
    say(loop, "s1", "ash")
    while loop.has_backlog():
        loop.work_off_one()
    with pytest.raises(StrategyFailed):
        loop.offer("ann", 1)
    say(loop, "s2", "ash")
    assert loop.ledger.counts().n_labeled == 2


def test_a_strategy_that_cannot_explain_is_offered_from_all_the_same() -> None:
    pool = toy_pool()
    rows = pool.candidate_rows()[:2].tolist()
    assert explain(CannotExplain(), pool, rows) == [None, None]


def test_the_same_seed_and_event_number_give_the_same_chance(make_toy: MakeToy) -> None:
    left, right, other = (make_toy(30, strategy="uniform", seed=seed).open() for seed in (5, 5, 6))
    picks = [[loop.peek() for _ in range(3)] for loop in (left, right, other)]
    assert picks[0] == picks[1] and len(set(picks[0])) == 1
    runs: list[list[str]] = []
    for loop in (left, right, other):
        run: list[str] = []
        for _ in range(10):
            run += lease(loop)
            say(loop, run[-1], "ash")
        runs.append(run)
    assert runs[0] == runs[1] != runs[2]


def leftover(loop: Loop) -> int:
    return int((loop.pool.view().status == 0).sum())


def test_labeling_to_the_end_offers_every_sample_exactly_once(make_toy: MakeToy) -> None:
    loop = make_toy(25).open()
    seen: list[str] = []
    while loop.offer("ann", 1).rows:
        loop.catch_up()
        seen += lease(loop)
        say(loop, seen[-1], CLASSES[len(seen) % 3])
    assert sorted(seen) == sorted(loop.names.sample_ids)
    assert leftover(loop) == 0
