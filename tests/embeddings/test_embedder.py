import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from embeddings.cache import VectorCache
from embeddings.embedder import Item, content_hash, embed_all
from embeddings.errors import Interrupted
from tests.toys import ColorEmbedder, LetterEmbedder

HALF = 0.5**0.5


@pytest.fixture
def cache(tmp_path: Path) -> VectorCache:
    return VectorCache(tmp_path / "vectors.sqlite")


def image_file(folder: Path, color: str, size: tuple[int, int] = (5, 4)) -> Path:
    path = folder / f"{color}-{size[0]}.png"
    Image.new("RGB", size, color).save(path)
    return path


def test_vectors_are_those_computed_by_hand_in_the_order_of_the_items(tmp_path: Path) -> None:
    items = [image_file(tmp_path, color) for color in ("blue", "red", "yellow")]
    embedded = embed_all(ColorEmbedder(), items, cache=None)
    assert np.array_equal(embedded.positions, [0, 1, 2])
    np.testing.assert_allclose(
        embedded.vectors, [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [HALF, HALF, 0.0]], atol=1e-7
    )
    assert embedded.vectors.dtype == np.float32
    assert embedded.failures == []


def test_what_cannot_be_read_is_listed_with_its_reason_and_the_rest_goes_on(tmp_path: Path) -> None:
    empty, text, folder = tmp_path / "empty.png", tmp_path / "text.jpg", tmp_path / "folder.png"
    empty.touch()
    text.write_text("no image")
    folder.mkdir()
    items: list[Item] = [empty, image_file(tmp_path, "red"), text, tmp_path / "gone.png", folder]
    items += ["a text", image_file(tmp_path, "lime"), image_file(tmp_path, "black")]

    embedded = embed_all(ColorEmbedder(), items, cache=None)

    assert embedded.positions.tolist() == [1, 6]
    np.testing.assert_array_equal(embedded.vectors, [[1, 0, 0], [0, 1, 0]])
    reasons = dict(embedded.failures)
    assert list(reasons) == [0, 2, 3, 4, 5, 7]
    assert "empty" in reasons[0]
    assert "not an image" in reasons[2]
    assert "No such file" in reasons[3]
    assert "directory" in reasons[4]
    assert "a text, but toy:color embeds images" in reasons[5]
    assert "all zeros" in reasons[7]


def test_nothing_gives_nothing() -> None:
    embedded = embed_all(LetterEmbedder(), [], cache=None)
    assert embedded.vectors.shape == (0, 3)
    assert embedded.positions.shape == (0,)


@pytest.mark.parametrize("batch_size", [1, 3, 1000])
def test_vectors_do_not_depend_on_the_batch_size(batch_size: int) -> None:
    texts = ["a" * (i % 7) + "b" * (i % 3) + "c" for i in range(700)]
    once = embed_all(LetterEmbedder(), texts, cache=None)
    again = embed_all(LetterEmbedder(), texts, cache=None, batch_size=batch_size)
    assert np.array_equal(once.vectors, again.vectors)


def test_no_batch_is_larger_than_asked() -> None:
    sizes = []

    class Watched(LetterEmbedder):
        def embed_batch(self, items: Sequence[Image.Image | str]) -> NDArray[np.float32]:
            sizes.append(len(items))
            return super().embed_batch(items)

    embed_all(Watched(), ["a" + "b" * n for n in range(1000)], cache=None, batch_size=300)
    assert sizes == [300, 300, 300, 100]


def test_what_the_cache_knows_is_not_embedded_again(cache: VectorCache, tmp_path: Path) -> None:
    items = [image_file(tmp_path, "red"), image_file(tmp_path, "blue")]
    embedder = ColorEmbedder()
    first = embed_all(embedder, items, cache=cache)
    copy = tmp_path / "copy.png"
    copy.write_bytes(items[0].read_bytes())
    again = embed_all(embedder, [*items, copy, image_file(tmp_path, "lime")], cache=cache)
    assert embedder.n_embedded == 3
    assert np.array_equal(again.vectors[:2], first.vectors)
    assert np.array_equal(again.vectors[2], first.vectors[0])


def test_a_changed_file_and_another_embedder_are_embedded_anew(cache: VectorCache) -> None:
    embed_all(LetterEmbedder(), ["a"], cache=cache)

    class Other(LetterEmbedder):
        id = "toy:other"

    for embedder, text in ((LetterEmbedder(), "b"), (Other(), "a")):
        embed_all(embedder, [text], cache=cache)
        assert embedder.n_embedded == 1


