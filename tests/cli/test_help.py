from collections.abc import Iterator

import click
import pytest

from al_server import plugins
from al_server.cli import main
from tests.cli.conftest import Al


def commands(group: click.Group = main, path: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{path}{name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path}{name} ")


ALL = dict(commands())


@pytest.mark.parametrize("path", ALL)
def test_every_command_shows_an_example_of_itself(al: Al, path: str):
    help_text = al(*path.split(), "--help").output
    _, _, examples = help_text.partition("Example")
    assert f"al-server {path}" in examples


@pytest.mark.parametrize("path", ALL)
def test_every_option_is_explained(path: str):
    options = [one for one in ALL[path].params if isinstance(one, click.Option)]
    assert [one.opts for one in options if not one.help] == []


def test_strategies_are_those_of_the_registry_and_described(al: Al):
    listed = al.json("strategies")
    assert [one["name"] for one in listed] == plugins.names(plugins.STRATEGIES)
    assert all(one["description"] for one in listed)
    assert "in_class" in al("strategies").output


def test_a_misspelt_command_is_a_usage_error(al: Al):
    assert al("serv").exit_code == 2
