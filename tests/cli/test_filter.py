import csv
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from al_server.commands.filter_report import Besides, Troubles, say
from al_server.curation import Pipeline, manifest
from al_server.curation.figures import Figures
from embeddings.installing import how_to_install
from tests.cli.conftest import Al
from tests.cli.filtered import PLAIN, N, kept, removed
from tests.sources.damages import DAMAGES


def test_vectors_are_curated_to_exactly_what_was_asked(al: Al, pool: Path, tmp_path: Path):
    out = tmp_path / "out"
    amounts = ("--outliers", "5%", "--similars", "10%", "--keep", "50%")
    said = al.json("filter", pool, *amounts, "--out", out, *PLAIN, tmp_path)
    assert (said["n_samples"], said["n_kept"]) == (N, 20)
    assert said["n_by_reason"] == {"outlier": 2, "similar": 4, "covered": 14}
    assert said["cover_radius"] > 0 and said["recall"] == 1
    rows = removed(out)
    assert Counter(row["reason"] for row in rows) == said["n_by_reason"]
    names = kept(out)
    assert names == sorted(names) and len(names) == 20
    assert {*names, *(row["file"] for row in rows)} == {f"{row:02}.png" for row in range(N)}
    for row in rows:
        assert (row["because_of"] in names) == (row["reason"] != "outlier")
        assert bool(row["distance"]) == (row["reason"] != "outlier")
    assert sorted(path.name for path in out.iterdir()) == [
        "kept.txt",
        "manifest.json",
        "removed.csv",
    ]


def test_the_manifest_replays(al: Al, pool: Path, tmp_path: Path):
    out = tmp_path / "out"
    assert al("filter", pool, "--similars", "30%", "--out", out, *PLAIN, tmp_path).exit_code == 0
    with np.load(pool) as arrays:
        read = manifest.from_json((out / "manifest.json").read_text())
        again = manifest.replay(read, arrays["X"], arrays["ids"].tolist(), classes=arrays["y"])
    assert [again.sample_ids[row] for row in again.kept] == kept(out)


def test_classes_keep_their_share_known_or_predicted(al: Al, pool: Path, tmp_path: Path):
    for which, wanted in (("labels", {True: 15, False: 5}), ("predicted", {True: 10, False: 10})):
        out = tmp_path / which
        asked = ("--per-class", which, "--keep", "50%", "--keep-by", "similars")
        al.json("filter", pool, *asked, "--out", out, *PLAIN, tmp_path)
        border = 30 if which == "labels" else 20
        assert Counter(int(name[:2]) < border for name in kept(out)) == wanted


@pytest.mark.parametrize("ids", [None, [f"{row}".encode() for row in range(N)]])
def test_predicted_classes_are_those_of_the_samples_that_only_names(
    al: Al, tmp_path: Path, ids: list[bytes] | None
):
    named = {} if ids is None else {"ids": np.array(ids)}
    vectors = np.random.default_rng(0).normal(size=(N, 6))
    np.savez(tmp_path / "a.npz", X=vectors, predicted=np.arange(N) % 5 == 0, **named)
    (tmp_path / "few.txt").write_text("\n".join(str(row) for row in range(10, 30)))
    asked = ("--per-class", "predicted", "--keep", "10", "--only", tmp_path / "few.txt")
    al.json("filter", tmp_path / "a.npz", *asked, "--out", tmp_path / "o", *PLAIN, tmp_path)
    names = [int(name) for name in kept(tmp_path / "o")]
    assert all(10 <= name < 30 for name in names)
    assert Counter(name % 5 == 0 for name in names) == {True: 2, False: 8}


def test_predicted_classes_that_are_not_one_a_row_are_refused(al: Al, tmp_path: Path):
    np.savez(tmp_path / "a.npz", X=np.eye(4), predicted=np.zeros(5))
    asked = ("--per-class", "predicted", "--keep", "2", "--out", tmp_path / "o", *PLAIN, tmp_path)
    result = al("filter", tmp_path / "a.npz", *asked)
    assert result.exit_code == 1
    assert "predicted has shape (5,), X has 4 rows" in result.stderr
    np.savez(tmp_path / "a.npz", X=np.eye(4))
    assert "has no array predicted" in al("filter", tmp_path / "a.npz", *asked).stderr


