from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from al_server import demo
from al_server.config import Settings


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "digits"
    demo.write_digits(folder)
    return folder


def test_all_digits_are_there_each_once(digits: Path):
    names = [path.name for path in digits.rglob("*.png")]
    assert len(names) == len(set(names)) == 1797
    assert len(list((digits / "holdout").rglob("*.png"))) == demo.N_HOLDOUT


def small(path: Path) -> bytes:
    """Return the pixels of a file, as the data set has them."""
    with Image.open(path) as image:
        assert image.size == (64, 64)
        return ((255 - np.asarray(image)[::8, ::8]) * (16 / 255)).round().astype(float).tobytes()


@pytest.fixture(scope="module")
def truth() -> dict[bytes, int]:
    images, labels = load_digits(return_X_y=True)
    return {image.tobytes(): label for image, label in zip(images, labels, strict=True)}


def test_the_holdout_lies_in_the_folders_of_its_digits(digits: Path, truth: dict[bytes, int]):
    for path in (digits / "holdout").rglob("*.png"):
        assert str(truth[small(path)]) == path.parent.name


def test_nothing_of_the_digit_is_in_the_path_of_what_is_to_be_labeled(
    digits: Path, truth: dict[bytes, int]
):
    pool = sorted((digits / "pool").rglob("*.png"))
    assert {path.parent for path in pool} == {digits / "pool"}
    # the data set's own order runs from 0 to 9 again and again: the number would tell the digit
    numbers = np.array([int(path.stem) for path in pool])
    labels = np.array([truth[small(path)] for path in pool])
    assert abs(np.corrcoef(numbers, labels)[0, 1]) < 0.1
    assert np.mean(numbers % 10 == labels) < 0.15


def test_what_is_there_is_left_alone(digits: Path):
    first = min((digits / "pool").iterdir())
    first.unlink()
    demo.write_digits(digits)
    assert not first.exists()
    first.write_bytes(b"")


def test_the_folder_may_be_read_whatever_the_roots_are(tmp_path: Path):
    elsewhere = Settings(data=tmp_path / "data", roots=(tmp_path / "photos",))
    assert demo.with_root(elsewhere) == elsewhere, "it is not there"
    (tmp_path / "data" / "demo" / "digits").mkdir(parents=True)
    assert demo.with_root(elsewhere).roots == (
        tmp_path / "photos",
        tmp_path / "data" / "demo" / "digits",
    )
    default = Settings(data=tmp_path / "data")
    assert demo.with_root(default) == default
