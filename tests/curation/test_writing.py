import csv
import errno
import io
import os
from pathlib import Path

import numpy as np
import pytest

from al_server.curation import copying, writing
from al_server.curation.curated import Curated, Step
from al_server.errors import AlreadyExists, BadInput, StorageFull


def curated(names: list[str]) -> Curated:
    return Curated(
        sample_ids=names,
        kept=np.array([0, 3]),
        removed=np.array([2, 1]),
        steps=(Step("outliers", "outlier", 1), Step("similars", "similar", 1)),
        step_of=np.array([0, 1], dtype=np.int8),
        because_of=np.array([-1, 3]),
        distances=np.array([np.nan, 0.1], dtype=np.float32),
        scores=np.array([0.7, np.nan], dtype=np.float32),
    )


def test_receipts_are_read_back_as_they_were():
    text = writing.csv_text(
        writing.REMOVED_COLUMNS, writing.removed_rows(curated(["a", 'b,"c"', "ü", "d"]))
    )
    assert list(csv.reader(io.StringIO(text))) == [
        ["file", "reason", "because_of", "distance", "score"],
        ["ü", "outlier", "", "", "0.7"],
        ['b,"c"', "similar", "d", "0.1", ""],
    ]


def test_names_that_a_spreadsheet_would_run_are_made_harmless():
    names = ["a", "=cmd|'/c calc'!A0", "+1+1", "@SUM(A1)"]
    text = writing.csv_text(writing.REMOVED_COLUMNS, writing.removed_rows(curated(names)))
    rows = list(csv.reader(io.StringIO(text)))[1:]
    assert [row[0] for row in rows] == ["'+1+1", "'=cmd|'/c calc'!A0"]
    assert rows[1][2] == "'@SUM(A1)"
    assert writing.kept_text(curated(names)) == "a\n@SUM(A1)\n"  # not for spreadsheets


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "a\u2028b", ""])
def test_names_that_are_not_one_line_are_refused(name: str):
    writing.check_names(["fine"])
    with pytest.raises(BadInput, match="1 names hold line breaks"):
        writing.check_names(["fine", name])


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path):
    out = tmp_path / "deep" / "out"
    with writing.whole_folder(out) as aside:
        (aside / "kept.txt").write_text("a\n")
        assert not out.exists() and aside.parent == out.parent
    assert (out / "kept.txt").read_text() == "a\n"
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    assert oct(out.stat().st_mode) == oct((tmp_path / "deep").stat().st_mode)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interruption_leaves_nothing(tmp_path: Path, error: type[BaseException]):
    with pytest.raises(error), writing.whole_folder(tmp_path / "out") as aside:
        (aside / "kept.txt").write_text("half")
        raise error
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "kept.txt").write_text("before")
    with (
        pytest.raises(StorageFull, match="full; nothing was written") as caught,
        writing.whole_folder(tmp_path / "out", overwrite=True) as aside,
    ):
        (aside / "kept.txt").write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.remedy
    assert (tmp_path / "out" / "kept.txt").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_that_holds_something_is_not_touched(tmp_path: Path):
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("")
    for place in (tmp_path, tmp_path / "file"):
        with pytest.raises(AlreadyExists), writing.whole_folder(place):
            raise AssertionError("it should not come to this")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "mine.txt"]


def test_what_killed_runs_left_is_swept_unless_somebody_holds_it(tmp_path: Path):
    for name in (".al-filter-old", ".al-filter-new", "mine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "kept.txt").write_text("half")
    for name in (".al-filter-old", "mine"):
        os.utime(tmp_path / name, (0, 0))
    with writing.whole_folder(tmp_path / "one") as one:
        (one / "kept.txt").write_text("one")
        os.utime(one, (0, 0))
        with writing.whole_folder(tmp_path / "two") as two:
            (two / "kept.txt").write_text("two")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".al-filter-new", "mine", "one", "two"
    ]  # fmt: skip
    assert (tmp_path / "one" / "kept.txt").read_text() == "one"


