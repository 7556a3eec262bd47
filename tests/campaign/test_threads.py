"""The bits of every array are the same for any number of threads and any kind of memory."""

from collections.abc import Iterator
from pathlib import Path

import numba
import numpy as np
import pytest

from al_server.campaign.loop import Loop
from al_server.campaign.pool_files import PoolFiles, unit_rows
from strategies.kernels.distances import cosine_distances
from tests.campaign.conftest import MakeToy
from tests.campaign.test_rebuild import HOLDOUT, assert_same_view, assert_same_votes
from tests.toys_campaign import CLASSES, grid_vectors, say, undo


@pytest.fixture
def two_threads() -> Iterator[None]:
    n_cores: int = getattr(numba.config, "NUMBA_NUM_THREADS", 1)  # set while it is imported
    if n_cores < 2:
        pytest.skip("this machine has one core; set NUMBA_NUM_THREADS=2")
    before = numba.get_num_threads()
    yield
    numba.set_num_threads(before)


def work(loop: Loop) -> list[int | None]:
    picks = []
    for step in range(30):
        picks.append(loop.peek())
        sample_id = loop.names.sample_ids[step * 7]
        say(loop, sample_id, CLASSES[step % 3])
        if step % 4 == 3:
            undo(loop, sample_id)
    return picks


@pytest.mark.usefixtures("two_threads")
def test_one_thread_equals_two(make_toy: MakeToy) -> None:
    # more rows than a thread's share of any kernel
    vectors = grid_vectors(3000, np.random.default_rng(0)) + np.float32(0.01)
    loops, picks = [], []
    for n_threads in (1, 2):
        numba.set_num_threads(n_threads)
        loops.append(make_toy(vectors, holdout=HOLDOUT).open())
        picks.append(work(loops[-1]))
    one, two = loops
    assert picks[0] == picks[1]
    assert_same_view(one.pool.view(), two.pool.view())
    assert_same_votes(one.pool.votes, two.pool.votes)
    assert one.pool.holdout is not None and two.pool.holdout is not None
    assert one.pool.holdout.curve == two.pool.holdout.curve


def test_distances_of_mapped_embeddings_are_those_of_arrays_in_memory(tmp_path: Path) -> None:
    vectors = unit_rows(np.random.default_rng(1).normal(size=(700, 37)))
    files = PoolFiles(tmp_path)
    files.append_embeddings(vectors[:300], n_before=0)
    files.append_embeddings(vectors[300:], n_before=300)
    mapped = files.embeddings(700, 37)
    assert np.array_equal(mapped, vectors)
    for chosen in (None, np.array([699, 3, 3, 512])):
        assert np.array_equal(
            cosine_distances(mapped, mapped[5:9], rows=chosen),
            cosine_distances(vectors, vectors[5:9], rows=chosen),
        )


def test_writing_to_mapped_embeddings_never_reaches_the_file(tmp_path: Path) -> None:
    vectors = unit_rows(np.ones((4, 3)))
    files = PoolFiles(tmp_path)
    files.append_embeddings(vectors, n_before=0)
    files.embeddings(4, 3)[:] = 7
    assert np.array_equal(files.embeddings(4, 3), vectors)


def test_what_a_broken_run_left_behind_is_overwritten(tmp_path: Path) -> None:
    first, broken, second = (
        unit_rows(np.random.default_rng(s).normal(size=(5, 3))) for s in range(3)
    )
    files = PoolFiles(tmp_path)
    files.append_embeddings(first, n_before=0)
    files.append_embeddings(np.repeat(broken, 9, axis=0), n_before=5)
    files.append_embeddings(second, n_before=5)
    assert np.array_equal(files.embeddings(10, 3), np.concatenate([first, second]))
    assert (tmp_path / "embeddings.f32").stat().st_size == 10 * 3 * 4


def test_unit_rows_are_unit_whatever_their_size_and_alone_or_in_company() -> None:
    vectors = np.array([[3, 4], [1e-38, 0], [1e38, 1e38], [5e-324, 0], [1e300, 1e300]])
    rows = unit_rows(vectors)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1)
    assert rows[0].tolist() == pytest.approx([0.6, 0.8])
    for row in range(len(vectors)):
        assert np.array_equal(unit_rows(vectors[row : row + 1])[0], rows[row])
