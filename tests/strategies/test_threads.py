"""Long work lets others have their turn."""

import threading

import numpy as np

from strategies.filters.search import everywhere
from strategies.kernels.threads import threads_for


def _is_free() -> bool:
    """Tell whether another thread may have a turn now."""
    had = threading.Event()

    def turn() -> None:
        with threads_for(1):
            had.set()

    other = threading.Thread(target=turn, daemon=True)
    other.start()
    return had.wait(0.5)


def test_a_turn_may_be_taken_inside_of_a_turn() -> None:
    with threads_for(10**9) as outer, threads_for(1) as inner:
        assert (outer >= 1, inner) == (True, 1)
        assert not _is_free()
    with threads_for(10**9) as again:
        assert again == outer


def test_a_long_search_is_many_turns() -> None:
    vectors = np.random.default_rng(0).normal(size=(20_000, 64)).astype(np.float32)
    between: list[bool] = []
    search = everywhere(vectors, "euclidean")
    search.nearest(np.arange(20_000), k=3, progress=lambda share: between.append(_is_free()))
    assert len(between) >= 3 and all(between)
