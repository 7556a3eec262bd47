"""Frames of videos and objects in images, from the command line."""

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import Al, running
from tests.sources.toys_video import make_video

XML = (
    "<annotation><filename>{name}</filename><object><name>{label}</name><bndbox><xmin>3</xmin>"
    "<ymin>3</ymin><xmax>20</xmax><ymax>12</ymax></bndbox></object></annotation>"
)


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    """Eight pictures with a box each, and a box in a picture that is not there."""
    (tmp_path / "cells" / "xml").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(8):
        pixels = rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "cells" / f"{number}.png")
        said = XML.format(name=f"{number}.png", label=("red", "white")[number % 2])
        (tmp_path / "cells" / "xml" / f"{number}.xml").write_text(said)
    (tmp_path / "cells" / "xml" / "9.xml").write_text(XML.format(name="9.png", label="red"))
    return tmp_path / "cells"


@pytest.fixture
def trips(tmp_path: Path) -> Path:
    for n_frames, name in ((12, "day/1.mp4"), (11, "night/2.mp4")):
        make_video(tmp_path / "trips" / name, range(0, 500 * n_frames, 500))
    return tmp_path / "trips"


def test_frames_become_vectors_with_their_videos_as_groups(al: Al, trips: Path, tmp_path: Path):
    out = tmp_path / "frames.npz"
    result = al("embed", trips, "--every", "3", "--out", out, "--data", tmp_path / "data")
    assert result.exit_code == 0, result.output
    assert "4 frames of 2 videos" in result.stderr
    with np.load(out) as arrays:
        assert arrays["ids"].tolist() == [
            *("day/1.mp4@0.000", "day/1.mp4@3.000", "night/2.mp4@0.000", "night/2.mp4@3.000")
        ]
        assert arrays["group"].tolist() == ["day/1.mp4"] * 2 + ["night/2.mp4"] * 2
        assert arrays["classes"].tolist() == ["day", "night"]
        assert arrays["y"].tolist() == [0, 0, 1, 1]
    assert len(list((tmp_path / "data/media/frames").rglob("*.jpg"))) == 4


def test_a_video_and_a_folder_of_them_are_told_by_their_names(al: Al, trips: Path, tmp_path: Path):
    for source in (trips / "day", trips / "day/1.mp4"):
        out = tmp_path / "o.npz"
        assert al("embed", source, "--out", out, "--data", tmp_path / "data").exit_code == 0
        with np.load(out) as arrays:
            assert arrays["ids"].tolist() == ["1.mp4@0.000", "1.mp4@2.000", "1.mp4@4.000"]


def test_objects_become_vectors_with_their_images_as_groups(al: Al, cells: Path, tmp_path: Path):
    out = tmp_path / "cells.npz"
    arguments = ("--boxes", "voc", "--annotations", cells / "xml", "--margin", "0")
    said = al.json("embed", cells, *arguments, "--out", out, "--data", tmp_path / "data")
    assert said["n_samples"] == 8
    assert said["failures"] == [{"sample": "9.png", "reason": "no such image in the folder"}]
    with np.load(out) as arrays:
        assert arrays["ids"].tolist() == [f"{number}.png#0" for number in range(8)]
        assert arrays["group"].tolist() == [f"{number}.png" for number in range(8)]
        assert arrays["classes"][arrays["y"]].tolist() == ["red", "white"] * 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--every", "2", "--scenes"), "give one of every, frames and scenes"),
        (("--every", "-2"), "--every: "),
        (("--kind", "images", "--frames", "3"), "frames is for kind videos"),
        (("--kind", "objects"), "kind objects needs boxes"),
        (("--boxes", "coco"), "name the file of the boxes"),
        (("--boxes", "voc", "--margin", "nan"), "--margin: "),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    al: Al, trips: Path, tmp_path: Path, options: tuple[str, ...], message: str
):
    result = al("embed", trips, *options, "--out", tmp_path / "o.npz", "--data", tmp_path)
    assert result.exit_code == 1
    assert message in result.stderr and "remedy: " in result.stderr


@pytest.mark.slow
def test_frames_and_objects_are_labeled_like_images(trips: Path, cells: Path, tmp_path: Path):
    with running(tmp_path / "data", "--root", str(tmp_path)) as server:
        al = Al(server.url)
        common = ("--embedder", "pixels")
        classes = ("--classes", "day,night")
        made = al.json("campaign", "create", "trips", trips, "--frames", "4", *classes, *common)
        assert (made["state"], made["n_samples"]) == ("ready", 8)
        boxes = ("--boxes", "voc", "--annotations", cells / "xml", "--labels")
        classes = ("--classes", "red,white")
        made = al.json("campaign", "create", "cells", cells, *boxes, *classes, *common)
        assert (made["n_samples"], made["n_labeled"], made["n_failures"]) == (8, 8, 1)
        more = make_video(tmp_path / "more.mp4", [0, 100])
        al("campaign", "add-samples", "trips", more)
        while (info := al.json("campaign", "show", "trips"))["n_samples"] < 9:
            time.sleep(0.1)
        assert info["error"] is None
        import httpx

        with httpx.Client(base_url=server.url) as client:
            batch = client.get("/api/v1/campaigns/trips/next").json()
            sent = client.get(batch["samples"][0]["uri"])
        assert sent.status_code == 200 and sent.headers["content-type"] == "image/jpeg"
