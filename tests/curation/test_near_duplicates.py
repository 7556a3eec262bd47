import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from al_server.curation.near_duplicates import NearDuplicates, near_duplicates
from al_server.curation.near_duplicates_alignment import NOISE, SMALLEST, best_fits
from al_server.curation.near_duplicates_pictures import (
    SHADE_SIGMA,
    SIDE,
    read_pictures,
    shrinking_weights,
    without_shade,
)
from al_server.curation.pipeline import Pipeline
from al_server.errors import BadInput
from strategies.filters.nearest import points_from
from strategies.filters.points import Points

Pixels = NDArray[np.uint8]


def scenes(n: int, *, side: int = 64, seed: int = 0) -> list[Pixels]:
    """Smooth colors with some detail, as photographs have: noise on several scales."""
    rng = np.random.default_rng(seed)
    pictures = []
    for _ in range(n):
        values = np.zeros((side, side, 3), np.float64)
        for cells, strength in ((4, 45), (8, 30), (16, 20)):
            grid = rng.normal(0, strength, (cells, cells, 3))
            layer = [
                Image.fromarray(grid[..., channel].astype(np.float32)).resize((side, side))
                for channel in range(3)
            ]
            values += np.stack([np.asarray(one) for one in layer], axis=2)
        pictures.append((values + 128).clip(0, 255).astype(np.uint8))
    return pictures


def cropped(picture: Pixels, share: float = 0.85) -> Pixels:
    side = len(picture)
    part = Image.fromarray(picture).crop((3, 1, 3 + round(side * share), 1 + round(side * share)))
    return np.asarray(part.resize((side, side), Image.Resampling.BICUBIC))


def recompressed(picture: Pixels) -> Pixels:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=20)
    return np.asarray(Image.open(file))


COPIES = {
    "same": lambda picture: picture.copy(),
    "crop": cropped,
    "mirror": lambda picture: np.ascontiguousarray(picture[:, ::-1]),
    "jpeg": recompressed,
    "dark": lambda picture: (picture * 0.6).astype(np.uint8),
    "light": lambda picture: (picture * 1.3).clip(0, 255).astype(np.uint8),
    "mirrored crop": lambda picture: np.ascontiguousarray(cropped(picture)[:, ::-1]),
    "small": lambda picture: np.asarray(Image.fromarray(picture).resize((40, 40))),
}


def points(n: int) -> Points:
    """Points whose order is not that of the rows."""
    vectors = np.random.default_rng(1).normal(size=(n, 4)).astype(np.float32)
    keys = np.random.default_rng(2).permutation(n).astype(np.uint64)
    return points_from(vectors, keys, metric="euclidean", k=3)


@pytest.mark.parametrize("kind", COPIES)
def test_an_altered_copy_is_found_and_nothing_else(kind: str):
    pictures = scenes(30)
    found = near_duplicates([*pictures, COPIES[kind](pictures[7])])
    assert found.rows.tolist() == [[7, 30]]
    assert 0.93 <= found.similarities[0] <= 1


def test_pairs_come_once_the_most_similar_first_and_a_higher_threshold_gives_the_first_of_them():
    pictures = scenes(12)
    pictures += [COPIES[kind](pictures[place]) for place, kind in enumerate(COPIES)]
    found = near_duplicates(pictures, threshold=0.5)
    assert (np.diff(found.similarities) <= 0).all()
    assert (found.rows[:, 0] < found.rows[:, 1]).all()
    assert len(np.unique(found.rows, axis=0)) == len(found.rows)
    fewer = near_duplicates(pictures, threshold=0.97)
    assert 0 < len(fewer.rows) < len(found.rows)
    assert fewer.rows.tolist() == found.rows[: len(fewer.rows)].tolist()
    np.testing.assert_array_equal(fewer.similarities, found.similarities[: len(fewer.rows)])


def test_shuffled_pictures_give_the_same_pairs():
    pictures = scenes(15) + [cropped(one) for one in scenes(15)[:6]]
    order = np.random.default_rng(3).permutation(len(pictures))
    straight = near_duplicates(pictures)
    shuffled = near_duplicates([pictures[row] for row in order])
    assert len(straight.rows) == 6
    back = {tuple(sorted(pair)) for pair in order[shuffled.rows].tolist()}
    assert back == set(map(tuple, straight.rows.tolist()))


