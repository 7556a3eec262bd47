"""Kernels are compiled once, for the loop and for whatever strategy a campaign has."""

import sys

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher

from al_server import plugins, warm_up
from strategies import registry
from strategies.toy_pool import cold, repeated, toy_pool


def test_what_is_warm_takes_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[str] = []
    monkeypatch.setattr(warm_up, "_done", set())
    monkeypatch.setattr(
        warm_up,
        "_use_the_loop",
        lambda multi, classifier: used.append(f"loop {multi} {classifier}"),
    )
    monkeypatch.setattr(warm_up, "_use_strategy", used.append)
    warm_up.warm_up("product?margin=2")
    loops = ["loop False propagated", "loop False knn", "loop True knn"]
    assert used == [*loops, "product?margin=2"]
    warm_up.warm_up("product?margin=2")
    warm_up.warm_up("margin")
    assert used[4:] == ["margin"]


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


@pytest.mark.parametrize("name", [name for name in registry.SHELF if name != "vaal"])
def test_after_the_warm_up_nothing_is_compiled(name: str) -> None:
    warm_up.warm_up(name)
    before = _n_compiled()
    large = repeated(toy_pool(), 350, seed=1)
    for pool, budget in ((large, 1), (large, 300), (cold(large), 300)):
        registry.make(name).select(pool, budget, np.random.default_rng(0))
    assert {kernel: n for kernel, n in _n_compiled().items() if n > before.get(kernel, 0)} == {}


def _n_compiled() -> dict[str, int]:
    """Count the compiled signatures of each kernel."""
    return {
        f"{module.__name__}.{name}": len(value.signatures)
        for module in list(sys.modules.values())
        if getattr(module, "__name__", "").startswith(("strategies.", "al_server."))
        for name, value in vars(module).items()
        if isinstance(value, Dispatcher)
    }
