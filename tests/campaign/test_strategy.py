"""Strategies by name and settings."""

import pytest

from al_server import plugins
from al_server.campaign.strategy import make_strategy
from al_server.errors import BadInput, UnknownPlugin
from strategies.in_class import InClass


@pytest.mark.parametrize("name", plugins.names(plugins.STRATEGIES))
def test_every_strategy_is_made_by_its_name_alone(name: str) -> None:
    assert hasattr(make_strategy(name), "select")


def test_settings_follow_the_name() -> None:
    assert make_strategy("in_class?uncertainty=entropy&aggregate=max") == InClass(
        uncertainty="entropy", aggregate="max"
    )


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("no_such", UnknownPlugin, "no_such"),
        ("in_class?colour=red", BadInput, "colour"),
        ("in_class?uncertainty=guess", BadInput, "guess"),
        ("uniform?seed=1", BadInput, "seed"),
    ],
)
def test_what_cannot_be_is_said_at_once(text: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        make_strategy(text)
