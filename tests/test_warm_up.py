"""Kernels are compiled once, for the loop and for whatever strategy a campaign has."""

import pytest

from al_server import plugins, warm_up


def test_what_is_warm_takes_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[str] = []
    monkeypatch.setattr(warm_up, "_done", set())
    monkeypatch.setattr(warm_up, "_use_the_loop", lambda multi: used.append(f"loop {multi}"))
    monkeypatch.setattr(warm_up, "_use_strategy", used.append)
    warm_up.warm_up("product?margin=2")
    assert used == ["loop False", "loop True", "product?margin=2"]
    warm_up.warm_up("product?margin=2")
    warm_up.warm_up("margin")
    assert used[3:] == ["margin"]


@pytest.mark.parametrize("text", ["product?margin=2&k_center=1", "no_such", "similar?label=9"])
def test_a_strategy_that_does_not_work_does_not_stop_the_server(text: str) -> None:
    assert warm_up.warm_up(text) >= 0


def test_compile_times_are_printed_apart(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(plugins, "names", lambda group: ["margin", "uniform"])
    warm_up._main()
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.partition(" ... ")[0] for line in lines] == ["the loop", "margin", "uniform"]
    assert all(line.endswith(" s") for line in lines)
