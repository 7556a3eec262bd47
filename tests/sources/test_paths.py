from pathlib import Path

import pytest

from al_server.errors import BadSource, OutsideRoots
from al_server.sources.paths import resolve


def test_a_file_below_a_root_is_found_by_its_absolute_path(root: Path):
    file = root / "a" / "b.csv"
    file.parent.mkdir()
    file.touch()
    assert resolve(file, [root]) == file


def test_a_relative_path_counts_from_the_first_root_that_has_it(root: Path, tmp_path: Path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "b.csv").touch()
    assert resolve("b.csv", [root, other]) == other / "b.csv"


def test_dots_are_fine_as_long_as_they_stay_below_the_root(root: Path):
    (root / "a").mkdir()
    (root / "b.csv").touch()
    assert resolve(root / "a" / ".." / "b.csv", [root]) == root / "b.csv"


@pytest.mark.parametrize("path", ["/etc/passwd", "../secret", "a/../../secret", "bad\0name"])
def test_what_leads_out_is_refused_with_the_roots_named(root: Path, path: str):
    (root.parent / "secret").touch()
    with pytest.raises(OutsideRoots, match=str(root)) as raised:
        resolve(path, [root])
    assert "--root" in raised.value.remedy


def test_a_link_that_leads_out_is_refused(root: Path, tmp_path: Path):
    (tmp_path / "secret").mkdir()
    (root / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(OutsideRoots):
        resolve(root / "link", [root])


def test_a_root_that_is_itself_a_link_still_counts(root: Path, tmp_path: Path):
    (root / "a").mkdir()
    (tmp_path / "link").symlink_to(root)
    assert resolve("a", [tmp_path / "link"]) == root / "a"


def test_a_loop_of_links_is_refused_and_does_not_crash(root: Path):
    (root / "a").symlink_to(root / "b")
    (root / "b").symlink_to(root / "a")
    with pytest.raises((OutsideRoots, BadSource)):
        resolve(root / "a", [root])


def test_outside_the_roots_a_missing_file_looks_like_one_that_is_there(root: Path):
    answers = []
    for path in ("/etc/passwd", "/etc/no_such_file"):
        with pytest.raises(OutsideRoots) as raised:
            resolve(path, [root])
        answers.append(raised.value.message.replace(path, "PATH"))
    assert answers[0] == answers[1]


def test_a_missing_file_below_a_root_is_said_to_be_missing(root: Path):
    with pytest.raises(BadSource, match=r"no such file or folder: nothing\.csv"):
        resolve("nothing.csv", [root])


def test_a_name_too_long_for_any_file_is_said_to_be_missing(root: Path):
    with pytest.raises(BadSource, match="no such file or folder"):
        resolve("a" * 300, [root])


def test_a_folder_whose_name_merely_begins_like_a_root_is_outside(root: Path):
    beside = root.with_name(root.name + "_beside")
    beside.mkdir()
    with pytest.raises(OutsideRoots):
        resolve(beside, [root])
