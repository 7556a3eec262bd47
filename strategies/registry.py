"""From a name, or a text such as ``in_class?uncertainty=entropy``, to a strategy, and back.

The text is written like the query of a URL: a name, settings after a question mark, and strategies
inside of strategies percent-encoded, ``threshold?by=product%3Fmargin=2%26density=1&keep=0.1``. A
composition that takes strategies by name has their strengths as settings,
``product?margin=2&density=1``.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from strategies import named, settings
from strategies.shelf import SHELF, Entry

if TYPE_CHECKING:
    from strategies.pool import Strategy

__all__ = ["GROUP", "SHELF", "Entry", "describe", "load", "make", "names"]

GROUP: Final = "al_server.strategies"
"""Entry points of other packages that add strategies."""

_TARGETS: Final = {name: entry.target for name, entry in SHELF.items()}

Factory = Callable[..., "Strategy"]
Load = Callable[[str], Factory]


def names() -> list[str]:
    """List what `load` knows: the shelf, then what installed packages add."""
    return named.names(GROUP, _TARGETS)


def load(name: str) -> Factory:
    """Import what a name stands for: ours, or else that of an installed package.

    Raises
    ------
    ValueError
        If no strategy has that name; it lists those there are, the nearest first.
    """
    factory: Factory = named.load(GROUP, _TARGETS, name, noun="strategy")
    return factory


def make(text: str, *, load: Load = load) -> "Strategy":
    """Make a strategy from its name and settings; the settings are the fields of its dataclass.

    Parameters
    ----------
    text : ``name`` or ``name?setting=value&setting=value``
    load : from a name to what makes the strategy

    Raises
    ------
    ValueError
        If it has no such setting, or a value does not fit; it says which, and what would.
    """
    name, _, query = text.partition("?")
    factory = load(name)
    try:
        given = settings.split(query)
        return _make(factory, given, partial(make, load=load))
    except (TypeError, ValueError) as error:
        raise ValueError(f"strategy {name!r}: {error}") from error


def describe(strategy: "Strategy") -> str:
    """Return the text that `make` makes a strategy from.

    Raises
    ------
    ValueError
        If it is neither on the shelf nor of an installed package, or was changed afterwards.
    """
    name, factory = _name_of(strategy)
    given: Mapping[str, str]
    if hasattr(strategy, "to_settings"):
        given = {} if strategy == factory() else strategy.to_settings(describe)
    else:
        changed = settings.changed(strategy, factory)
        given = {setting: settings.write(value, describe) for setting, value in changed}
    return f"{name}?{settings.join(given)}" if given else name


def _make(factory: Any, given: Mapping[str, str], make: settings.Make) -> "Strategy":
    if hasattr(factory, "from_settings"):
        made: Strategy = factory.from_settings(given, make)
        return made
    known = settings.settings_of(factory)
    values = {}
    for setting, text in given.items():
        if setting not in known:
            listed = f"its settings are {', '.join(known)}" if known else "it has none"
            raise ValueError(f"there is no setting {setting!r}; {listed}")
        wanted = known[setting].wanted
        try:
            values[setting] = settings.read(text, wanted, make)
        except ValueError as error:
            fits = settings.expected(wanted)
            because = f" ({error})" if fits == "a strategy" else ""
            raise ValueError(f"{setting}={text!r} does not fit; give {fits}{because}") from error
    missing = [
        setting
        for setting, (_, default) in known.items()
        if default is inspect.Parameter.empty and setting not in values
    ]
    if missing:
        raise ValueError(f"setting {missing[0]!r} is missing; give {missing[0]}=VALUE")
    return factory(**values)  # type: ignore[no-any-return]


def _name_of(strategy: "Strategy") -> tuple[str, Factory]:
    """Find the name whose factory makes strategies like this one, the same fixed fields included.

    `default` is never the answer: what it stands for may change.
    """
    kind = type(strategy)
    for name in names():
        ours = SHELF.get(name)
        # only the module that a strategy comes from is imported
        if name == "default" or (ours and not _is_in(kind, ours.target.partition(":")[0])):
            continue
        factory: Any = load(name)
        inner = factory.func if isinstance(factory, partial) else factory
        if inner is kind and _has_fixed_fields(strategy, factory):
            return name, factory
    raise ValueError(
        f"{kind.__name__} is neither on the shelf nor an entry point {GROUP!r} of an installed "
        "package; register it to have it described"
    )


def _is_in(kind: type, module: str) -> bool:
    return kind.__module__ == module or kind.__module__.startswith(f"{module}.")


def _has_fixed_fields(strategy: "Strategy", factory: Any) -> bool:
    """Tell whether what a partial sets is what the strategy has."""
    if not isinstance(factory, partial):
        return True
    fixed = inspect.signature(factory.func).bind_partial(*factory.args, **factory.keywords)
    return all(getattr(strategy, name) == value for name, value in fixed.arguments.items())
