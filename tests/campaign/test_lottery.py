"""Which picks are random, and that nothing else changes."""

from collections import Counter

import numpy as np
import pytest

from al_server.campaign.loop import Loop
from al_server.campaign.lottery import Lottery
from al_server.campaign.measured import believed_label, rightness, wilson
from al_server.campaign.offering import pick, pick_by_lot
from al_server.models import AnswerIn, CampaignSpec
from strategies.pool import PoolView, Rows, Status
from strategies.tie_keys import tie_keys
from strategies.toy_pool import toy_pool
from strategies.uniform import Uniform
from tests.campaign.conftest import MakeToy, Open
from tests.toys_campaign import CLASSES, ToyCampaign, expire, grid_vectors, lease, say, undo

KEYS = tie_keys(f"s{row}" for row in range(9000))


def label_all(loop: Loop, n: int, *, at_once: int = 1) -> list[str]:
    """Answer what is offered; the class of a sample is its number modulo three."""
    given = []
    for _ in range(n):
        for sample_id in lease(loop, n=at_once):
            say(loop, sample_id, CLASSES[int(sample_id[1:]) % 3])
            given.append(sample_id)
    return given


def test_a_share_of_0_changes_nothing(make_toy: MakeToy) -> None:
    loop = make_toy(60, random_share=0.0, strategy="power").open()
    label_all(loop, 30)
    assert loop.ledger.drawn == {}
    assert not loop.lottery.coins(1000, seq=3).any()


def test_where_the_coin_says_so_the_strategy_picks_as_it_would_without_coins() -> None:
    pool, lottery, strategy = toy_pool(n_samples=40), Lottery(0.5, seed=3), Uniform()
    coins = [bool(lottery.coins(1, seq=seq)[0]) for seq in range(20)]
    assert {*coins} == {True, False}
    for seq, is_random in enumerate(coins):
        picked = pick_by_lot(lottery, strategy, pool, 1, seed=3, seq=seq)
        alone = pick(strategy, pool, 1, seed=3, seq=seq).rows
        assert picked.rows == (lottery.draw(pool, 1) if is_random else alone)
        assert picked.random == frozenset(picked.rows if is_random else ())


def test_with_a_share_of_1_every_pick_is_the_next_of_the_random_order(make_toy: MakeToy) -> None:
    loop = make_toy(60, random_share=1.0).open()
    picks = label_all(loop, 20)
    assert [loop.names.row(one) for one in picks] == list(loop.ledger.drawn)
    assert loop.lottery.head(loop.ledger.drawn, loop.pool.book.keys) == list(loop.ledger.drawn)[:-1]


