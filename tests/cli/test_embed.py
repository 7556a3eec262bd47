import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import Al


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Ten stripes in two folders, and a file that is no image."""
    for number in range(10):
        folder = tmp_path / "photos" / ("even" if number % 2 == 0 else "odd")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.zeros((8, 8), dtype=np.uint8)
        pixels[number % 8, number:] = 255
        pixels[:, number % 3] += 100
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (tmp_path / "photos" / "even" / "broken.png").write_bytes(b"not a picture")
    return tmp_path / "photos"


def test_images_become_vectors_with_ids_and_the_folders_as_classes(
    al: Al, photos: Path, tmp_path: Path
):
    out = tmp_path / "out" / "photos.npz"
    said = al.json("embed", photos, "--out", out, "--embedder", "pixels", "--data", tmp_path)
    assert said["n_samples"] == 10
    assert [one["sample"] for one in said["failures"]] == ["even/broken.png"]
    with np.load(out, allow_pickle=False) as arrays:
        assert arrays["X"].shape == (10, said["n_features"]) and arrays["X"].dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(arrays["X"], axis=1), 1, rtol=1e-5)
        assert arrays["classes"].tolist() == ["even", "odd"]
        ids = arrays["ids"].tolist()
        assert ids[:2] == ["even/0.png", "even/2.png"]
        labels = [arrays["classes"][code] for code in arrays["y"]]
        assert labels == [name.partition("/")[0] for name in ids]
    assert [path.name for path in out.parent.iterdir()] == ["photos.npz"]


def test_a_second_run_gives_the_same_file(al: Al, photos: Path, tmp_path: Path):
    arguments = ("embed", photos, "--embedder", "pixels", "--data", tmp_path / "data")
    for name in ("a.npz", "b.npz"):
        assert al(*arguments, "--out", tmp_path / name).exit_code == 0
    with np.load(tmp_path / "a.npz") as a, np.load(tmp_path / "b.npz") as b:
        assert a.files == b.files
        for array in a.files:
            np.testing.assert_array_equal(a[array], b[array])


def test_the_embedder_that_is_taken_by_default_is_named(al: Al, photos: Path, tmp_path: Path):
    result = al("embed", photos, "--out", tmp_path / "a.npz", "--data", tmp_path)
    assert "pixels" in result.stderr
    assert result.stdout.startswith(f"wrote {tmp_path / 'a.npz'}: 10 samples")


def test_texts_of_a_table_take_the_label_column_when_it_is_named(al: Al, tmp_path: Path):
    table = tmp_path / "a.csv"
    rows = [f"the {word} is {mood},{mood}" for word in ("tea", "sea") for mood in ("calm", "hot")]
    table.write_text("text,mood\n" + "\n".join([*rows, "no label here,"]) + "\n")
    out = tmp_path / "a.npz"
    common = ("embed", table, "--column", "text", "--out", out, "--data", tmp_path)
    assert al(*common, "--label-column", "mood").exit_code == 0
    with np.load(out) as arrays:
        assert arrays["classes"].tolist() == ["calm", "hot"]
        assert arrays["y"].tolist() == [0, 1, 0, 1, -1]
    assert al(*common).exit_code == 0
    with np.load(out) as arrays:
        assert sorted(arrays.files) == ["X", "ids"]


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("nothing", (), "no such file or folder"),
        ("six.npz", (), "holds embeddings already"),
        ("photos", ("--embedder", "tfidf"), "for images use pixels"),
        ("photos", ("--embedder", "pixle"), "no embedder is called 'pixle'"),
    ],
)
def test_what_cannot_be_embedded_is_said_and_nothing_is_written(
    al: Al, photos: Path, tmp_path: Path, source: str, options: tuple[str, ...], message: str
):
    np.savez(tmp_path / "six.npz", X=np.eye(6))
    out = tmp_path / "out.npz"
    result = al("embed", tmp_path / source, *options, "--out", out, "--data", tmp_path)
    assert result.exit_code == 1
    assert message in result.stderr
    assert not out.exists()


@pytest.mark.parametrize("reduce", [(), ("--reduce", "pca:2")])
@pytest.mark.parametrize("kind", ["pipe", "link", "nothing"])
def test_a_file_that_cannot_be_replaced_is_refused_before_the_work(
    al: Al, photos: Path, tmp_path: Path, kind: str, reduce: tuple[str, ...]
):
    out: str | Path = ""
    if kind != "nothing":
        out = tmp_path / "out.npz"
        os.mkfifo(out) if kind == "pipe" else out.symlink_to("nowhere")
    result = al("embed", photos, *reduce, "--out", out, "--data", tmp_path / "data")
    assert result.exit_code == 1
    assert f"error: {out or '.'} cannot be written: " in result.stderr
    assert len(result.stderr.splitlines()) == 2  # no bar, and no trial
    assert not (tmp_path / "data").exists()


def test_a_source_with_too_long_a_name_is_not_there(al: Al, tmp_path: Path):
    result = al("embed", tmp_path / ("x" * 300), "--out", tmp_path / "a.npz")
    assert result.exit_code == 1
    assert "error: no such file or folder" in result.stderr


def test_a_folder_of_nothing_but_broken_images_is_an_error(al: Al, tmp_path: Path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_bytes(b"x")
    result = al("embed", tmp_path / "bad", "--out", tmp_path / "o.npz", "--data", tmp_path)
    assert result.exit_code == 1
    assert "error: " in result.stderr and "remedy: " in result.stderr


@pytest.mark.slow
def test_an_error_about_a_table_ends_the_process_in_peace(tmp_path: Path):
    """A thread of the reader of CSV files outlived some processes, which then aborted."""
    (tmp_path / "a.csv").write_text("id,text\n" + "a,b\n" * 50)
    command = [Path(sys.executable).with_name("al-server"), "embed", tmp_path / "a.csv"]
    for _ in range(8):
        asked = [*command, "--column", "txt", "--embedder", "tfidf", "--out", tmp_path / "o.npz"]
        assert subprocess.run(asked, capture_output=True, check=False).returncode == 1


def test_a_reduction_that_is_not_installed_is_refused_before_the_source_is_read(
    al: Al, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    asked = ("--reduce", "umap:16", "--out", tmp_path / "a.npz", "--data", tmp_path)
    result = al("embed", tmp_path / "nothing", *asked)
    assert result.exit_code == 1 and "needs the package umap-learn" in result.stderr
    assert "-m pip install" in result.stderr
