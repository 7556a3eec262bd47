from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from embeddings.embedder import Item, embed_all
from embeddings.errors import EmbedderUnavailable
from embeddings.pixel_embedder import N_COMPONENTS, PixelEmbedder, fit


def made(sample: Sequence[Item], state_dir: Path | None = None) -> PixelEmbedder:
    return PixelEmbedder.create("", checkpoint=None, sample=sample, state_dir=state_dir)


def saved(folder: Path, pixels: NDArray[np.uint8]) -> list[Item]:
    folder.mkdir(exist_ok=True)
    paths: list[Item] = [folder / f"{i:05}.png" for i in range(len(pixels))]
    for path, image in zip(paths, pixels, strict=True):
        Image.fromarray(image).save(path)
    return paths


def accuracy(vectors: NDArray[np.float32], y: NDArray[np.int64], k: int = 5) -> float:
    """Of k nearest neighbours; the last fifth is asked, the rest is known."""
    from sklearn.neighbors import KNeighborsClassifier

    order = np.random.default_rng(0).permutation(len(y))
    known, asked = order[len(y) // 5 :], order[: len(y) // 5]
    knn = KNeighborsClassifier(k, metric="cosine", algorithm="brute")
    return float(knn.fit(vectors[known], y[known]).score(vectors[asked], y[asked]))


@pytest.fixture
def noise(tmp_path: Path) -> list[Item]:
    rng = np.random.default_rng(0)
    return saved(tmp_path / "noise", rng.integers(0, 256, (60, 12, 20, 3), dtype=np.uint8))


def test_two_kinds_of_images_lie_opposite_each_other(tmp_path: Path) -> None:
    black, white = np.zeros((16, 16), dtype=np.uint8), np.full((16, 16), 255, dtype=np.uint8)
    items = saved(tmp_path, np.stack([black, white, black, white]))
    vectors = embed_all(made(items), items, cache=None).vectors
    # around the mean, a mid grey, there is one direction: up or down in brightness
    np.testing.assert_allclose(vectors @ vectors[0], [1, -1, 1, -1], atol=1e-5)


def test_color_counts_where_there_is_some_and_greys_need_a_third_of_the_state(
    tmp_path: Path,
) -> None:
    colors = np.zeros((2, 8, 8, 3), dtype=np.uint8)
    colors[0, ..., 0], colors[1, ..., 2] = 255, 255
    red, blue = (Image.fromarray(image).resize((16, 16)) for image in colors)
    assert len(fit([red, blue])["mean"]) == 3 * 16 * 16
    assert len(fit([image.convert("L").convert("RGB") for image in (red, blue)])["mean"]) == 256


def test_the_same_sample_gives_the_same_state(noise: list[Item]) -> None:
    first, second = made(noise), made(noise)
    assert first.id == second.id
    assert first.id != made(noise[1:]).id
    assert first.n_features == N_COMPONENTS


def test_a_saved_state_is_used_whatever_the_sample(noise: list[Item], tmp_path: Path) -> None:
    first = made(noise, tmp_path / "state")
    second = made([], tmp_path / "state")
    assert first.id == second.id
    vectors = [embed_all(embedder, noise, cache=None).vectors for embedder in (first, second)]
    assert np.array_equal(vectors[0], vectors[1])


def test_later_images_of_any_size_and_mode_go_the_same_way(noise: list[Item]) -> None:
    embedder = made(noise)
    grey = Image.new("L", (300, 10), 40).convert("RGB")
    vectors = embedder.embed_batch([grey, embedder.shrink(grey), grey.resize((5, 5))])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(vectors @ vectors[0], 1, atol=1e-6)


def test_unreadable_images_in_the_sample_are_passed_over(noise: list[Item], tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_text("no image")
    assert made([broken, *noise, tmp_path / "gone.png"]).id == made(noise).id


def test_a_sample_without_an_image_is_an_error(tmp_path: Path) -> None:
    for sample in ([], [tmp_path / "gone.png"], ["a text"]):
        with pytest.raises(EmbedderUnavailable, match="no image of the sample"):
            made(sample)


def test_a_pool_of_equal_images_has_vectors(tmp_path: Path) -> None:
    for n in (1, 4):
        items = saved(tmp_path / str(n), np.full((n, 9, 9, 3), 77, dtype=np.uint8))
        embedded = embed_all(made(items), items, cache=None)
        assert embedded.failures == []
        np.testing.assert_allclose(embedded.vectors @ embedded.vectors[0], 1, atol=1e-6)


def test_it_takes_no_options_and_no_weights(noise: list[Item], tmp_path: Path) -> None:
    with pytest.raises(EmbedderUnavailable, match="no options"):
        PixelEmbedder.create("64", checkpoint=None, sample=noise, state_dir=None)
    with pytest.raises(EmbedderUnavailable, match=r"weights to load from w\.pth"):
        PixelEmbedder.create("", checkpoint=tmp_path / "w.pth", sample=noise, state_dir=None)


def test_handwritten_digits_are_told_apart(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    items = saved(tmp_path, (digits.images * 255 / 16).astype(np.uint8))
    vectors = embed_all(made(items), items, cache=None).vectors
    assert accuracy(vectors, digits.target) > 0.97
