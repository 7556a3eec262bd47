"""Commands that wait for what the server does in the background."""

from collections.abc import Iterator
from typing import Any, Self

import pytest

from integrations.label_studio import commands
from tests.cli.conftest import Al, al

__all__ = ["al"]
Info = dict[str, Any]


class Scripted:
    """A server that tells, one after the other, how a connection stands; the last for good."""

    def __init__(self, *infos: Info) -> None:
        known = {"campaign": "a", "url": "http://ls", "project": 7, "progress": 1.0}
        self._infos: Iterator[Info] = iter([{**known, **one} for one in infos])
        self._last: Info = {}

    def __call__(self, _url: str) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def get(self, _path: str, _body: object = None) -> Info:
        self._last = next(self._infos, self._last)
        return self._last

    post = delete = get


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "POLL_S", 0.0)


def play(monkeypatch: pytest.MonkeyPatch, *infos: Info) -> None:
    monkeypatch.setattr(commands, "Connection", Scripted(*infos))


def test_to_disconnect_waits_for_the_end_and_says_what_stays(
    al: Al, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_the_way = {"state": "disconnecting"}
    play(monkeypatch, on_the_way, on_the_way, {"state": "disconnected"})
    assert "is disconnected: project 7 is as it was found" in al(*END).output
    play(monkeypatch, on_the_way, {"state": "disconnected", "message": "the webhook stays"})
    assert "is disconnected: the webhook stays" in al(*END).output


def test_to_disconnect_from_a_label_studio_that_is_down_is_told(
    al: Al, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(monkeypatch, {"state": "disconnecting", "error": "it is down"})
    result = al(*END)
    assert result.exit_code == 1
    assert "not disconnected yet: it is down" in result.stderr


def test_to_reconcile_gives_up_at_last(al: Al, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "RECONCILED_WITHIN_S", 0.05)
    play(monkeypatch, {"state": "connected", "reconciled_at": 1.0})
    result = al("label-studio", "reconcile", "a")
    assert result.exit_code == 1
    assert "has not reconciled" in result.stderr


END = ("label-studio", "disconnect", "a")