def test_a_cached_vector_that_cannot_be_one_of_the_embedder_is_not_used(cache: VectorCache) -> None:
    for wrong in (np.ones(5), np.array([np.nan, 0, 1]), np.empty(0), np.zeros(3)):
        cache.put_many("toy:letters", {content_hash("a"): wrong.astype(np.float32)})
        embedded = embed_all(LetterEmbedder(), ["a"], cache=cache)
        assert embedded.vectors.tolist() == [[1, 0, 0]]


def test_a_run_that_was_stopped_goes_on_where_it_was(cache: VectorCache) -> None:
    texts = ["a" * i + "b" for i in range(100)]
    embedder, done = LetterEmbedder(), []

    with pytest.raises(Interrupted):
        embed_all(
            embedder,
            texts,
            cache=cache,
            batch_size=10,
            progress=lambda n, _: done.append(n),
            should_stop=lambda: len(done) == 4,
        )

    assert embedder.n_embedded == 40
    embedded = embed_all(embedder, texts, cache=cache, batch_size=10)
    assert embedder.n_embedded == 100
    assert len(embedded.vectors) == 100


def test_a_run_that_died_goes_on_where_it_was(cache: VectorCache) -> None:
    texts = ["a" * i + "b" for i in range(50)]

    class Dies(LetterEmbedder):
        def embed_batch(self, items: Sequence[Image.Image | str]) -> NDArray[np.float32]:
            if self.n_embedded == 30:
                raise MemoryError
            return super().embed_batch(items)

    with pytest.raises(MemoryError):
        embed_all(Dies(), texts, cache=cache, batch_size=10)
    embedder = LetterEmbedder()
    embed_all(embedder, texts, cache=cache, batch_size=10)
    assert embedder.n_embedded == 20


def test_progress_rises_to_the_number_of_items(cache: VectorCache, tmp_path: Path) -> None:
    items = [image_file(tmp_path, "red", (side, side)) for side in range(1, 30)]
    for _ in range(2):  # the second time from the cache
        told: list[tuple[int, int]] = []
        embed_all(
            ColorEmbedder(),
            [*items, tmp_path / "gone.png"],
            cache=cache,
            batch_size=7,
            progress=lambda n, total, told=told: told.append((n, total)),  # type: ignore[misc]
        )
        assert told == sorted(told)
        assert told[-1] == (30, 30)


def test_no_thread_is_left_behind() -> None:
    embed_all(LetterEmbedder(), ["a"] * 1000, cache=None)
    with pytest.raises(Interrupted):
        embed_all(LetterEmbedder(), ["a"] * 9000, cache=None, should_stop=lambda: True)
    assert not [t for t in threading.enumerate() if t.name.startswith("embed-read")]


def test_images_are_shrunk_before_they_wait(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    class Shrinking(ColorEmbedder):
        def shrink(self, image: Image.Image) -> Image.Image:
            return image.resize((2, 2))

        def embed_batch(self, items: Sequence[Image.Image | str]) -> NDArray[np.float32]:
            seen.extend(item.size for item in items if isinstance(item, Image.Image))
            return super().embed_batch(items)

    embedded = embed_all(Shrinking(), [image_file(tmp_path, "red", (50, 40))], cache=None)
    assert seen == [(2, 2)]
    assert embedded.vectors.tolist() == [[1, 0, 0]]


def test_rows_are_brought_to_unit_length_and_broken_ones_are_failures() -> None:
    rows = np.array([[3, 4, 0], [np.nan, 0, 0], [0, 0, 0], [0, 0, 1e-30], [np.inf, 0, 0]])

    class Careless(LetterEmbedder):
        def embed_batch(self, items: Sequence[Image.Image | str]) -> NDArray[np.float32]:
            return rows.astype(np.float32)

    embedded = embed_all(Careless(), list("vwxyz"), cache=None)
    np.testing.assert_allclose(embedded.vectors, [[0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
    assert [failed.position for failed in embedded.failures] == [1, 2, 4]
    assert "not finite" in embedded.failures[0].reason


def test_an_embedder_that_returns_another_shape_is_told_so() -> None:
    class Short(LetterEmbedder):
        def embed_batch(self, items: Sequence[Image.Image | str]) -> NDArray[np.float32]:
            return np.zeros((1, 3), dtype=np.float32)

    with pytest.raises(ValueError, match=r"must return \(2, 3\)"):
        embed_all(Short(), ["a", "b"], cache=None)


def test_the_same_text_has_the_same_hash_on_every_machine() -> None:
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert content_hash("abc") == content_hash(b"abc") == expected
    assert content_hash("\ud800") != content_hash("?")  # a lone surrogate is no error