def test_pictures_are_embedded_checked_and_copied(al: Al, photos: Path, tmp_path: Path):
    out, copies = tmp_path / "out", tmp_path / "copies"
    asked = ("--exact-duplicates", "--drop", "dark", "--checks", "--outliers", 1, "--keep", 8)
    said = al.json(
        *("filter", photos, *map(str, asked), "--embedder", "pixels", "--out", out),
        *("--copy", copies, *PLAIN, tmp_path / "data"),
    )
    assert (said["n_samples"], said["n_kept"]) == (13, 8)
    rows = {row["file"]: row for row in removed(out)}
    assert rows["even/0.png"]["reason"] == "dark"
    assert rows["odd/broken.png"]["reason"] == "unreadable"
    (duplicate,) = (row for row in rows.values() if row["reason"] == "duplicate")
    assert duplicate["file"] in ("even/4.png", "odd/copy.png")
    assert duplicate["because_of"] in kept(out)
    found = sorted(path.relative_to(copies).as_posix() for path in copies.rglob("*.png"))
    assert found == sorted(kept(out))
    with (out / "checks.csv").open(encoding="utf-8", newline="") as file:
        checks = {row["file"]: row["issues"] for row in csv.DictReader(file)}
    assert "dark" in checks["even/0.png"] and len(checks) == 13


def test_what_cannot_be_checked_or_compared_is_told_and_stays(al: Al, pool: Path, tmp_path: Path):
    (tmp_path / "files").mkdir()
    rng = np.random.default_rng(0)
    for row in range(2, N):
        pixels = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels * (row > 2)).save(tmp_path / "files" / f"{row:02}.png")
    (tmp_path / "files" / "01.png").write_bytes(b"no picture")
    asked = ("--drop", "dark", "--near-duplicates", "--images", tmp_path / "files")
    said = al.json("filter", pool, *asked, "--out", tmp_path / "out", *PLAIN, tmp_path)
    reasons = {"00.png": "No such file", "01.png": "not an image that can be read"}
    for troubles in (said["not_checked"], said["not_compared"]):
        assert [one["sample"] for one in troubles] == list(reasons)
        assert all(reasons[one["sample"]] in one["reason"] for one in troubles)
    assert [row["file"] for row in removed(tmp_path / "out")] == ["02.png"]
    shown = al("filter", pool, *asked, "--out", tmp_path / "again", *PLAIN, tmp_path).stderr
    assert "not checked 2:\n  00.png: the file cannot be read: No such file" in shown
    assert "not compared 2:\n  00.png: the file cannot be read: No such file" in shown


