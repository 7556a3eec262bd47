"""Strategies by name and settings."""

import pytest

from al_server import plugins
from al_server.campaign.strategy import make_strategy
from al_server.errors import BadInput, UnknownPlugin
from strategies.compose import Product, Threshold
from strategies.in_class import InClass


@pytest.mark.parametrize("name", plugins.names(plugins.STRATEGIES))
def test_every_strategy_is_made_by_its_name_alone(name: str) -> None:
    assert hasattr(make_strategy(name), "select")


def test_settings_follow_the_name() -> None:
    assert make_strategy("in_class?uncertainty=entropy&aggregate=max") == InClass(
        uncertainty="entropy", aggregate="max"
    )


def test_strategies_may_stand_inside_of_others() -> None:
    made = make_strategy("threshold?by=product?margin=2%26density=1&keep=0.1&then=entropy")
    assert made == Threshold(by=Product(margin=2, density=1), keep=0.1, then="entropy")


@pytest.mark.parametrize(
    "text", ["balance?shares=1,2", "similar?label=7", "similar?to=a.png", "similar?vectors=1%2C2"]
)
def test_what_only_the_toys_lack_may_be_asked_for(text: str) -> None:
    assert hasattr(make_strategy(text), "select")


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("no_such", UnknownPlugin, "no_such"),
        ("in_class?colour=red", BadInput, "colour"),
        ("in_class?uncertainty=guess", BadInput, "guess"),
        ("uniform?seed=1", BadInput, "seed"),
        ("power?beta=much", BadInput, "beta='much' does not fit; give a number"),
        ("power?base=no_such", UnknownPlugin, "no_such"),
        ("product?no_such=1", UnknownPlugin, "no_such"),
        ("product?margin=-1", BadInput, "margin=-1.0 is no strength"),
        ("threshold?by=badge", BadInput, "Badge values whole batches"),
        ("then?first=" * 400 + "margin", BadInput, "too many others"),
        ("then?until=soon", BadInput, "until='soon' is no number of labels"),
    ],
)
def test_what_cannot_be_is_said_at_once(text: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        make_strategy(text)
