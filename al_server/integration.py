"""What an integration is: an outside system that shows annotators what the server picks."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from flask import Blueprint, Flask

from al_server import plugins
from al_server.config import Settings

if TYPE_CHECKING:
    import click

    from al_server.campaigns import CampaignRegistry

_EXTENSION = "al_server.integrations"


class Integration(Protocol):
    """One outside system; found in the group `al_server.integrations` by its class.

    Making one must be cheap and start nothing: it happens in every process that makes an app.
    """

    def __init__(self, settings: Settings, registry: "CampaignRegistry") -> None:
        """Remember what the server works with."""
        ...

    def blueprints(self) -> Sequence[Blueprint]:
        """Return the addresses that the server answers for it."""
        ...

    def start(self) -> None:
        """Begin what runs in the background; the server is about to listen."""
        ...

    def close(self) -> None:
        """End it; the campaigns are still open."""
        ...

    @staticmethod
    def command() -> "click.Command":
        """Return its command, or group of commands, of `al-server`."""
        ...


def integration_folder(data: Path) -> Path:
    """Return where integrations keep what they remember and bring along, in the data folder."""
    return data / "integrations"


def init_app(app: Flask, settings: Settings, registry: "CampaignRegistry") -> None:
    """Attach every known integration to the app."""
    made: list[Integration] = [
        plugins.load(plugins.INTEGRATIONS, name)(settings, registry)
        for name in plugins.names(plugins.INTEGRATIONS)
    ]
    for one in made:
        for blueprint in one.blueprints():
            app.register_blueprint(blueprint)
    app.extensions[_EXTENSION] = made


@contextmanager
def running(app: Flask) -> Iterator[None]:
    """Let the integrations of an app do their background work for as long as this lasts."""
    with ExitStack() as stack:
        for one in cast("list[Integration]", app.extensions[_EXTENSION]):
            stack.callback(one.close)
            one.start()
        yield
