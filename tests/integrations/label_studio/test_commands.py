import click
import pytest

from al_server.cli import main
from integrations.label_studio.commands import label_studio
from tests.cli.conftest import Al, al, served, server

__all__ = ["al", "served", "server"]
NAMES = list(label_studio.commands)


def test_the_group_is_found_by_its_name_and_listed(al: Al) -> None:
    context = click.Context(main)
    assert "label-studio" in main.list_commands(context)
    assert main.get_command(context, "label-studio") is label_studio
    assert "label-studio" in al("--help").output


@pytest.mark.parametrize("name", NAMES)
def test_every_command_shows_an_example_and_explains_its_options(al: Al, name: str) -> None:
    help_text = al("label-studio", name, "--help").output
    assert f"al-server label-studio {name}" in help_text.partition("Example")[2]
    options = [one for one in label_studio.commands[name].params if isinstance(one, click.Option)]
    assert [one.opts for one in options if not one.help] == []


def test_each_thing_that_is_wrong_is_said_in_one_line_with_a_remedy(served: Al) -> None:
    project = ("--project", "7")
    wrong = {
        ("connect", "--url", "http://127.0.0.1:1", "--token", "t0ken", *project): "no Label Studio",
        ("connect", "--url", "nonsense", "--token", "t0ken", *project): "is no address",
        ("connect", "--url", "http://127.0.0.1:1", *project): "token is missing",
        ("status", "nix"): "no project is connected as 'nix'",
        ("reconcile", "nix"): "no project is connected as 'nix'",
        ("disconnect", "nix"): "no project is connected as 'nix'",
    }
    for arguments, said in wrong.items():
        result = served("label-studio", *arguments)
        assert result.exit_code == 1
        error, remedy = result.stderr.splitlines()
        assert said in error
        assert remedy.startswith("remedy: ")
        assert "t0ken" not in result.output


def test_without_connections_status_says_how_to_make_one(served: Al) -> None:
    assert "al-server label-studio connect" in served("label-studio", "status").output
    assert served.json("label-studio", "status") == {"connections": []}
