"""Which files may be read: those under the roots, wherever links and ``..`` lead."""

import os
from collections.abc import Sequence
from pathlib import Path

from al_server.errors import BadSource, OutsideRoots


def resolve(path: str | Path, roots: Sequence[Path]) -> Path:
    """Find out where a file or folder really is, provided that this lies under a root.

    A relative path counts from the first root that has it.

    Raises
    ------
    OutsideRoots
        If the path, a link on it or a ``..`` leads out of every root; it names the roots.
    BadSource
        If there is no such file or folder.
    """
    roots = [root.resolve() for root in roots]
    # no path outside the roots is touched or told apart from a missing one
    for root in roots:
        real = real_path(root / path)
        # os.path.exists, not Path.exists: a name that is too long is no file, not an error
        if real is not None and is_inside(real, roots) and os.path.exists(real):
            return real
    if any(is_inside(real, roots) for root in roots if (real := real_path(root / path))):
        raise BadSource(f"no such file or folder: {path}", "check the path for a typing error")
    listed = ", ".join(str(root) for root in roots)
    raise OutsideRoots(
        f"{path} lies outside the folders that may be read: {listed}",
        "move it there, or start the server with --root FOLDER",
    )


def real_path(path: Path) -> Path | None:
    """Work out links and ``..``; None where that cannot be done."""
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of links; a NUL character
        return None


def is_inside(real: Path, roots: Sequence[Path]) -> bool:
    """Tell whether a resolved path lies under one of the resolved roots."""
    return any(real.is_relative_to(root) for root in roots)
