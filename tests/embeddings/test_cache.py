import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from embeddings.cache import VectorCache
from embeddings.embedder import content_hash

A, B, C = (content_hash(letter) for letter in "abc")
ONE = np.array([0.6, 0.8], dtype=np.float32)
TWO = np.array([1, 0], dtype=np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "vectors.sqlite"


def test_vectors_come_back_bit_for_bit_after_reopening(path: Path) -> None:
    with VectorCache(path) as cache:
        cache.put_many("e1", {A: ONE, B: TWO})
    with VectorCache(path) as cache:
        found = cache.get_many("e1", [A, B, C])
    assert found.keys() == {A, B}
    assert np.array_equal(found[A], ONE)
    assert found[A].dtype == np.float32


def test_embedders_do_not_see_each_others_vectors(path: Path) -> None:
    with VectorCache(path) as cache:
        cache.put_many("e1", {A: ONE})
        cache.put_many("e2", {A: TWO})
        assert np.array_equal(cache.get_many("e1", [A])[A], ONE)
        assert np.array_equal(cache.get_many("e2", [A])[A], TWO)
        assert cache.get_many("e3", [A]) == {}


def test_more_hashes_than_one_query_takes_are_found(path: Path) -> None:
    many = {content_hash(str(i)): np.array([i, 1], dtype=np.float32) for i in range(2500)}
    with VectorCache(path) as cache:
        cache.put_many("e", many)
        found = cache.get_many("e", list(many))
    assert found.keys() == many.keys()
    assert all(np.array_equal(found[key], many[key]) for key in many)


def test_nothing_asked_gives_nothing(path: Path) -> None:
    with VectorCache(path) as cache:
        cache.put_many("e", {})
        assert cache.get_many("e", []) == {}


def test_what_was_put_is_seen_by_another_open_cache_at_once(path: Path) -> None:
    with VectorCache(path) as writer, VectorCache(path) as reader:
        writer.put_many("e", {A: ONE})
        assert np.array_equal(reader.get_many("e", [A])[A], ONE)


def test_threads_may_share_a_cache(path: Path) -> None:
    keys = [content_hash(str(i)) for i in range(200)]
    with VectorCache(path) as cache, ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda key: cache.put_many("e", {key: ONE}), keys))
        found = list(threads.map(lambda key: cache.get_many("e", [key]), keys))
    assert all(np.array_equal(one[key], ONE) for one, key in zip(found, keys, strict=True))


@pytest.mark.parametrize("damage", [b"this is no database, but some text" * 100, b"\0" * 5000])
def test_a_damaged_file_is_put_aside_and_begun_anew(
    path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    path.write_bytes(damage)
    with VectorCache(path) as cache:
        assert cache.get_many("e", [A]) == {}
        cache.put_many("e", {A: ONE})
        assert np.array_equal(cache.get_many("e", [A])[A], ONE)
    assert path.with_name("vectors.sqlite.damaged").read_bytes() == damage
    assert "damaged" in caplog.text


def test_damage_that_shows_later_is_met_in_the_same_way(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    many = {content_hash(str(i)): np.full(300, i, dtype=np.float32) for i in range(200)}
    with VectorCache(path) as cache:
        cache.put_many("e", many)
    with path.open("r+b") as file:  # the header stays whole
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    with VectorCache(path) as cache:
        assert cache.get_many("e", list(many)) == {}
        cache.put_many("e", {A: ONE})
        assert np.array_equal(cache.get_many("e", [A])[A], ONE)
    assert "damaged" in caplog.text


@pytest.mark.parametrize(
    "damage",
    [
        "vector = zeroblob(8)",
        "vector = x'0000803f00000000'",
        "vector = 'a text'",
        "vector = 7",
        "crc32 = 'none'",
        "embedder = 2",
    ],
)
def test_a_vector_that_is_not_what_was_kept_is_not_known(path: Path, damage: str) -> None:
    with VectorCache(path) as cache:
        cache.put_many("e1", {A: ONE})
        cache.put_many("e2", {B: TWO})
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE checked_vectors SET {damage} WHERE embedder = 1")
    with VectorCache(path) as cache:
        assert cache.get_many("e1", [A]) == {} == cache.get_many("e2", [A])
        assert cache.get_many("e2", [B]).keys() == {B}
        cache.put_many("e1", {A: ONE})
        assert np.array_equal(cache.get_many("e1", [A])[A], ONE)


def test_a_file_of_the_first_form_is_filled_anew(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE vectors (embedder, content, vector)")
        connection.execute("INSERT INTO vectors VALUES (1, ?, zeroblob(8))", [bytes.fromhex(A)])
    with VectorCache(path) as cache:
        assert cache.get_many("e", [A]) == {}
        cache.put_many("e", {A: ONE})
        assert np.array_equal(cache.get_many("e", [A])[A], ONE)
    assert not path.with_name("vectors.sqlite.damaged").exists()


@pytest.mark.parametrize("error", [UnicodeDecodeError("utf-8", b"x", 0, 1, "x"), TypeError()])
def test_whatever_reading_raises_is_damage(
    path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    with VectorCache(path) as cache:
        cache.put_many("e", {A: ONE})

    def raise_it(*_: object) -> None:
        raise error

    with VectorCache(path) as cache, monkeypatch.context() as broken:
        broken.setattr("embeddings.cache._select", raise_it)
        assert cache.get_many("e", [A]) == {}
    assert path.with_name("vectors.sqlite.damaged").exists()


def test_an_id_that_is_no_text_is_gone_around(path: Path) -> None:
    with VectorCache(path) as cache:
        cache.put_many("e", {A: ONE})
        cache.put_many("e\udc80", {A: TWO})
        assert cache.get_many("e\udc80", [A]) == {}
        assert cache.get_many("e", [A]).keys() == {A}


def test_a_file_that_cannot_be_written_is_gone_around(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embeddings.cache._BUSY_S", 0.05)
    with VectorCache(path) as cache:
        cache.put_many("e", {A: ONE})
        blocker = sqlite3.connect(path, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        try:
            cache.put_many("e", {B: TWO})
            assert cache.get_many("e", [A, B]).keys() == {A}
        finally:
            blocker.close()
        cache.put_many("e", {B: TWO})
        assert cache.get_many("e", [A, B]).keys() == {A, B}
    assert "not used this time" in caplog.text


@pytest.mark.parametrize("in_the_way", ["vectors.sqlite", "deep"])
def test_a_path_that_cannot_be_a_file_is_gone_around(path: Path, in_the_way: str) -> None:
    if in_the_way == path.name:
        path.mkdir(parents=True)  # a folder where the file should be
    else:
        path.parent.touch()  # a file where the folder should be
    with VectorCache(path) as cache:
        cache.put_many("e", {A: ONE})
        assert cache.get_many("e", [A]) == {}
