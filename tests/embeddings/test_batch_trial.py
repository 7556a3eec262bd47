"""Trials with an embedder whose time is chosen, by a clock that it moves."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL.Image import Image

from embeddings import embedder as embedder_module
from embeddings.batch_trial import BatchShape, fastest_shape
from embeddings.cache import VectorCache
from embeddings.embedder import embed_all
from tests.toys import LetterEmbedder

SHAPES = [BatchShape(2**power, last) for last in (False, True) for power in range(6)]


class Clock:
    """Shows the seconds that embedders have taken."""

    now = 0.0


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = SimpleNamespace(perf_counter=lambda: Clock.now)
    monkeypatch.setattr("embeddings.batch_trial.time", shown)


class SleepyEmbedder(LetterEmbedder):
    """Takes the time that a function says, and remembers the sizes of its batches."""

    batch_size = 7
    machine = "toy, 1 thread"

    def __init__(self, seconds: Callable[[BatchShape], float] = lambda _: 0.01) -> None:
        super().__init__()
        self.seconds = seconds
        self.shape = BatchShape(7)
        self.tried: list[BatchShape] = []
        self.sizes: list[int] = []

    def batch_shapes(self) -> Sequence[BatchShape]:
        return SHAPES

    def set_batch_shape(self, shape: BatchShape) -> None:
        self.shape = shape
        self.tried.append(shape)

    def embed_batch(self, items: Sequence[Image | str]) -> NDArray[np.float32]:
        self.sizes.append(len(items))
        Clock.now += self.seconds(self.shape)
        return super().embed_batch(items)


def least_at(best: BatchShape) -> Callable[[BatchShape], float]:
    """Make an item take longer, the further a shape is from the best one."""
    return lambda shape: (
        shape.size * 0.002 * (1 + abs(np.log2(shape.size / best.size)))
        + shape.size * 0.004 * (shape.channels_last != best.channels_last)
    )


@pytest.mark.parametrize("best", [BatchShape(1), BatchShape(4), BatchShape(2, True)])
def test_the_shape_with_the_least_time_an_item_wins(best: BatchShape) -> None:
    assert fastest_shape(SleepyEmbedder(least_at(best)), ["a"]) == best


def test_a_disturbance_at_the_first_look_decides_nothing() -> None:
    calm, best = least_at(BatchShape(4)), BatchShape(4)
    looks = 0

    def seconds(shape: BatchShape) -> float:
        nonlocal looks
        looks += shape == best
        return calm(shape) * (2.1 if shape == best and looks < 12 else 1)

    assert calm(best) * 2.1 / 4 < 1.25 * calm(BatchShape(2)) / 2, "else it is not looked at again"
    assert calm(best) * 2.1 / 4 > calm(BatchShape(2)) / 2
    assert fastest_shape(SleepyEmbedder(seconds), ["a"]) == best


def test_a_trial_ends_soon_after_larger_batches_stop_to_pay() -> None:
    embedder = SleepyEmbedder(least_at(BatchShape(2)))
    fastest_shape(embedder, ["a", "b"])
    assert max(shape.size for shape in embedder.tried) == 8


def test_a_layout_that_a_network_cannot_take_is_left_out() -> None:
    def seconds(shape: BatchShape) -> float:
        if shape.channels_last:
            raise RuntimeError("view size is not compatible with input tensor's size and stride")
        return 0.001

    shape = fastest_shape(SleepyEmbedder(seconds), ["a"])
    assert not shape.channels_last
    assert shape.size == 32  # a batch costs the same here, whatever its size


def test_the_outcome_is_kept_and_a_second_run_has_no_trial(tmp_path: Path) -> None:
    texts = ["a" + "b" * n for n in range(600)]
    with VectorCache(tmp_path / "vectors.db") as cache:
        first = SleepyEmbedder(least_at(BatchShape(4)))
        embed_all(first, texts, cache=cache)
        assert first.sizes[-150:] == [4] * 150 and len(first.sizes) > 150
        second = SleepyEmbedder(least_at(BatchShape(1)))
        embed_all(second, ["c", *texts], cache=cache)
        assert second.tried == [BatchShape(4)]
        assert second.sizes == [1]  # the one that is new


def test_another_machine_has_a_trial_of_its_own(tmp_path: Path) -> None:
    texts = ["a" + "b" * n for n in range(600)]
    with VectorCache(tmp_path / "vectors.db") as cache:
        embed_all(SleepyEmbedder(), texts, cache=cache)
        other = SleepyEmbedder()
        other.machine = "toy, 2 threads"
        embed_all(other, texts, cache=cache)
        assert len(other.tried) > 1


def test_few_items_and_an_asked_size_have_no_trial() -> None:
    embedder = SleepyEmbedder()
    embed_all(embedder, ["a" * (n + 1) for n in range(10)], cache=None)
    assert (embedder.tried, embedder.sizes) == ([], [7, 3])
    embedder = SleepyEmbedder()
    texts = ["a" * (n + 1) for n in range(embedder_module._WORTH_A_TRIAL)]
    embed_all(embedder, texts, cache=None, batch_size=100)
    assert (embedder.tried, embedder.sizes) == ([], [100] * 5)


def test_an_asked_size_keeps_the_layout_that_a_trial_found(tmp_path: Path) -> None:
    texts = ["a" + "b" * n for n in range(600)]
    with VectorCache(tmp_path / "vectors.db") as cache:
        embed_all(SleepyEmbedder(least_at(BatchShape(2, True))), texts, cache=cache)
        embedder = SleepyEmbedder()
        embed_all(embedder, ["c", "cc"], cache=cache, batch_size=2)
    assert embedder.shape == BatchShape(2, True)
    assert embedder.sizes == [2]
