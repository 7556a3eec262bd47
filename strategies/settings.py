"""Settings of strategies as text, in both directions.

A value is read by the annotation of the field it belongs to: int, float, bool, str, Literal, None,
tuples of these (separated by commas), and strategies (a text of their own).
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import is_dataclass
from functools import partial
from types import NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    Literal,
    NamedTuple,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from strategies.pool import Strategy

Make = Callable[[str], "Strategy"]

BOOLS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_EMPTY: Final = inspect.Parameter.empty
NUMBERS: Final[Mapping[Any, str]] = {int: "a whole number", float: "a number"}


class Setting(NamedTuple):
    """One setting that a factory takes.

    Attributes
    ----------
    wanted : its type
    default : its value where none is given, or `inspect.Parameter.empty`
    """

    wanted: Any
    default: Any


def split(query: str) -> dict[str, str]:
    """Split ``a=1&b=2`` into its settings, percent-encoding undone once.

    Raises
    ------
    ValueError
        If a setting has no value, or two.
    """
    settings: dict[str, str] = {}
    for pair in filter(None, query.split("&")):
        name, equals, value = pair.partition("=")
        name = unquote(name)
        if not equals:
            raise ValueError(f"setting {name!r} has no value; write {name}=VALUE")
        if name in settings:
            raise ValueError(f"setting {name!r} is given twice; give it once")
        settings[name] = unquote(value)
    return settings


def join(settings: Mapping[str, str]) -> str:
    """Undo `split`."""
    # only what would end a name or a value has to be encoded, for the rest would be hard to read
    return "&".join(
        f"{quote(name, safe='?')}={quote(value, safe='/,:?=')}" for name, value in settings.items()
    )


def settings_of(factory: Callable[..., Any]) -> dict[str, Setting]:
    """Return what may be set in what a factory makes; what a partial has set already is not."""
    inner = factory.func if isinstance(factory, partial) else factory
    if isinstance(inner, type) and not is_dataclass(inner):
        hints = get_type_hints(inner.__init__)  # type: ignore[misc]
    else:
        hints = get_type_hints(inner)
    return {
        name: Setting(hints.get(name, str), parameter.default)
        for name, parameter in inspect.signature(factory).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        and not (isinstance(factory, partial) and name in factory.keywords)
    }


def read(text: str, wanted: Any, make: Make) -> Any:
    """Turn text into what is wanted.

    Raises
    ------
    ValueError
        If it is none.
    """
    if _is_strategy(wanted):
        return make(text)
    if get_origin(wanted) in (Union, UnionType):
        return _read_any(text, wanted, make)
    if get_origin(wanted) is Literal:
        return _one_of({str(choice): choice for choice in get_args(wanted)}, text)
    if get_origin(wanted) is tuple:
        return _read_tuple(text, get_args(wanted), make)
    if wanted is bool:
        return _one_of(BOOLS, text.lower())
    if wanted is NoneType:
        return _one_of({"none": None}, text.lower())
    # what this grammar does not know is left to the factory
    return wanted(text) if wanted in NUMBERS else text


def expected(wanted: Any) -> str:
    """Say what `read` accepts."""
    choices = get_args(wanted)
    if _is_strategy(wanted):
        return "a strategy"
    if get_origin(wanted) in (Union, UnionType):
        strategies = [choice for choice in choices if _is_strategy(choice)]
        return " or ".join(expected(choice) for choice in strategies or choices)
    if get_origin(wanted) is Literal:
        return f"one of {', '.join(map(str, choices))}"
    if get_origin(wanted) is tuple:
        return f"{expected(choices[0])} or several, separated by commas"
    if wanted is NoneType:
        return "none"
    return "true or false" if wanted is bool else NUMBERS.get(wanted, "a text")


def write(value: Any, describe: Callable[[Any], str]) -> str:
    """Turn a value into the text that `read` makes it from."""
    if hasattr(value, "select"):
        return describe(value)
    if isinstance(value, tuple):
        # a comma inside of a value would be taken for one between two
        return ",".join(quote(write(one, describe), safe="/:") for one in value)
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    return repr(value) if isinstance(value, float) else str(value)


def changed(strategy: Any, factory: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
    """Go through the settings of a strategy that differ from what its factory sets by itself."""
    known = settings_of(factory)
    must = {name: getattr(strategy, name) for name, one in known.items() if one.default is _EMPTY}
    usual = factory(**must)
    for name in known:
        value = getattr(strategy, name)
        if name in must or value != getattr(usual, name):
            yield name, value


def _is_strategy(wanted: Any) -> bool:
    # the protocols Strategy and Scores, or a class of one's own
    return isinstance(wanted, type) and (hasattr(wanted, "select") or hasattr(wanted, "score"))


def _one_of(choices: Mapping[str, Any], text: str) -> Any:
    if text not in choices:
        raise ValueError(f"{text!r} is none of {', '.join(choices)}")
    return choices[text]


def _read_any(text: str, wanted: Any, make: Make) -> Any:
    """Take the first kind that fits; any text is a text, so that comes last."""
    kinds = sorted(get_args(wanted), key=lambda kind: kind is str)
    if any(_is_strategy(kind) for kind in kinds):
        return make(text)
    for kind in kinds:
        try:
            return read(text, kind, make)
        except ValueError:
            continue
    raise ValueError(f"{text!r} is not {expected(wanted)}")


def _read_tuple(text: str, kinds: tuple[Any, ...], make: Make) -> tuple[Any, ...]:
    parts = [unquote(part) for part in text.split(",")] if text else []
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(read(part, kinds[0], make) for part in parts)
    if len(parts) != len(kinds):
        raise ValueError(f"{text!r} has {len(parts)} values, not {len(kinds)}")
    return tuple(read(part, kind, make) for part, kind in zip(parts, kinds, strict=True))
