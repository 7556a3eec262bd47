"""A strategy from its name and settings, written as in a URL: ``in_class?uncertainty=entropy``."""

from inspect import signature
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from al_server import plugins
from al_server.errors import BadInput

if TYPE_CHECKING:
    from strategies.pool import Strategy


def make_strategy(text: str) -> "Strategy":
    """Make a strategy; its settings are the fields of its dataclass.

    Raises
    ------
    UnknownPlugin
        If no strategy has that name; it lists those there are.
    BadInput
        If it has no such setting, or the value does not fit.
    """
    name, _, query = text.partition("?")
    factory = plugins.load(plugins.STRATEGIES, name)
    settings = dict(parse_qsl(query, keep_blank_values=True))
    known = list(signature(factory).parameters)
    unknown = [setting for setting in settings if setting not in known]
    if unknown:
        raise BadInput(
            f"strategy {name!r} has no setting {unknown[0]!r}",
            f"its settings are {', '.join(known)}" if known else "it has none",
        )
    strategy: Strategy = factory(**settings)
    _try_on_toy_pool(strategy, text)
    return strategy


def _try_on_toy_pool(strategy: "Strategy", text: str) -> None:
    """Refuse values that do not fit now, not when the first annotator asks."""
    import numpy as np

    from strategies.toy_pool import toy_pool

    try:
        strategy.select(toy_pool(), 1, np.random.default_rng(0))
    except (TypeError, ValueError) as error:
        raise BadInput(f"strategy {text!r} does not work: {error}", "mend its settings") from error
