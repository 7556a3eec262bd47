import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROBE = """
from embeddings.torchvision_cure import cure_torchvision
first = cure_torchvision()
assert cure_torchvision() == first
print(first)
"""


def run(code: str, *, before: Path | None = None) -> str:
    """Run code in a fresh process, `before` standing first on its path; return what it printed."""
    path = os.pathsep.join(str(p) for p in (before, Path(__file__).parents[2]) if p is not None)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package that is called torchvision, as a folder to put on the path."""
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").touch()
    return tmp_path


def test_timm_can_be_imported_after_the_cure() -> None:
    run(PROBE + "import torchvision, timm, timm.data")


def test_a_library_that_loads_needs_no_cure(package: Path) -> None:
    import hnswlib

    shutil.copy(hnswlib.__file__, package / "torchvision" / "_C.so")
    assert run(PROBE, before=package) == "False"


def test_a_library_that_does_not_load_is_cured(package: Path) -> None:
    (package / "torchvision" / "_C.so").write_bytes(b"built for another machine")
    declared = "import torch; torch.ops.torchvision.nms; torch.ops.torchvision.qnms"
    assert run(PROBE + declared, before=package) == "True"


def test_a_torchvision_without_a_library_is_cured(package: Path) -> None:
    assert run(PROBE, before=package) == "True"


def test_nothing_is_done_where_torchvision_was_imported_already(package: Path) -> None:
    assert run("import torchvision" + PROBE, before=package) == "False"
