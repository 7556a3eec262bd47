import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from al_server.errors import BadSource
from al_server.sources.listing import Listing

Read = Callable[..., Listing]
Picture = Callable[[Path], Path]


def test_ids_are_relative_paths_in_order_and_paths_are_real(
    root: Path, read: Read, picture: Picture
):
    for name in ("b/2.png", "a.jpg", "b/1.tif", "b/c/3.WEBP"):
        picture(root / "photos" / name.replace("WEBP", "webp"))
    (root / "photos/b/c/3.webp").rename(root / "photos/b/c/3.WEBP")
    found = read("images", root / "photos")
    assert found.kind == "image"
    assert found.sample_ids == ["a.jpg", "b/1.tif", "b/2.png", "b/c/3.WEBP"]
    assert found.paths == [root / "photos" / name for name in found.sample_ids]
    assert found.labels is None and found.classes is None and found.failures == []


def test_other_files_and_hidden_ones_are_passed_over(root: Path, read: Read, picture: Picture):
    picture(root / "a.png")
    picture(root / ".hidden.png")
    picture(root / ".thumbnails/a.png")
    (root / "notes.txt").touch()
    assert read("images", root).sample_ids == ["a.png"]


def test_labels_are_the_names_of_the_folders(root: Path, read: Read, picture: Picture):
    for name in ("train/ripe/1.png", "train/green/2.png", "0.png"):
        picture(root / name)
    found = read("images", root, labels=True)
    assert found.sample_ids == ["0.png", "train/green/2.png", "train/ripe/1.png"]
    assert found.labels == [None, "green", "ripe"]
    assert found.classes == ["green", "ripe"]


def test_in_a_multi_label_campaign_a_folder_is_a_list_of_one_name(
    root: Path, read: Read, picture: Picture
):
    picture(root / "ripe/1.png")
    assert read("images", root, labels=True, multi=True).labels == [["ripe"]]


def test_links_that_lead_out_are_failures_and_the_rest_goes_on(
    root: Path, read: Read, picture: Picture, tmp_path: Path
):
    picture(root / "a.png")
    (root / "file.png").symlink_to(picture(tmp_path / "out" / "secret.png"))
    (root / "folder").symlink_to(tmp_path / "out")
    found = read("images", root)
    assert found.sample_ids == ["a.png"]
    assert [one.sample for one in found.failures] == ["file.png", "folder"]
    assert all("leads out" in one.reason for one in found.failures)


def test_links_that_stay_inside_are_followed_and_loops_end(
    root: Path, read: Read, picture: Picture
):
    picture(root / "a/1.png")
    (root / "b").symlink_to(root / "a")
    (root / "a/up").symlink_to(root)
    found = read("images", root)
    assert found.sample_ids == ["a/1.png", "b/1.png"]
    assert {one.sample for one in found.failures} == {"a/up", "b/up"}


def test_a_broken_link_and_a_pipe_are_failures(root: Path, read: Read, picture: Picture):
    picture(root / "a.png")
    (root / "gone.png").symlink_to(root / "nothing.png")
    os.mkfifo(root / "pipe.png")
    failures = read("images", root).failures
    assert [(one.sample, one.reason) for one in failures] == [
        ("gone.png", "not a file"),
        ("pipe.png", "not a file"),
    ]


@pytest.mark.skipif(sys.platform == "darwin", reason="file names are always UTF-8 there")
def test_a_name_that_is_not_utf8_is_a_failure_that_can_be_printed(
    root: Path, read: Read, picture: Picture
):
    picture(root / "a.png")
    Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9.png")).touch()
    (failure,) = read("images", root).failures
    assert failure.sample == r"caf\udce9.png"
    assert failure.model_dump_json()


def test_an_empty_folder_is_refused_with_the_suffixes_that_count(root: Path, read: Read):
    (root / "notes.txt").touch()
    with pytest.raises(BadSource, match="holds no images") as raised:
        read("images", root)
    assert ".webp" in raised.value.remedy


def test_a_file_is_no_folder_of_images(root: Path, read: Read, picture: Picture):
    with pytest.raises(BadSource, match="not a folder"):
        read("images", picture(root / "a.png"))


def test_very_deep_folders_are_read_to_the_bottom(root: Path, read: Read, picture: Picture):
    deep = "/".join(["d"] * 400) + "/1.png"
    picture(root / deep)
    assert read("images", root).sample_ids == [deep]
