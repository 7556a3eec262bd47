"""The command line, `al-server`: puts the commands together and says what went wrong."""

from typing import Any

import click

from al_server import __version__, plugins
from al_server.commands.campaign import campaign
from al_server.commands.compare import compare
from al_server.commands.doctor import doctor
from al_server.commands.embed import embed
from al_server.commands.filter import filter_
from al_server.commands.gate import gate
from al_server.commands.output import examples
from al_server.commands.predict import predict
from al_server.commands.preflight import preflight
from al_server.commands.reembed import reembed
from al_server.commands.serve import serve
from al_server.commands.ssl import ssl
from al_server.commands.strategies import strategies
from al_server.errors import ALError


class _Failure(click.ClickException):
    """An error as the command line shows it; exit code 1."""

    def __init__(self, error: ALError) -> None:
        super().__init__(error.message)
        self.remedy = error.remedy

    def show(self, file: Any = None) -> None:
        """Print what is wrong and what to do, on stderr."""
        click.echo(f"error: {self.message}", err=True)
        if self.remedy:
            click.echo(f"remedy: {self.remedy}", err=True)


class _Commands(click.Group):
    """Turns the errors that are meant for people into an answer instead of a traceback.

    The commands of integrations are found by their names, and imported when one is asked for.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List our own commands and those of the integrations."""
        return [*super().list_commands(ctx), *(_dashed(name) for name in _integrations())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find a command."""
        for name in _integrations():
            if cmd_name == _dashed(name):
                command: click.Command = plugins.load(plugins.INTEGRATIONS, name).command()
                return command
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except ALError as error:
            raise _Failure(error) from error


def _integrations() -> list[str]:
    return plugins.names(plugins.INTEGRATIONS)


def _dashed(name: str) -> str:
    return name.replace("_", "-")


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=examples(
        "al-server serve --demo",
    ),
)
@click.version_option(__version__, prog_name="al-server")
def main() -> None:
    """Label the samples that are worth most, one after another."""


for command in (
    serve,
    campaign,
    predict,
    embed,
    filter_,
    gate,
    reembed,
    ssl,
    strategies,
    compare,
    preflight,
    doctor,
):
    main.add_command(command)
