"""The table of who may import what; it binds our own packages and the heavy libraries."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = ("strategies", "embeddings", "al_server", "integrations")
BOUND = {*OURS, "torch", "timm", "hnswlib", "flask", "sqlalchemy"}

ALLOWED = {
    "strategies": {"strategies"},
    "embeddings": {"embeddings", "strategies.pool", "torch", "timm", "hnswlib"},
    "al_server": {"al_server", "strategies", "embeddings", "flask", "sqlalchemy"},
    "integrations": {"integrations", "al_server", "embeddings", "flask"},
}
# one module that may import more than its package, and why
EXCEPTIONS = {
    # a strategy that trains networks
    **{
        f"strategies/vaal/{name}.py": {"torch"}
        for name in ("checkpoints", "fitting", "networks", "samples", "training")
    },
    "al_server/doctor.py": {"torch", "hnswlib"},  # it looks whether they work
    "al_server/campaign/neighbors.py": {"hnswlib"},  # a graph for one use, thrown away after it
}
HEAVY = ("torch", "timm", "torchvision", "sklearn", "scipy", "pyarrow", "hnswlib", "numba")


def modules() -> list[Path]:
    return [path for package in OURS for path in sorted((ROOT / package).rglob("*.py"))]


def imported(path: Path) -> Iterator[str]:
    """Every dotted name that a module imports, wherever in the file."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *filter(None, [node.module])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def is_below(name: str, allowed: str) -> bool:
    return name == allowed or name.startswith(f"{allowed}.")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_the_table_allows(path: Path):
    name = path.relative_to(ROOT).as_posix()
    allowed = ALLOWED[name.partition("/")[0]] | EXCEPTIONS.get(name, set())
    bound = [one for one in imported(path) if one.partition(".")[0] in BOUND]
    assert [one for one in bound if not any(is_below(one, other) for other in allowed)] == []


def test_nothing_of_ours_imports_the_tests():
    assert [
        path for path in modules() if any(is_below(one, "tests") for one in imported(path))
    ] == []


def test_imports_are_seen_wherever_they_stand_and_told_apart():
    assert is_below("strategies.pool.Neighbors", "strategies.pool")
    assert not is_below("strategies.pools", "strategies.pool")
    names = set(imported(ROOT / "al_server" / "demo.py"))
    assert {"al_server.config.Settings", "numpy", "sklearn.datasets.load_digits"} <= names


def test_the_command_line_starts_without_the_heavy_libraries():
    code = f"import al_server.cli, sys; print([one for one in {HEAVY} if one in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert loaded.stdout.strip() == "[]", loaded.stdout + loaded.stderr


def test_importing_everything_starts_no_threads_and_writes_no_files(tmp_path: Path):
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in modules()]
    names = [name.removesuffix(".__init__") for name in names]
    # alembic runs the scripts of its environment by itself; they cannot be imported
    names = [name for name in names if ".migrations." not in name]
    code = (
        "import importlib, threading\n"
        f"for name in {names}: importlib.import_module(name)\n"
        "print([thread.name for thread in threading.enumerate()])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout.strip().splitlines()[-1:] == ["['MainThread']"], done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []
