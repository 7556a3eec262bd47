"""Threads on very many things: results come in order, and only a few things are taken ahead."""

import threading
from collections.abc import Iterator

import pytest

from al_server.curation import in_order as module
from al_server.curation.in_order import in_order


@pytest.mark.parametrize("n_threads", [1, 3])
def test_results_come_in_the_order_of_the_things(monkeypatch: pytest.MonkeyPatch, n_threads: int):
    monkeypatch.setattr(module, "MOST_THREADS", n_threads)
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    later = threading.Event()

    def work(thing: int) -> int:
        if thing == 1:
            later.set()
        elif thing == 0 and n_threads > 1:
            assert later.wait(30)  # the first is done after the second
        return thing * thing

    assert list(in_order(work, range(100))) == [thing * thing for thing in range(100)]
    assert list(in_order(work, [])) == []


def test_only_a_few_things_are_taken_ahead(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MOST_THREADS", 2)
    taken: list[int] = []

    def things() -> Iterator[int]:
        for thing in range(1000):
            taken.append(thing)
            yield thing

    results = in_order(abs, things())
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    assert len(taken) <= 3 + 8 * 2
    assert list(results) == list(range(3, 1000))


def test_what_goes_wrong_in_a_thread_is_raised_in_its_turn():
    results = in_order(lambda thing: 6 // thing, [1, 2, 0, 3])
    assert [next(results), next(results)] == [6, 3]
    with pytest.raises(ZeroDivisionError):
        next(results)
