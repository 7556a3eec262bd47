"""A strategy from its name and settings, written as in a URL: ``in_class?uncertainty=entropy``."""

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from al_server import plugins
from al_server.errors import BadInput

if TYPE_CHECKING:
    from strategies.pool import Strategy

N_TOY_SAMPLES = 20


def make_strategy(text: str) -> "Strategy":
    """Make a strategy; its settings are the fields of its dataclass.

    Raises
    ------
    UnknownPlugin
        If no strategy has that name; it lists those there are.
    BadInput
        If it has no such setting, or the value does not fit.
    """
    from strategies import registry

    try:
        strategy = registry.make(text, load=partial(plugins.load, plugins.STRATEGIES))
        _try_on_toy_pool(strategy)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{text!r} does not work: {error}", "mend its settings") from error
    except RecursionError:
        raise BadInput("the strategy has too many others inside of it", "nest fewer") from None
    return strategy


def _try_on_toy_pool(strategy: "Strategy") -> None:
    """Refuse values that do not fit now, not when the first annotator asks."""
    import numpy as np

    from strategies.inputs import DoesNotFitPool
    from strategies.toy_pool import toy_pool

    # what the toy lacks, the campaign may have
    with suppress(DoesNotFitPool):
        strategy.select(toy_pool(n_samples=N_TOY_SAMPLES), 1, np.random.default_rng(0))
