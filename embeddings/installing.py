"""How to install an optional part, told for the Python that runs."""

import shlex
import sys
from pathlib import Path


def how_to_install(extra: str) -> str:
    """Return the command that installs an extra of `pyproject.toml`, such as ``umap``.

    A checkout has a file of exact versions beside the package; else the extra is named.
    """
    file = Path(__file__).resolve().parents[1] / f"requirements-{extra}.txt"
    wanted = ["-r", str(file)] if file.is_file() else [f"al-server[{extra}]"]
    return install_command(*wanted)


def install_command(*arguments: str) -> str:
    """Return the command of pip, to be pasted into a shell."""
    return shlex.join([sys.executable or "python", "-m", "pip", "install", *arguments])