LONG = "x" * 300


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_name_that_no_folder_can_have_is_refused_in_our_words(tmp_path: Path, overwrite: bool):
    with pytest.raises(BadInput, match="cannot be written: File name too long"):
        writing.check_folder(tmp_path / LONG, overwrite=overwrite)
    with pytest.raises(BadInput, match="cannot be written: File name too long"):
        writing.check_file(tmp_path / LONG, overwrite=overwrite)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("nowhere")])
def test_nothing_is_replaced_where_something_else_than_a_file_is_in_the_way(tmp_path: Path, make):
    out = tmp_path / "out"
    out.mkdir()
    (out / "removed.csv").write_text("before")
    with pytest.raises(BadInput, match=r"kept\.txt cannot be written: .* is there"):
        with writing.whole_folder(out, overwrite=True) as aside:
            (aside / "removed.csv").write_text("now")
            (aside / "kept.txt").write_text("now")
            make(out / "kept.txt")  # by somebody else, during the work
    assert (out / "removed.csv").read_text() == "before"
    with pytest.raises(BadInput), writing.whole_folder(out, overwrite=True):
        raise AssertionError("it should not come to this")


def test_to_overwrite_replaces_the_files_of_a_curation_alone(tmp_path: Path):
    out = tmp_path / "out"
    out.mkdir()
    for name in ("mine.txt", "kept.txt", "gate.npz"):
        (out / name).write_text("before")
    with writing.whole_folder(out, overwrite=True) as aside:
        (aside / "kept.txt").write_text("now")
    left = {path.name: path.read_text() for path in out.iterdir()}
    assert left == {"mine.txt": "before", "kept.txt": "now"}  # a gate of other samples is gone


def test_copies_lie_under_their_names_and_what_is_missing_is_listed(tmp_path: Path):
    (tmp_path / "from").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "from" / name).write_text(name)
    names = ["x/a.png", "../../x/a.png", "b", "gone.png", "/etc/b"]
    files = ["a.png", "b.png", "b.png", "gone.png", "a.png"]
    paths = [tmp_path / "from" / file for file in files]
    lost = copying.copy_files(names, paths, tmp_path / "to")
    assert [(one.sample, one.reason) for one in lost] == [("gone.png", "No such file or directory")]
    found = {
        path.relative_to(tmp_path / "to").as_posix(): path.read_text()
        for path in (tmp_path / "to").rglob("*.png")
    }
    assert found == {
        "x/a.png": "a.png",
        "x/a-2.png": "b.png",
        "b.png": "b.png",
        "etc/b.png": "a.png",
    }


@pytest.mark.parametrize("link", [False, True])
def test_a_file_that_is_missing_does_not_take_the_copy_of_another(tmp_path: Path, link: bool):
    (tmp_path / "cat.jpg").write_text("cat")
    paths = [tmp_path / "cat.jpg", tmp_path / "gone.jpg"]
    lost = copying.copy_files(["cat.jpg", "cat"], paths, tmp_path / "to", link=link)
    assert [one.sample for one in lost] == ["cat"]
    assert (tmp_path / "to" / "cat.jpg").read_text() == "cat"


def test_links_lead_to_the_files(tmp_path: Path):
    (tmp_path / "a.png").write_text("a")
    lost = copying.copy_files(
        ["a.png", "b.png"], [tmp_path / "a.png", tmp_path / "b.png"], tmp_path / "to", link=True
    )
    assert [one.sample for one in lost] == ["b.png"]
    assert os.readlink(tmp_path / "to" / "a.png") == str((tmp_path / "a.png").resolve())
    assert not os.path.lexists(tmp_path / "to" / "b.png")


def test_a_disk_that_fills_up_while_copying_ends_the_work(tmp_path: Path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    (tmp_path / "a").write_text("a")
    with (
        pytest.raises(StorageFull),
        writing.whole_folder(tmp_path / "to") as aside,
    ):
        copying.copy_files(["a"], [tmp_path / "a"], aside)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
