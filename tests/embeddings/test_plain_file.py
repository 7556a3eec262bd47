import os
from pathlib import Path

import pytest

from embeddings.errors import Unreadable
from embeddings.images import read_file
from embeddings.plain_file import open_plain


def test_a_file_and_a_link_to_one_are_opened(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    for name in ("a", "link"):
        with open_plain(tmp_path / name) as stream:
            assert stream.read() == b"content"


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    n_open = len(os.listdir("/proc/self/fd"))
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(OSError, match=r"it is not a file|Is a directory"):
            open_plain(path)
    assert len(os.listdir("/proc/self/fd")) == n_open


def test_an_image_that_is_a_pipe_is_unreadable(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(Unreadable, match="it is not a file"):
        read_file(tmp_path / "pipe.png")
