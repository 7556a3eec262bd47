import os
from pathlib import Path

import numpy as np
import pytest

from al_server.errors import BadSource, OutsideRoots
from al_server.models import Source
from al_server.sources.fetch import Fetcher
from al_server.sources.listing import Listing
from al_server.sources.read import read_source


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    np.savez(
        tmp_path / "pool.npz",
        X=np.eye(4),
        ids=np.array(["a", "b", "c", "d"]),
        y=np.array([0, 1, 0, 1]),
    )
    return tmp_path


def read(folder: Path, content: bytes, only: str = "kept.txt") -> Listing:
    (folder / "kept.txt").write_bytes(content)
    source = Source(kind="npz", path="pool.npz", labels=True, only=only)
    return read_source(source, roots=[folder], fetch=Fetcher(folder, ()))


def test_the_named_samples_are_taken_in_the_order_of_the_source(pool: Path):
    listing = read(pool, b"d\nb\n\nb\r\n")
    assert listing.sample_ids == ["b", "d"]
    assert listing.vectors is not None and listing.vectors.tolist() == np.eye(4)[[1, 3]].tolist()
    assert listing.labels == ["1", "1"] and listing.failures == []


def test_names_that_the_source_does_not_have_are_reported(pool: Path):
    listing = read(pool, b"a\nz\n")
    assert listing.sample_ids == ["a"]
    assert [one.sample for one in listing.failures] == ["z"]
    assert "not in the source" in listing.failures[0].reason


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "names no samples"),
        (b"\xff\n", "cannot be read"),
        (b"x\ny\n", "has none of the 2 samples"),
        (b"a" * 1001, "over 1000 characters"),
    ],
)
def test_lists_that_are_of_no_use_are_refused(pool: Path, content: bytes, message: str):
    with pytest.raises(BadSource, match=message) as caught:
        read(pool, content)
    assert caught.value.remedy


def test_a_list_that_is_a_pipe_is_refused_instead_of_waited_for(pool: Path):
    os.mkfifo(pool / "pipe.txt")
    with pytest.raises(BadSource, match=r"pipe\.txt cannot be read: it is not a file"):
        read(pool, b"a\n", only="pipe.txt")


def test_a_list_outside_the_roots_is_not_read(pool: Path):
    with pytest.raises(OutsideRoots):
        read(pool, b"a\n", only="/etc/passwd")