def fit_slowly(part: NDArray[np.float32], whole: NDArray[np.float32], mirror: bool) -> float:
    best = -1.0
    for size in range(SMALLEST, SIDE + 1):
        weights = shrinking_weights(SIDE, size).astype(np.float64)
        shrunk = weights @ (part[..., ::-1] if mirror else part) @ weights.T
        shrunk -= shrunk.mean(axis=(1, 2), keepdims=True)
        for top in range(SIDE - size + 1):
            for left in range(SIDE - size + 1):
                there = whole[:, top : top + size, left : left + size].astype(np.float64)
                there = there - there.mean(axis=(1, 2), keepdims=True)
                floor = 3 * size**2 * NOISE**2
                energies = max((shrunk**2).sum(), floor) * max((there**2).sum(), floor)
                best = max(best, (shrunk * there).sum() / np.sqrt(energies))
    return best


def test_the_fit_is_the_highest_correlation_over_all_sizes_and_places():
    small = read_pictures([*scenes(6), cropped(scenes(1)[0]), np.full((9, 9), 7, np.uint8)])
    colors = small.thumbnails.astype(np.float32)
    colors -= colors.mean(axis=(2, 3), keepdims=True)
    pairs = [(6, 0, False), (0, 6, True), (1, 2, False), (3, 3, True), (7, 1, False), (4, 4, False)]
    parts, wholes, mirrored = (np.array(values) for values in zip(*pairs, strict=True))
    for pictures in (colors, without_shade(colors)):
        slow = [
            fit_slowly(pictures[part], pictures[whole], mirror) for part, whole, mirror in pairs
        ]
        fits = best_fits(pictures, parts, wholes, mirrored)
        np.testing.assert_allclose(fits, slow, atol=1e-5)
        assert fits[-1] == pytest.approx(1, abs=1e-6) and fits[4] == pytest.approx(0, abs=1e-6)


def test_shade_is_what_a_gaussian_leaves():
    from scipy.ndimage import gaussian_filter

    colors = read_pictures(scenes(2)).thumbnails.astype(np.float32)
    sigmas = (0, 0, SHADE_SIGMA, SHADE_SIGMA)
    smooth = gaussian_filter(colors.astype(np.float64), sigmas, mode="reflect", truncate=7.9)
    np.testing.assert_allclose(without_shade(colors), colors - smooth, atol=0.01)


def test_flat_pictures_are_like_nothing():
    flat = [np.full((20, 20), level, np.uint8) for level in (0, 0, 9, 255)]
    flat.append(np.random.default_rng(0).integers(99, 101, (32, 32, 3)).astype(np.uint8))
    flat.append(np.ascontiguousarray(flat[-1][:, ::-1]))
    assert len(near_duplicates([*flat, *scenes(3)]).rows) == 0


@pytest.mark.parametrize("n", [0, 1])
def test_one_picture_or_none_has_no_pairs(n: int):
    found = near_duplicates(scenes(n))
    assert found.rows.shape == (0, 2) and found.similarities.shape == (0,)


def test_files_that_cannot_be_read_are_named_and_like_nothing(tmp_path: Path):
    paths = [tmp_path / f"{name}.png" for name in ("good", "broken", "missing", "copy", "empty")]
    for place in (0, 3):
        Image.fromarray(scenes(1)[0]).save(paths[place])
    paths[1].write_bytes(b"no picture")
    paths[4].write_bytes(b"")
    read = read_pictures(paths)
    assert sorted(read.unreadable) == [1, 2, 4]
    assert near_duplicates(read).rows.tolist() == [[0, 3]]


@pytest.mark.parametrize("threshold", [0, -1, 1.01, float("nan")])
def test_a_threshold_that_is_no_similarity_is_refused(threshold: float):
    with pytest.raises(BadInput, match="threshold"):
        near_duplicates(scenes(2), threshold=threshold)


