"""Batches follow from the items alone, and what they hold stays bounded."""

import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from embeddings.cache import VectorCache
from embeddings.embedder import Item, embed_all
from tests.toys import ColorEmbedder, LetterEmbedder


class Companions(LetterEmbedder):
    """The vector of a text depends on what shares its batch, as rounding may."""

    id = "toy:companions"

    def __init__(self, dies_after: int = 10**9) -> None:
        super().__init__()
        self.dies_after = dies_after
        self.batches: list[list[str]] = []

    def embed_batch(self, items: Sequence[Image.Image | str]) -> NDArray[np.float32]:
        if len(self.batches) == self.dies_after:
            raise MemoryError
        self.batches.append([str(item) for item in items])
        vectors = super().embed_batch(items)
        vectors[:, 2] += np.float32(1e-3 * len(items) + 1e-6 * sum(len(str(i)) for i in items))
        vectors[["a" not in str(item) for item in items]] = 0
        return vectors


def texts_with_everything() -> list[Item]:
    """Texts with duplicates, with some that have no vector, and one that is no text."""
    rng = np.random.default_rng(0)
    texts: list[Item] = [
        ("a" if n % 11 else "x") + "b" * int(rng.integers(400)) for n in range(500)
    ]
    texts[13] = Path("no/text")
    return texts


@pytest.mark.parametrize("size", [1, 7, 32])
@pytest.mark.parametrize("lives", [1, 3])
def test_a_run_that_died_again_and_again_gives_the_same_bits(
    tmp_path: Path, size: int, lives: int
) -> None:
    texts = texts_with_everything()
    whole = embed_all(Companions(), texts, cache=None, batch_size=size)
    n_deaths = 0
    with VectorCache(tmp_path / "vectors.db") as cache:
        while True:
            try:
                again = embed_all(Companions(lives), texts, cache=cache, batch_size=size)
                break
            except MemoryError:
                n_deaths += 1
                if n_deaths == 6:
                    lives = 10**9
    assert n_deaths > 3
    assert again.vectors.tobytes() == whole.vectors.tobytes()
    assert np.array_equal(again.positions, whole.positions)
    assert again.failures == whole.failures


def test_the_same_content_is_embedded_once_at_its_first_place() -> None:
    texts = [text for n in range(100) for text in ("a" + "b" * n, "a", "a" + "b" * n)]
    embedder = Companions()
    embedded = embed_all(embedder, texts, cache=None, batch_size=8)
    assert [text for batch in embedder.batches for text in batch] == list(dict.fromkeys(texts))
    assert np.array_equal(embedded.vectors[0::3], embedded.vectors[2::3])
    assert (embedded.vectors[1::3] == embedded.vectors[0]).all()


def test_a_copy_of_what_has_no_vector_has_none_for_the_same_reason() -> None:
    embedded = embed_all(LetterEmbedder(), ["x", "a", "x", "b", "x"], cache=None, batch_size=2)
    assert [failed.position for failed in embedded.failures] == [0, 2, 4]
    assert len({failed.reason for failed in embedded.failures}) == 1
    assert embedded.vectors.tolist() == [[1, 0, 0], [0, 1, 0]]


def test_moved_files_are_not_embedded_again(tmp_path: Path) -> None:
    for color in ("red", "lime"):
        Image.new("RGB", (4, 4), color).save(tmp_path / f"{color}.png")
    embedder = ColorEmbedder()
    with VectorCache(tmp_path / "vectors.db") as cache:
        files = [tmp_path / "red.png", tmp_path / "lime.png"]
        first = embed_all(embedder, files, cache=cache)
        (tmp_path / "deep").mkdir()
        moved = [path.rename(tmp_path / "deep" / path.name) for path in files]
        again = embed_all(embedder, moved, cache=cache)
    assert embedder.n_embedded == 2
    assert np.array_equal(first.vectors, again.vectors)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_vectors_are_written_into_the_array_and_moved_together(dtype: str) -> None:
    texts = [letter for letter in "abxc" for _ in range(3)] * 2000
    texts = [text + "-" * n for n, text in enumerate(texts)]
    out = np.full((len(texts), 3), np.nan, dtype=dtype)
    embedded = embed_all(LetterEmbedder(), texts, cache=None, out=out)
    assert np.shares_memory(embedded.vectors, out)
    assert embedded.vectors.dtype == dtype
    wanted = np.tile(np.repeat(np.eye(3), 3, axis=0), (2000, 1))
    np.testing.assert_array_equal(embedded.vectors, wanted)
    np.testing.assert_array_equal([texts[at][0] for at in embedded.positions[:4]], list("aaab"))


def test_an_array_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"need one of \(2, 3\)"):
        embed_all(LetterEmbedder(), ["a", "b"], cache=None, out=np.empty((3, 3), np.float32))


class Wide:
    """A long vector for a short text."""

    id = "toy:wide"
    n_features = 4096
    content: Literal["image", "text"] = "text"
    batch_size = 64

    def embed_batch(self, items: Sequence[Image.Image | str]) -> NDArray[np.float32]:
        return np.ones((len(items), self.n_features), dtype=np.float32)


def test_memory_does_not_grow_with_a_pool_that_is_written_to_a_map(tmp_path: Path) -> None:
    texts = [str(n) for n in range(6000)]  # 94 MiB of vectors
    shape = (len(texts), Wide.n_features)
    out = np.memmap(tmp_path / "X", np.float32, "w+", shape=shape)
    with VectorCache(tmp_path / "vectors.db") as cache:
        for _ in range(2):  # the second time all are known
            tracemalloc.start()
            try:
                embed_all(Wide(), texts, cache=cache, out=out)
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            assert peak < 30 * 2**20
    np.testing.assert_array_equal(out, np.float32(1 / 64))
