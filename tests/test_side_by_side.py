"""The side-by-side benchmark: another library chooses, everything else is ours."""

import io
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from al_server.lab.data import LabeledData
from al_server.lab.plan import Plan
from al_server.lab.replay import make_track, replay
from al_server.lab.splits import splits_of
from strategies.pool import PoolView, Rows, Status
from strategies.toy_pool import toy_pool
from tests.benchmarks import peer_adapter
from tests.benchmarks.peer_adapter import PeerStrategy
from tests.benchmarks.peer_pipe import Peer, PeerStopped, receive, send
from tests.benchmarks.peer_strategies import STRATEGIES
from tests.benchmarks.peer_table import RANDOM, Arm, Runs, judge, print_table

ENVIRONMENT = Path(sys.prefix)
# picks the candidates that lie first on the first axis, and tells what it was given
FAKE = """
import os
import numpy as np

class Session:
    n_pools = 0

    def answer(self, told, arrays):
        print("what a library prints")
        if told["ask"] == "pool":
            self.embeddings = arrays["embeddings"]
            self.n_pools += 1
            return {}, {}
        if told["strategy"] == "fails":
            raise ValueError("no such thing")
        if told["strategy"] == "ends":
            os._exit(3)
        if told["strategy"] == "repeats":
            return {"seconds": 0.5}, {"rows": np.zeros(told["n_picks"], np.int64)}
        candidates = np.flatnonzero(arrays["labels"] < 0)
        order = np.argsort(self.embeddings[candidates, 0], kind="stable")
        rows = candidates[order[: told["n_picks"]]]
        return {"seconds": 0.5, "n_pools": self.n_pools}, {"rows": rows} | arrays
"""


@dataclass(frozen=True)
class FirstOnAxis:
    """What the fake does, as one of ours."""

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        rows = pool.candidate_rows()
        return rows[np.argsort(pool.embeddings[rows, 0], kind="stable")[:budget]]


@pytest.fixture
def fake(tmp_path):
    script = tmp_path / "fake.py"
    script.write_text(FAKE)
    log = tmp_path / "log"
    yield PeerStrategy("toy", "first", ENVIRONMENT, False, log, script=str(script))
    peer_adapter.close_all()


def logged(strategy):
    return [json.loads(line) for line in strategy.log.read_text().splitlines()]


def pick(strategy, pool, n_picks=3):
    return strategy.select(pool, n_picks, np.random.default_rng(0))


def toy_data():
    rng = np.random.default_rng(1)
    labels = np.arange(80) % 2
    vectors = rng.normal(size=(80, 4)) + 3 * labels[:, None]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return LabeledData("toy", vectors.astype(np.float32), labels, ("a", "b"))


def test_a_frame_carries_arrays_bit_for_bit():
    arrays = {
        "labels": np.arange(5),
        "probabilities": np.random.default_rng(0).random((3, 2)).astype(np.float32).T,
        "nothing": np.empty((0, 4)),
    }
    stream = io.BytesIO()
    send(stream, {"ask": "line\nbreak"}, arrays)
    send(stream, {}, {})
    stream.seek(0)
    told, received = receive(stream)
    assert told == {"ask": "line\nbreak"}
    for name, values in arrays.items():
        assert received[name].dtype == values.dtype
        np.testing.assert_array_equal(received[name], values)
    assert receive(stream) == ({}, {})
    with pytest.raises(EOFError):
        receive(stream)


def test_the_choice_is_the_peers_and_the_rest_is_ours(fake):
    data = toy_data()
    plan = Plan(repeats=2, budget=20, batch=5)
    track = make_track(data, splits_of(plan, data)[0], seed=0, repeat=0)
    theirs = replay(track, fake, budget=20, batch=5, classifier="propagated")
    ours = replay(track, FirstOnAxis(), budget=20, batch=5, classifier="propagated")
    np.testing.assert_array_equal(theirs.picks, ours.picks)
    assert theirs.qualities == ours.qualities
    assert [line["n_labeled"] for line in logged(fake)] == [0, 5, 10, 15]
    assert {line["seconds"] for line in logged(fake)} == {0.5}