@pytest.mark.parametrize("values", [np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_arrays_that_are_no_pictures_are_refused(values: Pixels):
    with pytest.raises(BadInput, match="no picture"):
        near_duplicates([values])


def test_of_two_the_one_with_more_pixels_stays_then_the_sharper_then_the_lower_row():
    base = scenes(20)
    soft = np.asarray(Image.fromarray(base[1]).resize((24, 24)).resize((64, 64)))
    pictures = [
        COPIES["small"](base[0]),
        soft,
        base[2],
        base[0],
        base[1],
        COPIES["mirror"](base[2]),
    ]
    pictures += base[5:]
    made = points(len(pictures))
    place = np.argsort(made.order)
    removed = NearDuplicates(pictures).build(made).remove(np.ones(len(pictures), bool), None)
    lower, higher = sorted(place[[2, 5]].tolist())
    expected = {place[0]: place[3], place[1]: place[4], higher: lower}
    assert dict(zip(removed.rows.tolist(), removed.because_of.tolist(), strict=True)) == expected
    gaps = np.linalg.norm(made.vectors[removed.rows] - made.vectors[removed.because_of], axis=1)
    np.testing.assert_allclose(removed.distances, gaps, rtol=1e-5)
    assert (np.diff(removed.scores) <= 0).all()


def salted(picture: Pixels) -> Pixels:
    spots = np.random.default_rng(0).random(picture.shape[:2])
    return np.where(spots[..., None] < 0.01, 0, np.where(spots[..., None] > 0.99, 255, picture))


def grainy(picture: Pixels) -> Pixels:
    grain = np.random.default_rng(0).normal(0, 8, picture.shape)
    return (picture + grain).round().clip(0, 255).astype(np.uint8)


def blurred(picture: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(1)))


@pytest.mark.parametrize("worsen", [salted, grainy, blurred])
def test_the_clean_one_of_two_is_the_sharper(worsen: Callable[[Pixels], Pixels]):
    for clean, worse in ((one, worsen(one).astype(np.uint8)) for one in scenes(10)):
        sharpness = read_pictures([worse, clean, clean[:, ::-1], clean[::-1]]).sharpness
        assert sharpness[0] < sharpness[1] == sharpness[2] == sharpness[3]
    assert read_pictures([np.full((9, 9), 7, np.uint8)]).sharpness == [0]


def test_what_others_go_because_of_stays_and_only_the_living_count():
    base = scenes(8)
    pictures = [*base, *(cropped(base[0], share) for share in (0.9, 0.88, 0.95)), cropped(base[1])]
    made = points(len(pictures))
    tree = NearDuplicates(pictures).build(made)
    place = np.argsort(made.order)
    alive = np.ones(len(pictures), bool)
    whole = tree.remove(alive, None)
    kept = alive.copy()
    kept[whole.rows] = False
    assert kept[whole.because_of].all()
    pairs = tree.pairs.rows
    assert not kept[pairs].all(axis=1).any()  # no two that stay show the same
    first = tree.remove(alive, 2)
    assert first.rows.tolist() == whole.rows[:2].tolist()
    alive[place[[1, 0]]] = False
    without = tree.remove(alive, None)
    assert alive[without.rows].all() and alive[without.because_of].all()
    assert place[11] not in without.rows  # its original has gone
    with pytest.raises(ValueError, match="cannot remove 9"):
        tree.remove(alive, 9)


def test_in_a_pipeline_rows_are_those_that_were_given():
    base = scenes(25)
    pictures = [*base, cropped(base[3]), cropped(base[20])]
    vectors = np.random.default_rng(0).normal(size=(27, 5))
    names = [f"{row}.jpg" for row in range(27)]
    pipeline = Pipeline(vectors, names, chain=[NearDuplicates(pictures)])
    curated = pipeline.run(near_duplicate="auto")
    pairs = zip(curated.removed.tolist(), curated.because_of.tolist(), strict=True)
    assert {frozenset(pair) for pair in pairs} == {frozenset((3, 25)), frozenset((20, 26))}


def test_a_filter_needs_a_picture_for_each_point():
    with pytest.raises(ValueError, match="4 pictures for 5 points"):
        NearDuplicates(scenes(4)).build(points(5))


@pytest.mark.slow
def test_nine_of_ten_planted_copies_of_fruits_are_found(shared_data: Path, tmp_path: Path):
    from tests.benchmarks.near_duplicates import by_pixels, measure, plant

    row = measure(planted := plant("fruits", shared_data, tmp_path), by_pixels(planted))
    assert row["recall"] >= 0.9 and row["precision"] >= 0.63
