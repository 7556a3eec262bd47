import os
from pathlib import Path

import numpy as np
import pytest

from embeddings.vector_file import VectorFile


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize(("n_rows", "n_features"), [(1, 1), (7, 3), (100, 1280), (0, 5)])
def test_numpy_reads_what_was_written_in_place(
    tmp_path: Path, dtype: str, n_rows: int, n_features: int
) -> None:
    rng = np.random.default_rng(0)
    wanted = rng.standard_normal((n_rows, n_features)).astype(dtype)
    ids = np.array([f"é{row}" for row in range(n_rows)])
    with VectorFile(tmp_path / "deep" / "a.npz", n_rows, n_features, dtype=dtype) as file:
        file.X[:] = wanted
        file.finish(n_rows, {"ids": ids, "y": np.arange(n_rows)})
    with np.load(tmp_path / "deep" / "a.npz", allow_pickle=False) as arrays:
        assert arrays.files == ["X", "ids", "y"]
        np.testing.assert_array_equal(arrays["X"], wanted)
        assert arrays["X"].dtype == dtype
        np.testing.assert_array_equal(arrays["ids"], ids)
        np.testing.assert_array_equal(arrays["y"], np.arange(n_rows))
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.npz"]


def test_rows_behind_the_last_that_is_kept_are_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with VectorFile(path, 100_000, 4) as file:
        file.X[:] = np.arange(400_000).reshape(100_000, 4)
        file.finish(9, {})
    with np.load(path) as arrays:
        np.testing.assert_array_equal(arrays["X"], np.arange(36).reshape(9, 4))
    assert path.stat().st_size < 1000


def test_a_file_that_is_not_finished_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, X=np.eye(2))
    with pytest.raises(KeyError), VectorFile(path, 5, 2) as file:
        file.X[:] = 7
        raise KeyError
    with np.load(path) as arrays:
        np.testing.assert_array_equal(arrays["X"], np.eye(2))
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "kept.npz").write_bytes(b"kept")
    (tmp_path / "link.npz").symlink_to("kept.npz")
    (tmp_path / "dangling.npz").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.npz")
    before = sorted(tmp_path.iterdir())
    for name in ("link.npz", "dangling.npz", "pipe.npz"):
        with pytest.raises(FileExistsError, match="is there"):
            VectorFile(tmp_path / name, 1, 1)
    assert sorted(tmp_path.iterdir()) == before


def test_what_a_killed_run_left_is_written_over(tmp_path: Path) -> None:
    (tmp_path / ".a.npz.part").write_bytes(b"left over" * 1000)
    with VectorFile(tmp_path / "a.npz", 2, 2) as file:
        assert not file.X.any()
        file.X[:] = 1
        file.finish(2, {})
    with np.load(tmp_path / "a.npz") as arrays:
        np.testing.assert_array_equal(arrays["X"], np.ones((2, 2)))
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_two_runs_cannot_write_the_same_file_at_once(tmp_path: Path) -> None:
    with VectorFile(tmp_path / "a.npz", 2, 2) as file:
        with pytest.raises(BlockingIOError):
            VectorFile(tmp_path / "a.npz", 9, 9)
        file.X[:] = 1
        file.finish(2, {})
    with np.load(tmp_path / "a.npz") as arrays:
        assert arrays["X"].shape == (2, 2)


def test_the_same_vectors_make_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with VectorFile(tmp_path / f"{name}.npz", 3, 2) as file:
            file.X[:] = 2
            file.finish(3, {"y": np.arange(3)})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