@pytest.mark.parametrize("damage", [*DAMAGES, None])
def test_a_damaged_archive_is_one_line_and_a_pipe_is_not_waited_for(
    al: Al, tmp_path: Path, damage: Callable[[Path], None] | None
):
    file = tmp_path / "a.npz"
    if damage is None:
        os.mkfifo(file)
    else:
        np.savez_compressed(file, X=np.eye(9), y=np.arange(9))
        damage(file)
    result = al("filter", file, "--similars", "1", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {file} ") and "remedy:" in result.stderr
    assert len(result.stderr.splitlines()) == 2


def test_pipes_among_the_files_are_told_and_not_waited_for(al: Al, pool: Path, tmp_path: Path):
    for row in range(N):
        Image.fromarray(np.full((9, 9), 6 * row, np.uint8)).save(tmp_path / f"{row:02}.png")
    (tmp_path / "39.png").unlink()
    os.mkfifo(tmp_path / "39.png")
    few = ("filter", pool, "--images", tmp_path, PLAIN[1], tmp_path, "--out", tmp_path / "out")
    result = al(*few, "--exact-duplicates")
    assert result.exit_code == 1
    assert "39.png cannot be read: it is not a file" in result.stderr
    result = al(*few, "--near-duplicates", "--checks")
    assert result.exit_code == 0, result.output
    assert result.stderr.count("  39.png: the file cannot be read: it is not a file") == 2


def test_missing_files_are_listed_and_nothing_else_is_lost(al: Al, pool: Path, tmp_path: Path):
    (tmp_path / "files").mkdir()
    for row in range(0, N, 2):
        (tmp_path / "files" / f"{row:02}.png").write_text(str(row))
    out, links = tmp_path / "out", tmp_path / "links"
    asked = ("--keep", "90%", "--images", tmp_path / "files", "--link", links)
    said = al.json("filter", pool, *asked, "--out", out, *PLAIN, tmp_path)
    there = [name for name in kept(out) if int(name[:2]) % 2 == 0]
    missing = [name for name in kept(out) if int(name[:2]) % 2 == 1]
    assert sorted(path.name for path in links.iterdir()) == there
    with (out / "not_copied.csv").open(encoding="utf-8", newline="") as file:
        assert [row["file"] for row in csv.DictReader(file)] == missing
    assert [one["sample"] for one in said["failures"]] == missing
    assert said["n_copied"] == len(there)
    copies = ("--keep", "90%", "--images", tmp_path / "files", "--copy", tmp_path / "copies")
    shown = al("filter", pool, *copies, "--out", tmp_path / "again", *PLAIN, tmp_path)
    said = f"copied {len(there)} of 36 to {tmp_path / 'copies'}; the others are in {tmp_path}/again"
    assert f"{said}/not_copied.csv\n" in shown.stdout and shown.exit_code == 0


def test_where_nothing_can_be_copied_the_command_fails_and_the_lists_stay(
    al: Al, pool: Path, tmp_path: Path
):
    (tmp_path / "files").mkdir()
    out, copies = tmp_path / "out", tmp_path / "copies"
    asked = ("--keep", "20", "--images", tmp_path / "files", "--copy", copies)
    result = al("filter", pool, *asked, "--out", out, *PLAIN, tmp_path)
    assert result.exit_code == 1
    assert f"copied 0 of 20 to {copies}" in result.stdout
    assert "none of the files could be copied" in result.stderr and "--images" in result.stderr
    assert len(kept(out)) == 20 and len((out / "not_copied.csv").read_text().splitlines()) == 21


def test_an_earlier_curation_is_not_overwritten_silently(al: Al, pool: Path, tmp_path: Path):
    out = tmp_path / "out"
    asked = ("filter", pool, "--out", out, *PLAIN, tmp_path)
    assert al(*asked, "--keep", "50%").exit_code == 0
    (out / "notes.txt").write_text("mine")
    before = kept(out)
    result = al(*asked, "--keep", "20%")
    assert result.exit_code == 1 and "is not empty" in result.stderr
    assert kept(out) == before
    assert al(*asked, "--keep", "20%", "--overwrite").exit_code == 0
    assert len(kept(out)) == 8 and (out / "notes.txt").read_text() == "mine"


def test_any_filter_of_the_shelf_can_be_named_in_order(al: Al, pool: Path, tmp_path: Path):
    more = ("semantic_dedup?eps=0.001=auto", "per_class?filter=outliers=10%", "adjacency=2")
    asked = [part for text in more for part in ("--filter", text)]
    said = al.json(
        "filter", pool, *asked, "--per-class", "labels", "--out", tmp_path / "o", *PLAIN, tmp_path
    )
    written = json.loads((tmp_path / "o" / "manifest.json").read_text())
    assert list(written["chain"]) == [text.rpartition("=")[0] for text in more]
    assert said["n_kept"] == N - 5 - 4 - 2
    assert said["n_by_reason"]["duplicate"] == 5


@pytest.mark.parametrize(
    ("text", "name", "amount"),
    [
        ("semantic_dedup?eps=0.1", "semantic_dedup?eps=0.1", "auto"),
        ("semantic_dedup?eps=0.1=5%", "semantic_dedup?eps=0.1", "5%"),
        ("per_class?filter=semantic_dedup", "per_class?filter=semantic_dedup", "auto"),
        ("per_class?filter=coreset?most=9=2", "per_class?filter=coreset?most=9", "2"),
    ],
)
def test_the_amount_of_a_filter_with_settings_may_be_left_out(
    al: Al, pool: Path, tmp_path: Path, text: str, name: str, amount: str
):
    asked = ("--filter", text, "--out", tmp_path / "o", *PLAIN, tmp_path)
    al.json("filter", pool, *asked)
    written = json.loads((tmp_path / "o" / "manifest.json").read_text())
    assert written["amounts"] == {name: amount}


@pytest.mark.parametrize(
    "asked", [("--filter", "outliers?min_samples=20=5%"), ("--keep", "38", "--keep-by")]
)
def test_as_many_neighbors_are_found_as_a_filter_needs(
    al: Al, pool: Path, tmp_path: Path, asked: tuple[str, ...]
):
    if asked[-1] == "--keep-by":
        asked = (*asked, "outliers?min_samples=20")
    al.json("filter", pool, *asked, "--out", tmp_path / "o", *PLAIN, tmp_path)
    assert json.loads((tmp_path / "o" / "manifest.json").read_text())["k"] == 20
    assert len(kept(tmp_path / "o")) == 38


def test_paths_between_few_samples_are_measured_over_all_of_them(al: Al, tmp_path: Path):
    np.savez(tmp_path / "few.npz", X=np.random.default_rng(0).normal(size=(12, 4)))
    asked = ("--filter", "outliers?min_samples=20=2", "--metric", "geodesic")
    al.json("filter", tmp_path / "few.npz", *asked, "--out", tmp_path / "o", *PLAIN, tmp_path)
    assert len(kept(tmp_path / "o")) == 10


def test_a_filter_that_goes_by_class_is_refused_before_anything_is_embedded(al: Al, tmp_path: Path):
    (tmp_path / "flat").mkdir()
    for number in range(3):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / "flat" / f"{number}.png")
    embed = ("--embedder", "pixels", "--out", tmp_path / "o", *PLAIN, tmp_path / "data")
    for asked in (
        ("--filter", "per_class?filter=similars=10%"),
        ("--keep", "2", "--keep-by", "divide_and_conquer?filter=per_class"),
        ("--keep", "2", "--per-class", "labels"),
    ):
        result = al("filter", tmp_path / "flat", *asked, *embed)
        assert result.exit_code == 1 and "the source has no classes" in result.stderr
    assert not list(tmp_path.rglob("vectors.db"))


