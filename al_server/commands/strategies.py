"""`al-server strategies`: what a campaign may choose its samples by."""

import inspect
from functools import partial
from typing import Any

import click

from al_server import plugins
from al_server.commands.output import as_json_option, examples, print_json, print_table
from strategies.shelf import SHELF


@click.command(
    epilog=examples(
        "al-server strategies",
        "al-server strategies --json",
    )
)
@as_json_option
def strategies(as_json: bool) -> None:
    """List the strategies, those of installed packages too.

    A campaign takes one by its name, with settings after a question mark:
    in_class?uncertainty=entropy, product?margin=2&density=1, then?first=typiclust&until=30.
    """
    names = plugins.names(plugins.STRATEGIES)
    if as_json:
        print_json([{"name": name, "description": _line(name)} | _facts(name) for name in names])
    else:
        header = ["name", "what it takes", "before the first label"]
        print_table(header, [[name, _line(name), _cold(name)] for name in names])


def _line(name: str) -> str:
    """Say what a strategy does, in one line."""
    if name == "default":
        return f"the same as {plugins.DEFAULT_STRATEGY}"
    strategy: Any = plugins.load(plugins.STRATEGIES, name)
    settings = ""
    if isinstance(strategy, partial):
        settings = "".join(f" ({value})" for value in strategy.args)
        strategy = strategy.func
    return (inspect.getdoc(strategy) or "").partition("\n")[0] + settings


def _facts(name: str) -> dict[str, str]:
    """Return what the shelf knows of a strategy; of other packages' it knows nothing."""
    entry = SHELF.get(name)
    return {} if entry is None else {key: entry._asdict()[key] for key in entry._fields[1:]}


def _cold(name: str) -> str:
    return SHELF[name].cold_start if name in SHELF else ""
