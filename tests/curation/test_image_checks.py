from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from al_server.curation import Pipeline
from al_server.curation.image_checks import ISSUES, check_images, measure, size_scores
from al_server.errors import BadInput
from embeddings.errors import Unreadable


def scene(size: tuple[int, int] = (300, 240)) -> Image.Image:
    """Coloured tiles with noise: sharp, of all brightnesses, rich."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 255, (16, 20, 3), dtype=np.uint8)
    tiles = np.asarray(Image.fromarray(small).resize(size, Image.Resampling.NEAREST), dtype=float)
    return Image.fromarray(np.clip(tiles + rng.normal(0, 12, tiles.shape), 0, 255).astype(np.uint8))


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    good = scene()
    odd = {
        "good.png": good,
        "good.jpg": good,
        "dark.png": good.point(lambda value: value // 5),
        "bright.png": good.point(lambda value: 245 + value // 26),
        "blurred.png": good.filter(ImageFilter.GaussianBlur(16)),
        "low_information.png": Image.new("L", (300, 240), 128),
        "odd_aspect.png": scene((600, 120)),
        "odd_size.png": scene((1200, 960)),
    }
    for number in range(12):
        odd[f"more{number}.png"] = scene((296 + number, 240))
    for name, image in odd.items():
        image.save(tmp_path / name)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    return {path.name: path for path in sorted(tmp_path.iterdir())}


def test_each_flaw_is_found_and_sound_pictures_are_left_alone(files: dict[str, Path]):
    done: list[int] = []
    found = check_images(
        list(files),
        list(files.values()),
        progress=lambda n_done, n: done.append(n_done),
    )
    issues = dict(zip(files, (cells[0].split(";") for cells in found.told()), strict=True))
    for issue in ISSUES:
        assert issue in issues[f"{issue}.png"]
    sound = [name for name in files if name.startswith(("good", "more"))]
    assert {name: issues[name] for name in sound} == {name: [""] for name in sound}
    assert [one.sample for one in found.failures] == ["broken.png"]
    assert np.isnan(found.scores[list(files).index("broken.png")]).all()
    assert done == list(range(1, len(files) + 1))


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "bmp", "dib", "gif", "tiff"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_black_picture_is_dark_in_every_format(tmp_path: Path, kind: str, mode: str):
    Image.new(mode, (40, 30)).save(tmp_path / "black", kind)
    found = check_images(["black"], [tmp_path / "black"])
    assert found.failures == [] and found.issues[0, ISSUES.index("dark")]


@pytest.mark.parametrize("kind", ["png", "gif"])
def test_what_is_transparent_is_white_and_not_dark(tmp_path: Path, kind: str):
    Image.new("L", (40, 30)).save(tmp_path / "clear", kind, transparency=0)
    assert measure(tmp_path / "clear").dark == pytest.approx(1)


def test_brightness_is_that_of_the_definition(tmp_path: Path):
    colour = np.array([200, 30, 90])
    Image.new("RGB", (40, 40), tuple(colour.tolist())).save(tmp_path / "a.png")
    measured = measure(tmp_path / "a.png")
    assert measured.dark == pytest.approx(np.sqrt(colour**2 @ [0.241, 0.691, 0.068]) / 255)
    assert measured.bright == pytest.approx(1 - measured.dark)
    assert measured.odd_aspect == 1 and measured.side == 40
    # one value in each of three bands: log2 3 bits
    assert measured.low_information == pytest.approx(np.log2(3) / 10)


def test_a_size_is_odd_beyond_three_times_the_quartiles():
    sides = np.array([100.0, 100, 110, 110, 110, 120, 120, 175, 185, np.nan])
    known = sides[:-1]
    q1, q3 = np.percentile(known, [25, 75])
    odd = (known < q1 - 3 * (q3 - q1)) | (known > q3 + 3 * (q3 - q1))
    scores = size_scores(sides)
    assert ((scores < 0.5)[:-1] == odd).all() and odd.any() and np.isnan(scores[-1])
    assert size_scores(np.array([5.0, 5, 5, 5, 6])).tolist() == [1, 1, 1, 1, 0]


def test_what_is_no_picture_says_why(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(b"")
    for name in ("a.png", "missing.png"):
        with pytest.raises(Unreadable):
            measure(tmp_path / name)


def test_flawed_pictures_go_first_in_a_chain_with_their_issue_as_the_reason(files):
    names = list(files)
    found = check_images(names, list(files.values()))
    vectors = np.random.default_rng(0).normal(size=(len(names), 4))
    chain = [found.filter_of("dark"), found.filter_of("low_information"), "outliers"]
    curated = Pipeline(vectors, names, chain=chain).run(
        dark="auto", low_information="auto", outliers=2, keep=10
    )
    reasons = {
        names[row]: curated.steps[step].reason
        for row, step in zip(curated.removed, curated.step_of, strict=True)
    }
    assert reasons["dark.png"] == "dark"
    assert reasons["low_information.png"] == "low_information"
    assert len(curated.kept) == 10


def test_no_fewer_pictures_go_than_were_asked_for(files):
    names = list(files)
    dark = check_images(names, list(files.values())).filter_of("dark")
    pipeline = Pipeline(np.random.default_rng(0).normal(size=(len(names), 4)), names, chain=[dark])
    with pytest.raises(BadInput, match="dark cannot remove 2 samples, for 1 have that issue"):
        pipeline.run(dark=2)
    assert [names[row] for row in pipeline.run(dark=1).removed] == ["dark.png"]
