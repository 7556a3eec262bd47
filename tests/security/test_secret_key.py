import stat
from pathlib import Path

import pytest

from al_server.security.secret_key import FILE_NAME, load_secret_key


def test_the_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    key = load_secret_key(tmp_path)
    assert len(key) == 32
    assert load_secret_key(tmp_path) == key
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == [FILE_NAME]


def test_two_folders_have_two_keys(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    assert load_secret_key(tmp_path / "a") != load_secret_key(tmp_path / "b")


def test_a_key_that_others_could_read_is_closed(tmp_path: Path) -> None:
    key = load_secret_key(tmp_path)
    (tmp_path / FILE_NAME).chmod(0o644)
    assert load_secret_key(tmp_path) == key
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600


@pytest.mark.parametrize("damaged", [b"", b"short"])
def test_a_damaged_key_is_made_anew_with_a_warning(
    tmp_path: Path, damaged: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE_NAME).write_bytes(damaged)
    assert len(load_secret_key(tmp_path)) == 32
    assert "sign in again" in caplog.text
