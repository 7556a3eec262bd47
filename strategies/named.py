"""From names to objects: our own, imported only when asked for, and those of other packages."""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any


class UnknownName(ValueError):
    """Nothing has a name; `known` lists those there are, the nearest first."""

    def __init__(self, noun: str, name: str, names: list[str]) -> None:
        near = get_close_matches(name, names, n=len(names), cutoff=0.5)
        listed = [*near, *(other for other in names if other not in near)]
        self.known = ", ".join(listed) or "none"
        self.told = f"no {noun} is called {name!r}"
        super().__init__(f"{self.told}; known: {self.known}")


def names(group: str, ours: Mapping[str, str]) -> list[str]:
    """List our names, then those that installed packages add.

    Parameters
    ----------
    group : of the entry points of other packages
    ours : name -> "module:attribute"
    """
    return [*ours, *sorted({entry.name for entry in entry_points(group=group)} - ours.keys())]


def load(group: str, ours: Mapping[str, str], name: str, *, noun: str) -> Any:
    """Import what a name stands for: ours, or else that of an installed package.

    Raises
    ------
    UnknownName
        If nothing has it; `noun` is what the message calls the thing.
    """
    if name in ours:
        module, _, attribute = ours[name].partition(":")
        return getattr(import_module(module), attribute)
    for entry in entry_points(group=group, name=name):
        return entry.load()
    raise UnknownName(noun, name, names(group, ours))
