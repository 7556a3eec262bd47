"""From a name, or a text such as ``per_class?filter=similars``, to a filter, and back.

The text is written as that of a strategy, see `strategies.registry`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from strategies import named, registry, settings
from strategies.filters.shelf import SHELF, Entry

if TYPE_CHECKING:
    from strategies.filters.points import Filter

__all__ = ["GROUP", "SHELF", "Entry", "describe", "load", "made", "make", "names"]

GROUP: Final = "al_server.filters"
"""Entry points of other packages that add filters."""

_TARGETS: Final = {name: entry.target for name, entry in SHELF.items()}

Factory = Callable[..., "Filter"]


def names() -> list[str]:
    """List what `load` knows: the shelf, then what installed packages add."""
    return named.names(GROUP, _TARGETS)


def load(name: str) -> Factory:
    """Import what a name stands for: ours, or else that of an installed package.

    Raises
    ------
    ValueError
        If no filter has that name; it lists those there are, the nearest first.
    """
    factory: Factory = named.load(GROUP, _TARGETS, name, noun="filter")
    return factory


def make(text: str) -> "Filter":
    """Make a filter from its name and settings; the settings are the fields of its dataclass.

    Parameters
    ----------
    text : ``name`` or ``name?setting=value&setting=value``

    Raises
    ------
    ValueError
        If it has no such setting, or a value does not fit; it says which, and what would.
    """
    name = text.partition("?")[0]
    factory: Any = load(name)
    try:
        filter: Any = registry.make(text, load=lambda _: factory)
    except ValueError as error:
        # the reason is that of the strategies' grammar, which calls everything a strategy
        raise ValueError(f"filter {name!r}: {error.__cause__ or error}") from error
    if not hasattr(filter, "build"):
        raise ValueError(f"{name!r} makes a {type(filter).__name__}, which is no filter: no build")
    return filter  # type: ignore[no-any-return]


def made(filter: "Filter | str") -> "Filter":
    """Return a filter that may be given as text, for those that work by another."""
    if isinstance(filter, str):
        return make(filter)
    if not hasattr(filter, "build"):
        raise ValueError(f"{filter!r} is no filter; give an object with `build`, or a name")
    return filter


def describe(filter: "Filter") -> str:
    """Return the text that `make` makes a filter from.

    Raises
    ------
    ValueError
        If it is neither on the shelf nor of an installed package.
    """
    for name in names():
        factory: Any = load(name) if _may_be(filter, name) else None
        if factory is type(filter):
            changed = settings.changed(filter, factory)
            given = {setting: _write(value) for setting, value in changed}
            return f"{name}?{settings.join(given)}" if given else name
    raise ValueError(
        f"{type(filter).__name__} is neither on the shelf nor an entry point {GROUP!r} of an "
        "installed package; register it to have it described"
    )


def _may_be(filter: "Filter", name: str) -> bool:
    # only the module that a filter comes from is imported
    return name not in SHELF or SHELF[name].target.startswith(f"{type(filter).__module__}:")


def _write(value: Any) -> str:
    return describe(value) if hasattr(value, "build") else settings.write(value, str)
