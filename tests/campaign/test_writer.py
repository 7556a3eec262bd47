"""The one thread between requests and arrays."""

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from al_server.campaign.writer import Writer
from al_server.errors import NotReady

LONG = 60.0  # a patience that is never over within a test
Start = Callable[[Any], Writer]


class Steps:
    """A backlog of so many steps; each waits for `go`, so that a test decides when it is done."""

    def __init__(self, n_steps: int = 0) -> None:
        self.n_steps = n_steps
        self.done: list[str] = []
        self.go = threading.Event()
        self.go.set()
        self.entered = threading.Event()
        self.wake_time: float | None = None
        self.error: Exception | None = None
        self.wake_error: Exception | None = None

    def has_backlog(self) -> bool:
        return self.n_steps > 0

    def work_off_one(self) -> None:
        self.entered.set()
        assert self.go.wait(LONG)
        if self.error is not None:
            raise self.error
        self.n_steps -= 1
        self.done.append("step")

    def wake_at(self) -> float | None:
        return self.wake_time

    def wake(self) -> None:
        self.wake_time = None
        if self.wake_error is not None:
            raise self.wake_error
        self.done.append("woken")

    def adds(self, name: str, n_steps: int = 0) -> Callable[[], str]:
        """A job that leaves so many steps of backlog."""

        def job() -> str:
            self.done.append(name)
            self.n_steps += n_steps
            return name

        return job


@pytest.fixture
def start() -> Iterator[Start]:
    writers: list[Writer] = []

    def start(backlog: Any) -> Writer:
        writers.append(Writer("toy", backlog))
        return writers[-1]

    yield start
    for writer in writers:
        writer.close()


def in_background(run: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=run)
    thread.start()
    return thread


def wait_until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.001)


def test_writes_run_in_the_order_in_which_they_came(start: Start) -> None:
    steps = Steps(n_steps=1)
    steps.go.clear()
    writer = start(steps)
    assert steps.entered.wait(LONG)
    threads = []
    for number in range(20):
        job = steps.adds(str(number))
        threads.append(in_background(partial(writer.write, job)))
        wait_until(lambda: len(writer._writes) == len(threads))
    steps.go.set()
    for thread in threads:
        thread.join()
    assert [name for name in steps.done if name != "step"] == [str(n) for n in range(20)]


def test_results_come_back_to_the_one_who_asked(start: Start) -> None:
    writer = start(Steps())
    assert writer.write(lambda: 5) == 5
    assert writer.read(lambda: "six", patience_s=LONG) == "six"


def test_a_read_waits_until_the_writes_before_it_have_reached_the_arrays(start: Start) -> None:
    steps = Steps()
    writer = start(steps)
    writer.write(steps.adds("write", n_steps=3))
    writer.read(steps.adds("read"), patience_s=LONG)
    assert steps.done == ["write", "step", "step", "step", "read"]


def test_writes_overtake_reads_that_wait_for_the_backlog(start: Start) -> None:
    steps = Steps(n_steps=2)
    steps.go.clear()
    writer = start(steps)
    assert steps.entered.wait(LONG)
    reader = in_background(lambda: writer.read(steps.adds("read"), patience_s=LONG))
    wait_until(lambda: len(writer._reads) == 1)
    other = in_background(lambda: writer.write(steps.adds("write")))
    wait_until(lambda: len(writer._writes) == 1)
    steps.go.set()
    reader.join()
    other.join()
    assert steps.done == ["step", "write", "step", "read"]


def test_a_read_whose_patience_is_over_does_not_wait_for_the_rest(start: Start) -> None:
    steps = Steps(n_steps=3)
    steps.go.clear()
    writer = start(steps)
    assert steps.entered.wait(LONG)
    reader = in_background(lambda: writer.read(steps.adds("read"), patience_s=0.0))
    wait_until(lambda: len(writer._reads) == 1)
    steps.go.set()
    reader.join()
    assert steps.done.index("read") == 1, "after the step that was under way"


def test_an_exception_reaches_the_caller_and_the_thread_lives_on(start: Start) -> None:
    writer = start(Steps())

    def fail() -> None:
        raise KeyError("of the caller")

    for ask in (writer.write, lambda run: writer.read(run, patience_s=LONG)):
        with pytest.raises(KeyError, match="of the caller"):
            ask(fail)
    assert writer.write(lambda: "alive") == "alive"


def test_a_backlog_that_fails_stops_the_campaign_and_tells_everybody(start: Start) -> None:
    steps = Steps()
    steps.error = ZeroDivisionError("a bug")
    steps.go.clear()
    writer = start(steps)
    writer.write(steps.adds("write", n_steps=1))
    assert steps.entered.wait(LONG)
    told: list[str] = []

    def ask(run: Callable[[Any], Any]) -> None:
        with pytest.raises(NotReady) as caught:
            run(lambda: told.append("ran"))
        told.append(f"{caught.value.message}: {caught.value.remedy}")

    asking = [
        in_background(lambda: ask(writer.write)),
        in_background(lambda: ask(lambda run: writer.read(run, patience_s=LONG))),
    ]
    wait_until(lambda: len(writer._writes) == len(writer._reads) == 1)
    steps.go.set()
    for thread in asking:
        thread.join()
    ask(writer.write)
    assert len(told) == 3
    for message in told:
        assert "ZeroDivisionError('a bug')" in message
        assert "restart the server" in message


def test_a_job_is_not_forgotten_when_what_is_due_before_it_fails(start: Start) -> None:
    steps = Steps(n_steps=1)
    steps.go.clear()
    writer = start(steps)
    assert steps.entered.wait(LONG)
    caught: list[BaseException] = []

    def ask() -> None:
        try:
            writer.write(steps.adds("write"))
        except NotReady as error:
            caught.append(error)

    asking = in_background(ask)
    wait_until(lambda: len(writer._writes) == 1)
    steps.wake_error, steps.wake_time = ZeroDivisionError("a bug"), 0.0
    steps.go.set()
    asking.join(LONG)
    assert not asking.is_alive(), "the one who asked waits for ever"
    assert len(caught) == 1


def test_what_is_due_is_done_before_the_next_job(start: Start) -> None:
    steps = Steps()
    writer = start(steps)
    writer.write(lambda: setattr(steps, "wake_time", time.time()))
    writer.write(steps.adds("write"))
    assert steps.done == ["woken", "write"]


def test_what_is_due_is_done_when_nobody_asks(start: Start) -> None:
    steps = Steps()
    writer = start(steps)
    writer.write(lambda: setattr(steps, "wake_time", time.time() + 0.01))
    wait_until(lambda: steps.done == ["woken"])


def test_close_finishes_what_was_submitted_and_refuses_what_comes_later() -> None:
    steps = Steps(n_steps=2)
    steps.go.clear()
    writer = Writer("toy", steps)
    assert steps.entered.wait(LONG)
    asking = [
        in_background(lambda: writer.write(steps.adds("write", n_steps=1))),
        in_background(lambda: writer.read(steps.adds("read"), patience_s=LONG)),
    ]
    wait_until(lambda: len(writer._writes) == len(writer._reads) == 1)
    closing = in_background(writer.close)
    wait_until(lambda: writer._closing)
    with pytest.raises(NotReady, match="the server is stopping"):
        writer.write(steps.adds("too late"))
    steps.go.set()
    for thread in (*asking, closing):
        thread.join()
    assert steps.done == ["step", "write", "step", "step", "read"]
    writer.close()
