from importlib.metadata import EntryPoint, EntryPoints

import pytest

from al_server import plugins
from al_server.errors import UnknownPlugin
from strategies import named

ALL = [(group, name) for group, known in plugins.BUILTIN.items() for name in known]


@pytest.mark.parametrize(("group", "name"), ALL)
def test_every_name_of_ours_leads_to_something(group: str, name: str):
    assert callable(plugins.load(group, name))


def test_the_default_strategy_is_the_one_it_is_said_to_be():
    default = plugins.load(plugins.STRATEGIES, "default")
    assert default is plugins.load(plugins.STRATEGIES, plugins.DEFAULT_STRATEGY)


def test_an_unknown_name_lists_the_known_ones_the_nearest_first():
    with pytest.raises(UnknownPlugin, match="no strategy is called 'margn'") as raised:
        plugins.load(plugins.STRATEGIES, "margn")
    assert raised.value.remedy.startswith("known: margin")
    assert all(name in raised.value.remedy for name in plugins.names(plugins.STRATEGIES))


def test_an_installed_package_adds_names_but_cannot_take_ours(monkeypatch: pytest.MonkeyPatch):
    theirs = EntryPoints(
        EntryPoint(name, "decimal:Decimal", plugins.STRATEGIES) for name in ("theirs", "margin")
    )
    monkeypatch.setattr(named, "entry_points", lambda **wanted: theirs.select(**wanted))
    from decimal import Decimal

    assert plugins.names(plugins.STRATEGIES)[-1] == "theirs"
    assert plugins.load(plugins.STRATEGIES, "theirs") is Decimal
    assert plugins.load(plugins.STRATEGIES, "margin") is not Decimal