@pytest.mark.parametrize("at_once", [1, 7])
def test_about_the_share_is_random_however_many_are_asked_for_at_once(
    make_toy: MakeToy, at_once: int
) -> None:
    loop = make_toy(700, random_share=0.3).open()
    picks = label_all(loop, 420 // at_once, at_once=at_once)
    assert len(set(picks)) == 420
    assert 90 < len(loop.ledger.drawn) < 165  # 126 +- 4 standard deviations


def test_a_batch_is_full_also_where_the_candidates_run_out(make_toy: MakeToy) -> None:
    loop = make_toy(12, random_share=0.5).open()
    assert len(set(lease(loop, n=9))) == 9
    assert len(set(lease(loop, by="bob", n=9))) == 3


def test_every_candidate_is_as_likely_to_be_drawn() -> None:
    pool = toy_pool(n_samples=20)
    counts: Counter[int] = Counter()
    for seed in range(2000):
        counts.update(Lottery(1.0, seed=seed).draw(pool, 2))
    candidates = pool.candidate_rows().tolist()
    assert sorted(counts) == candidates
    expected = 4000 / len(candidates)
    assert max(abs(n - expected) for n in counts.values()) < 5 * expected**0.5


def view_of(keys: np.ndarray, taken: Rows) -> PoolView:
    status = np.zeros(len(keys), np.int8)
    status[taken] = Status.LABELED
    return PoolView(
        embeddings=np.ones((len(keys), 1), np.float32),
        status=status,
        labels=np.where(status == Status.LABELED, 0, -1),
        tie_key=keys,
        n_classes=2,
    )


def test_a_shuffled_pool_draws_the_same_samples_and_a_pool_that_grew_keeps_its_order() -> None:
    shuffle = np.random.default_rng(0).permutation(len(KEYS))
    taken = np.arange(0, len(KEYS), 3)
    straight = Lottery(0.5, seed=4)
    drawn = straight.draw(view_of(KEYS, taken), 5000)
    shuffled = Lottery(0.5, seed=4).draw(
        view_of(KEYS[shuffle], np.flatnonzero(np.isin(shuffle, taken))), 5000
    )
    assert shuffle[shuffled].tolist() == drawn
    smaller = Lottery(0.5, seed=4).draw(view_of(KEYS[:4000], taken[taken < 4000]), 2000)
    assert smaller == [row for row in drawn if row < 4000][:2000]
    assert Lottery(0.5, seed=5).draw(view_of(KEYS, taken), 5000) != drawn


def test_the_head_holds_what_the_strategy_labeled_before_chance_came_to_it() -> None:
    lottery = Lottery(0.5, seed=1)
    order = lottery.draw(view_of(KEYS, np.empty(0, np.int64)), 6000)
    assert lottery.head([order[7], order[3]], KEYS) == order[:7]
    assert lottery.head([order[5000]], KEYS) == order[:5000]
    assert lottery.head([], KEYS) == []


@pytest.mark.parametrize("task", ["single", "multi"])
def test_a_restart_knows_what_was_drawn_and_goes_on_alike(make_toy: MakeToy, task: str) -> None:
    toy = make_toy(80, random_share=0.4, task=task)
    loop = toy.open()
    for _ in range(30):
        (sample_id,) = lease(loop)
        name = CLASSES[int(sample_id[1:]) % 3]
        say(loop, sample_id, name if task == "single" else [name])
    again = toy.open()
    assert again.ledger.drawn == loop.ledger.drawn
    assert list(again.ledger.drawn) == list(loop.ledger.drawn)
    assert again.snapshot.random_accuracy == loop.snapshot.random_accuracy is not None
    # the same next picks, and the same of them by chance
    assert loop.peek() == again.peek()
    assert loop._picks(9) == again._picks(9)


def test_what_is_written_down_was_believed_before_the_label_came(make_toy: MakeToy) -> None:
    loop = make_toy(60, random_share=1.0).open()
    (first,) = lease(loop)
    assert loop.ledger.drawn == {loop.names.row(first): None}  # nothing is known yet
    say(loop, first, "cedar")
    (second,) = lease(loop)
    row = loop.names.row(second)
    assert loop.ledger.drawn[row] == believed_label(loop.pool, row) == 2
    say(loop, second, "ash")
    # wrong; that the arrays know better now does not count
    assert loop.snapshot.random_accuracy == wilson(0.0, 1)
    undo(loop, second)
    assert loop.snapshot.random_accuracy is None


def test_the_first_draw_of_a_sample_counts(make_toy: MakeToy) -> None:
    loop = make_toy(30, random_share=1.0).open()
    (first,) = lease(loop)
    say(loop, first, "ash")
    (second,) = lease(loop)
    believed = dict(loop.ledger.drawn)
    say(loop, second, "beech")
    undo(loop, second)
    assert lease(loop, by="bob") == [second]
    expire(loop, by="bob", sample_id=second)
    assert loop.ledger.drawn == believed


def test_reserved_samples_are_drawn_too(make_toy: MakeToy) -> None:
    loop = make_toy(60, random_share=0.5).open()
    rows = loop.reserve("queue", 40, lease_s=100)
    assert 8 < len(loop.ledger.drawn) < 32
    assert {*loop.ledger.drawn} < {*rows}


def test_the_receipt_and_the_export_say_which_were_drawn(make_toy: MakeToy, open_: Open) -> None:
    campaign = open_(make_toy(40, random_share=0.5))
    for _ in range(2):  # nothing is believed of the first ones
        samples = campaign.next_batch(annotator="ann", n=15).samples
        for one in samples:
            assert (one.receipt.parts is None) == one.receipt.random
        answers = [AnswerIn(sample_id=one.sample_id, label="ash") for one in samples]
        campaign.record_labels(answers)
    drawn = {campaign.loop.names.sample_ids[row] for row in campaign.loop.ledger.drawn}
    assert {one.sample_id for one in samples if one.receipt.random} < drawn
    assert {row.sample_id for row in campaign.answer_rows() if row.random} == drawn
    assert campaign.info().random_share == 0.5
    assert campaign.info().random_accuracy is not None


def test_a_campaign_made_before_there_were_random_picks_goes_on_without(make_toy: MakeToy) -> None:
    from sqlalchemy import update

    from al_server.store.tables import campaigns

    toy: ToyCampaign = make_toy(10)
    old = toy.spec.model_dump(mode="json", exclude={"random_share"})
    with toy.engine.begin() as connection:
        connection.execute(update(campaigns).values(spec=old))
    assert toy.catalog.all()[0].spec.random_share == 0


def test_the_share_is_one_in_ten_unless_told_otherwise_and_must_be_a_share() -> None:
    made = {"name": "a", "classes": ["x"], "source": {"kind": "npy", "path": "a.npy"}}
    assert CampaignSpec.model_validate(made).random_share == 0.1
    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="random_share"):
            CampaignSpec.model_validate({**made, "random_share": share})


def test_a_prediction_of_several_classes_is_right_by_the_class() -> None:
    assert rightness((0, 2), (0, 1), 4) == 0.5
    assert rightness((), (), 4) == 1
    assert [rightness(1, 1, 3), rightness(1, 2, 3)] == [1, 0]


def test_the_interval_of_a_share_is_wilsons() -> None:
    # 8 of 10: Brown, Cai and DasGupta 2001, and any table
    found = wilson(0.8, 10)
    assert (found.low, found.high) == pytest.approx((0.490, 0.943), abs=1e-3)
    assert wilson(1.0, 5).high == 1


def test_vectors_that_are_equal_are_drawn_in_the_order_of_their_ids(make_toy: MakeToy) -> None:
    vectors = grid_vectors(30, np.random.default_rng(0))
    ids = [f"n{row}" for row in range(30)]
    shuffle = np.random.default_rng(1).permutation(30)
    straight = make_toy(vectors, ids=ids, random_share=1.0).open()
    shuffled = make_toy(vectors[shuffle], ids=[ids[row] for row in shuffle], random_share=1.0)
    assert lease(straight, n=9) == lease(shuffled.open(), n=9)
