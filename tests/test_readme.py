"""What the README must name is taken from the code; there is no list here to be kept."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from flask import Flask

from al_server import api
from al_server.api import sample_paths
from al_server.api.openapi import description
from al_server.cli import main
from al_server.config import Settings
from al_server.plugins import BUILTIN, EMBEDDERS, STRATEGIES

README = Path(__file__).resolve().parents[1] / "README.md"


@pytest.fixture(scope="module")
def readme() -> str:
    return README.read_text("utf-8")


def commands(group: click.Group, path: str) -> Iterator[str]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}"


def endpoints() -> list[tuple[str, str]]:
    app = Flask("endpoints")
    sample_paths.init_app(app)
    api.init_app(app)
    return [
        (method.upper(), path)
        for path, methods in description(app)["paths"].items()
        for method in methods
    ]


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_in_the_readme(readme: str, name: str):
    assert f"`{name}`" in readme


@pytest.mark.parametrize("command", list(commands(main, "al-server")))
def test_every_command_is_in_the_readme(readme: str, command: str):
    assert re.search(rf"{command}\b", readme)


@pytest.mark.parametrize(("method", "path"), endpoints())
def test_every_endpoint_is_in_the_readme_with_its_method(readme: str, method: str, path: str):
    # in one line, the method somewhere before the path; no longer path may stand for a shorter one
    assert re.search(rf"\b{method}\b.*{re.escape(path)}(?![\w/{{])", readme)


@pytest.mark.parametrize("name", [*BUILTIN[STRATEGIES], *BUILTIN[EMBEDDERS]])
def test_every_strategy_and_embedder_is_in_the_readme(readme: str, name: str):
    assert f"`{name}`" in readme or f"`{name}:" in readme
