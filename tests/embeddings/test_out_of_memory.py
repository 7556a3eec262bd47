from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from embeddings.errors import EmbedderUnavailable
from embeddings.out_of_memory import halving, is_out_of_memory

Run = Callable[[Sequence[int]], NDArray[np.float32]]


def toy(limit: int, sizes: list[int]) -> Run:
    """Squares, but torch's own allocator gives up above `limit` items."""
    import torch

    def run(items: Sequence[int]) -> NDArray[np.float32]:
        sizes.append(len(items))
        if len(items) > limit:
            torch.empty(2**50)
        return np.array([[item, item**2] for item in items], dtype=np.float32)

    return run


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_batches_are_halved_until_they_fit_and_no_row_is_lost(limit: int) -> None:
    items = list(range(13))
    rows = halving(toy(limit, []), what="toy")(items)
    assert rows.tolist() == [[item, item**2] for item in items]


def test_the_size_that_worked_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    sizes: list[int] = []
    run = halving(toy(3, sizes), what="toy")
    run(list(range(12)))
    assert sizes == [12, 6, 3, 3, 3, 3]
    run(list(range(12)))
    assert sizes[6:] == [3, 3, 3, 3]
    assert "toy ran out of memory with 12 samples at a time: going on with 6" in caplog.text


def test_one_sample_that_is_too_much_ends_the_run_with_a_remedy() -> None:
    with pytest.raises(EmbedderUnavailable, match="toy runs out of memory with a single") as caught:
        halving(toy(0, []), what="toy")([1, 2, 3])
    assert "smaller network" in caught.value.remedy


def test_other_errors_pass() -> None:
    def run(items: Sequence[int]) -> NDArray[np.float32]:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        halving(run, what="toy")([1, 2])


def test_what_means_out_of_memory() -> None:
    import torch

    assert is_out_of_memory(torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate"))
    assert is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"))
    assert is_out_of_memory(RuntimeError("DefaultCPUAllocator: not enough memory: you tried"))
    assert is_out_of_memory(RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"))
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("expected 3 channels"))
    assert not is_out_of_memory(ValueError("out of memory"))