def test_embeddings_travel_once_a_pool(fake):
    pool = toy_pool(n_samples=20)
    for one in (pool, replace(pool), toy_pool(n_samples=20)):
        pick(fake, one)
    desk = peer_adapter._desk(fake.script, fake.environment)
    told = desk.query(
        pool,
        {"strategy": "first", "n_picks": 1},
        labels=np.full(20, -1),
        seed=0,
    ).told
    assert told["n_pools"] == 3  # the third pool is another one, and then the first one again


def test_labels_that_nobody_gave_do_not_travel(fake, monkeypatch):
    pool = toy_pool(n_samples=20)
    known = np.zeros(20, bool)
    known[:4] = True
    pool = replace(
        pool,
        labels=np.ones(20, np.int64),
        status=np.where(known, Status.LABELED, Status.UNLABELED).astype(np.int8),
    )
    answers = []
    query = peer_adapter._Desk.query
    monkeypatch.setattr(
        peer_adapter._Desk,
        "query",
        lambda *args, **told: answers.append(query(*args, **told)) or answers[-1],
    )
    pick(fake, pool)
    np.testing.assert_array_equal(answers[0].arrays["labels"], np.where(known, 1, -1))


def test_what_needs_labels_starts_at_random_and_says_so(fake):
    needy = replace(fake, needs_labels=True)
    pool = toy_pool(n_samples=20)
    pool = replace(pool, status=np.zeros(20, np.int8), labels=np.full(20, -1, np.int64))
    drawn = {tuple(needy.select(pool, 3, np.random.default_rng(seed))) for seed in range(20)}
    assert len(drawn) > 15
    assert {line["seconds"] for line in logged(needy)} == {None}


def test_a_peer_that_fails_says_why_and_answers_on(fake):
    pool = toy_pool(n_samples=20)
    with pytest.raises(PeerStopped, match="no such thing"):
        pick(replace(fake, name="fails"), pool)
    assert len(pick(fake, pool)) == 3


def test_a_peer_that_ends_is_told_of(tmp_path):
    script = tmp_path / "fake.py"
    script.write_text(FAKE)
    with (
        Peer(str(script), ENVIRONMENT) as peer,
        pytest.raises(PeerStopped, match="exit code 3: what a library prints"),
    ):
        peer.ask({"ask": "query", "strategy": "ends"}, {})


def test_picks_that_are_no_candidates_are_refused(fake):
    with pytest.raises(PeerStopped, match="not 3 candidates"):
        pick(replace(fake, name="repeats"), toy_pool(n_samples=20))


def test_every_library_has_an_environment():
    assert set(STRATEGIES) == set(peer_adapter.ENVIRONMENTS)


def test_the_table_shows_losses_as_loudly_as_wins(capsys):
    rng = np.random.default_rng(0)
    base = rng.normal(0.5, 0.1, 12)

    def runs(gain):
        return Runs(base + gain + rng.normal(0, 0.01, 12), [0.002], 1, 4)

    default, good, bad = Arm("ours", "default"), Arm("peers", "good"), Arm("peers", "bad")
    found = {RANDOM: Runs(base, [0.0], 0, 4)}
    found |= {default: runs(0.1), good: runs(0.2), bad: runs(-0.1)}
    verdicts = {arm: cell.verdict for arm, cell in judge(found, RANDOM).items()}
    assert verdicts == {default: "win", good: "win", bad: "loss"}
    table = print_table({"toy": found}, default)
    rows = capsys.readouterr().out.splitlines()
    assert [row.split("`")[1] for row in rows[2:]] == ["good", "default", "bad"]
    assert "!" in rows[-1] and "| 0/1 | 0/1 | 2.0 | 25% |" in rows[-1]
    assert table["peers: good"]["against_default"]["toy"][3] == "win"
