import threading
from collections.abc import Iterator

import pytest

from al_server.errors import ALError
from integrations.label_studio import worker as workers
from integrations.label_studio.worker import Worker

PATIENCE_S = 10


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(workers, "FIRST_RETRY_S", 0.01)
    yield


def test_a_job_wanted_often_runs_once_and_the_urgent_first() -> None:
    done: list[str] = []
    end = threading.Event()
    jobs = {"a": lambda: done.append("a"), "b": lambda: done.append("b"), "end": end.set}
    worker = Worker("w", jobs)
    for _ in range(5):
        worker.want("b", "a")
    worker.want("end")
    worker.start()
    assert end.wait(PATIENCE_S)
    worker.close()
    assert done == ["a", "b"]


def test_what_failed_is_tried_again_and_told_meanwhile() -> None:
    n_tries, good = 0, threading.Event()

    def job() -> None:
        nonlocal n_tries
        n_tries += 1
        if n_tries < 3:
            assert worker.failure == (None if n_tries == 1 else "down")
            raise ALError("down")
        good.set()

    worker = Worker("w", {"job": job})
    worker.want("job")
    worker.start()
    assert good.wait(PATIENCE_S)
    worker.close()
    assert (n_tries, worker.failure) == (3, None)


def test_a_bug_in_one_job_does_not_end_the_others(caplog: pytest.LogCaptureFixture) -> None:
    good = threading.Event()

    def bug() -> None:
        raise ZeroDivisionError

    worker = Worker("w", {"bug": bug, "good": good.set})
    worker.want("bug", "good")
    worker.start()
    assert good.wait(PATIENCE_S)
    worker.close()
    assert "bug failed" in caplog.text


def test_a_repeated_job_comes_again_and_closing_ends_it() -> None:
    n_runs, thrice = 0, threading.Event()

    def job() -> None:
        nonlocal n_runs
        n_runs += 1
        if n_runs == 3:
            thrice.set()

    worker = Worker("w", {"job": job}, every={"job": 0.01})
    worker.start()
    assert thrice.wait(PATIENCE_S)
    worker.close()
    assert worker.is_stopping