def test_a_filter_in_classes_has_the_contents_that_it_compares(al: Al, pool: Path, tmp_path: Path):
    asked = ("--filter", "per_class?filter=exact_duplicates", "--out", tmp_path / "o")
    assert al.json("filter", pool, *asked, *PLAIN, tmp_path)["n_by_reason"] == {"duplicate": 5}


def test_equal_contents_can_be_what_reaches_the_number(al: Al, pool: Path, tmp_path: Path):
    asked = ("--keep", "36", "--keep-by", "exact_duplicates", "--out", tmp_path / "o")
    assert al.json("filter", pool, *asked, *PLAIN, tmp_path)["n_by_reason"] == {"duplicate": 4}


def test_a_source_that_is_not_utf8_is_named(al: Al, tmp_path: Path):
    result = al("filter", "b\udcff", "--keep", "5", "--out", tmp_path / "o", *PLAIN, tmp_path)
    assert result.exit_code == 1
    assert "'b\\udcff' is not UTF-8" in result.stderr and "--path" not in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "nothing is to be removed"),
        (("--outliers", "60%", "--similars", "50%"), "none would stay"),
        (("--outliers", "30%", "--keep", "80%"), "110%"),
        (("--keep", "41"), "there are 40 samples"),
        (("--keep", "0"), "no sample would stay"),
        (("--outliers", "many"), "no amount"),
        (("--filter", "unique=5%"), "no filter is called 'unique'"),
        (("--keep", "5", "--keep-by", "magic"), "no filter is called 'magic'"),
        (("--keep", "5", "--drop", "ugly"), "ugly is no issue"),
        (("--keep", "5", "--checks"), "holds no files"),
        (("--keep", "5", "--embedder", "pixels"), "nothing to embed"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_written(
    al: Al, pool: Path, tmp_path: Path, options: tuple[str, ...], message: str
):
    result = al("filter", pool, *options, "--out", tmp_path / "out", *PLAIN, tmp_path)
    assert result.exit_code == 1
    assert message in result.stderr
    assert "remedy: " in result.stderr or "; known: " in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_full_disk_leaves_nothing(al: Al, pool: Path, tmp_path: Path, monkeypatch):
    import errno

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    out = tmp_path / "out"
    result = al("filter", pool, "--keep", "50%", "--out", out, *PLAIN, tmp_path)
    assert result.exit_code == 1
    assert f"the disk of {out} is full" in result.stderr and "remedy" in result.stderr
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]


