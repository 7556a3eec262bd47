import shlex
import sys
from pathlib import Path

import pytest

from embeddings import installing
from embeddings.installing import how_to_install

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("extra", ["ray", "text", "umap", "video"])
def test_the_command_is_that_of_this_python_and_of_a_file_that_is_there(extra: str) -> None:
    python, *pip, file = shlex.split(how_to_install(extra))
    assert (python, pip) == (sys.executable, ["-m", "pip", "install", "-r"])
    assert Path(file) == ROOT / f"requirements-{extra}.txt" and Path(file).is_file()


def test_where_there_is_no_checkout_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(installing, "__file__", str(tmp_path / "embeddings" / "installing.py"))
    monkeypatch.setattr(sys, "executable", "/a b/python")
    assert how_to_install("umap") == "'/a b/python' -m pip install 'al-server[umap]'"
