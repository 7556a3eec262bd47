"""The strategies inside of a composition, given as objects or by name."""

from typing import Protocol, runtime_checkable

from strategies import registry
from strategies.pool import Scores, Strategy


@runtime_checkable
class Scorer(Scores, Strategy, Protocol):
    """A strategy that values every candidate by itself."""


def made(part: Strategy | str) -> Strategy:
    """Return a strategy that may be given as text, ``in_class?uncertainty=entropy``."""
    if isinstance(part, str):
        return registry.make(part)
    if not hasattr(part, "select"):
        raise ValueError(f"{part!r} is no strategy; give an object with `select`, or a name")
    return part


def scorer(part: Strategy | str, composition: str) -> Scorer:
    """Return a strategy with scores, or say that this one has none."""
    strategy = made(part)
    if not isinstance(strategy, Scorer):
        raise ValueError(
            f"{composition} needs a score for every sample; {type(strategy).__name__} values whole "
            "batches: it can stand in threshold, balance and then"
        )
    return strategy


def name_of(strategy: Strategy) -> str:
    """Return the text of a strategy, or its class where nobody registered it."""
    try:
        return registry.describe(strategy)
    except ValueError:
        return type(strategy).__name__.lower()