def test_a_sigterm_while_it_writes_leaves_nothing(al: Al, pool: Path, tmp_path: Path, monkeypatch):
    def stopped(*_: object, **__: object) -> None:
        assert list(tmp_path.glob(".al-filter-*"))
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("al_server.commands.filter_run._write", stopped)
    before = signal.getsignal(signal.SIGTERM)
    result = al("filter", pool, "--keep", "9", "--out", tmp_path / "out", *PLAIN, tmp_path / "data")
    assert result.exit_code == 143
    assert [path.name for path in tmp_path.iterdir()] == ["pool.npz"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_page_of_insights_is_written(al: Al, photos: Path, tmp_path: Path):
    asked = ("--similars", "20%", "--embedder", "pixels", "--data", tmp_path / "data")
    assert al("filter", photos, *asked, "--out", tmp_path / "out").exit_code == 0
    page = (tmp_path / "out" / "insights.html").read_text("utf-8")
    assert "</html>" in page and kept(tmp_path / "out")[0] in page


def test_the_page_draws_by_the_projection_that_was_asked_for(al: Al, pool: Path, tmp_path: Path):
    pages = {}
    for method in ("pca", "tsne"):
        asked = ("--keep", "90%", "--projection", method, "--data", tmp_path)
        result = al("filter", pool, *asked, "--out", tmp_path / method)
        assert result.exit_code == 0, result.stderr
        pages[method] = (tmp_path / method / "insights.html").read_text("utf-8")
    assert "t-SNE" in pages["tsne"] and "t-SNE" not in pages["pca"]


def test_a_projection_that_is_not_installed_is_refused_before_the_source_is_read(
    al: Al, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "umap", None)
    asked = ("--keep", "90%", "--projection", "umap", "--out", tmp_path / "o", "--data", tmp_path)
    result = al("filter", tmp_path / "nothing.npz", *asked)
    assert result.exit_code == 1
    assert (
        "needs the package umap-learn" in result.stderr and how_to_install("umap") in result.stderr
    )
    assert "nothing.npz" in al("filter", tmp_path / "nothing.npz", *asked, "--no-insights").stderr


def test_a_mirrored_picture_goes_because_of_the_other(al: Al, tmp_path: Path):
    rng = np.random.default_rng(1)
    (tmp_path / "photos").mkdir()
    for number in range(8):
        small = Image.fromarray(rng.integers(0, 255, (6, 6, 3), dtype=np.uint8))
        picture = small.resize((64, 64), Image.Resampling.BICUBIC)
        picture.save(tmp_path / "photos" / f"{number}.png")
    mirrored = Image.open(tmp_path / "photos" / "3.png").transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    mirrored.save(tmp_path / "photos" / "other.png")
    out = tmp_path / "out"
    options = ("--embedder", "pixels", *PLAIN, tmp_path)
    result = al("filter", tmp_path / "photos", "--near-duplicates", "--out", out, *options)
    assert result.exit_code == 0, result.stderr
    (row,) = removed(out)
    assert row["reason"] == "near_duplicate"
    assert {row["file"], row["because_of"]} == {"3.png", "other.png"}
    refused = al("filter", tmp_path / "photos", "--near-duplicates", "--out", out, *options)
    assert "not empty" in refused.stderr or "holds" in refused.stderr


def test_ids_do_not_lead_out_of_the_folder_of_images(al: Al, tmp_path: Path):
    (tmp_path / "imgs").mkdir()
    (tmp_path / "secret").write_text("mine")
    np.savez(tmp_path / "x.npz", X=np.eye(3), ids=np.array(["a.png", "../secret", "b.png"]))
    options = ("--images", tmp_path / "imgs", "--copy", tmp_path / "copies", *PLAIN, tmp_path)
    result = al("filter", tmp_path / "x.npz", "--keep", "2", "--out", tmp_path / "o", *options)
    assert result.exit_code == 1
    assert "1 ids lead out" in result.stderr and "../secret" in result.stderr
    assert not (tmp_path / "o").exists() and not (tmp_path / "copies").exists()


def test_a_link_never_leads_into_a_folder_of_the_source(al: Al, tmp_path: Path):
    (tmp_path / "src" / "sub").mkdir(parents=True)
    (tmp_path / "src" / "sub" / "x.jpg").write_bytes(b"x")
    np.savez(tmp_path / "x.npz", X=np.eye(2), ids=np.array(["sub", "sub/x.jpg"]))
    options = ("--images", tmp_path / "src", "--link", tmp_path / "links", *PLAIN, tmp_path)
    out = tmp_path / "o"
    result = al("filter", tmp_path / "x.npz", "--keep", "2", "--out", out, *options)
    assert result.exit_code == 0, result.stderr
    assert [path.name for path in (tmp_path / "src" / "sub").iterdir()] == ["x.jpg"]
    assert (tmp_path / "links" / "sub" / "x.jpg").is_symlink()
    assert "sub,No such file or directory" in (out / "not_copied.csv").read_text()


def test_a_folder_that_is_a_link_is_written_to_and_its_own_files_stay(
    al: Al, pool: Path, tmp_path: Path
):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "notes.txt").write_text("mine")
    (tmp_path / "disk" / "gate.npz").write_text("of an earlier run")
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    command = ("filter", pool, "--keep", "20", "--out", tmp_path / "out", *PLAIN, tmp_path)
    assert al(*command).exit_code == 1
    assert al(*command, "--overwrite").exit_code == 0
    names = {path.name for path in (tmp_path / "disk").iterdir()}
    assert names == {"notes.txt", "kept.txt", "removed.csv", "manifest.json"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--outliers", "auto"), "outliers has no threshold"),
        (("--filter", "uniqueness"), "uniqueness has no threshold"),
        (("--filter", "per_class?filter=coreset"), "coreset has no threshold"),
        (("--filter", "semantic_dedup?eps=9"), "eps=9.0 is no cosine distance"),
        (("--filter", "semantic_dedup?eps=9=auto"), "eps=9.0 is no cosine distance"),
        (("--filter", "semantic_dedup?eps=0.1=many"), "is no amount"),
        (("--keep", "50%", "--metric", "geodesic", "--gate"), "cannot measure geodesic"),
        (("--outliers", "60%", "--similars", "60%"), "that removes 120% of the samples, and"),
        (("--outliers", "60%", "--keep", "60%"), "that is 120% of the samples\n"),
        (("--outliers", "abc"), "is no amount"),
    ],
)
def test_what_no_source_can_mend_is_said_before_it_is_read(
    al: Al, tmp_path: Path, options: tuple[str, ...], message: str
):
    (tmp_path / "empty").mkdir()  # would be refused as soon as it is read
    command = ("filter", tmp_path / "empty", "--out", tmp_path / "o", *PLAIN, tmp_path)
    result = al(*command, *options)
    assert result.exit_code == 1
    assert message in result.stderr


