"""Which image of a folder an annotation means, by the name that it has there."""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple


class Match(NamedTuple):
    """The name of an image within the folder, or None and the reason."""

    name: str | None
    reason: str = ""


class ImageNames:
    """The images of a folder, found by what others call them.

    Only names that were listed are ever given back: no annotation leads out of the folder.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._paths: dict[str, list[str]] = {}
        self._files: dict[str, list[str]] = {}
        for name in names:
            path = PurePosixPath(name)
            stem = str(path.with_suffix(""))
            self._paths[name] = [name]
            self._files.setdefault(path.name, []).append(name)
            if stem not in self._paths:
                self._paths[stem] = []
            self._paths[stem].append(name)
            self._files.setdefault(path.stem, []).append(name)

    def find(self, called: Sequence[str]) -> Match:
        """Find an image by one of its names, tried in that order.

        A name is a path within the folder, with or without suffix; folders in front of it that are
        not there are passed over. A bare file name may be that of an image further down, as long as
        there is one.
        """
        reason = "no such image in the folder"
        for name in called:
            parts = [one for one in name.replace("\\", "/").split("/") if one not in ("", ".")]
            if ".." in parts:
                return Match(None, "the name of its image leads out of the folder")
            for start in range(len(parts)):
                found = self._paths.get("/".join(parts[start:]), [])
                if len(found) == 1:
                    return Match(found[0])
            found = self._files.get(parts[0], []) if len(parts) == 1 else []
            if len(found) == 1:
                return Match(found[0])
            if found:
                reason = f"{len(found)} images of the folder are called so"
        return Match(None, reason)
