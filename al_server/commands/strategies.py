"""`al-server strategies`: what a campaign may choose its samples by."""

import inspect
from functools import partial
from typing import Any

import click

from al_server import plugins
from al_server.commands.output import as_json_option, examples, print_json, print_table


@click.command(
    epilog=examples(
        "al-server strategies --json",
    )
)
@as_json_option
def strategies(as_json: bool) -> None:
    """List the strategies, those of installed packages too."""
    found = {name: _line(name) for name in plugins.names(plugins.STRATEGIES)}
    if as_json:
        print_json([{"name": name, "description": text} for name, text in found.items()])
    else:
        print_table(["name", "what it takes"], [[name, text] for name, text in found.items()])


def _line(name: str) -> str:
    """Take the first line of a strategy's documentation, and what is set in it."""
    if name == "default":
        return f"the same as {plugins.DEFAULT_STRATEGY}"
    strategy: Any = plugins.load(plugins.STRATEGIES, name)
    settings = ""
    if isinstance(strategy, partial):
        settings = "".join(f" ({value})" for value in strategy.args)
        strategy = strategy.func
    return (inspect.getdoc(strategy) or "").partition("\n")[0] + settings