def test_copies_do_not_go_into_the_folder_of_the_lists(al: Al, pool: Path, tmp_path: Path):
    options = ("--copy", tmp_path / "o" / "copies", "--out", tmp_path / "o", *PLAIN, tmp_path)
    result = al("filter", pool, "--keep", "20", *options)
    assert result.exit_code == 1 and "lie in each other" in result.stderr


def test_pictures_can_be_checked_and_nothing_removed(al: Al, photos: Path, tmp_path: Path):
    out = tmp_path / "out"
    options = ("--embedder", "pixels", "--checks", *PLAIN, tmp_path)
    result = al("filter", photos, "--out", out, *options)
    assert result.exit_code == 0, result.stderr
    assert len(kept(out)) == 13
    with (out / "checks.csv").open(encoding="utf-8", newline="") as file:
        dark = [row["file"] for row in csv.DictReader(file) if "dark" in row["issues"]]
    assert dark == ["even/0.png"]
    assert "checked: 1 dark, 0 bright, " in result.stdout
    assert f"odd_aspect; see {out / 'checks.csv'}" in result.stdout
    assert "uncertified" not in result.stdout
    made_of = json.loads((out / "manifest.json").read_text())["made_of"]
    assert made_of["source"] == str(photos)


def test_what_the_samples_rule_out_is_refused_before_they_are_embedded(al: Al, tmp_path: Path):
    (tmp_path / "odd").mkdir()
    Image.new("RGB", (8, 8), (9, 9, 9)).save(tmp_path / "odd" / "a\nb.png")
    (tmp_path / "texts.csv").write_text("text\nred\nblue\n")
    more = ("--out", tmp_path / "o", *PLAIN, tmp_path / "data")
    broken = al("filter", tmp_path / "odd", "--keep", "1", *more)
    assert broken.exit_code == 1 and "1 names hold line breaks" in broken.stderr
    for asked in (("--copy", tmp_path / "copies"), ("--checks",), ("--near-duplicates",)):
        result = al("filter", tmp_path / "texts.csv", "--keep", "1", *asked, *more)
        assert result.exit_code == 1 and "the source holds no files" in result.stderr
    assert not list(tmp_path.rglob("vectors.db"))


@pytest.mark.parametrize(("share", "said"), [(None, ""), (0.0, ""), (0.25, "25.00% of the samp")])
def test_what_is_uncertain_is_said_if_there_is_any(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], share: float | None, said: str
):
    troubles, besides = Troubles([], [], []), Besides(None, None, None)
    curated = Pipeline(np.eye(4), list("abcd")).run(keep=2)
    measured = Figures({}, None, 1.0, share)
    options = {"out": tmp_path, "metric": "cosine", "besides": besides, "as_json": False}
    say(curated, measured, troubles, **options)
    shown = capsys.readouterr().out
    assert said in shown and ("uncertified" in shown) == bool(said)
