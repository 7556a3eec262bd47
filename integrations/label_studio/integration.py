"""The door: what the server loads by the name `label_studio`."""

from typing import TYPE_CHECKING

from flask import Blueprint

from al_server.config import Settings

if TYPE_CHECKING:
    import click

    from al_server.campaigns import CampaignRegistry


class LabelStudioIntegration:
    """Label Studio, as `al_server.integration.Integration` wants it."""

    def __init__(self, settings: Settings, registry: "CampaignRegistry") -> None:
        from integrations.label_studio.hub import Hub

        self._hub = Hub(settings, registry)

    def blueprints(self) -> list[Blueprint]:
        """Return what Label Studio calls, and what people call."""
        from integrations.label_studio import api, backend

        return [api.make_blueprint(self._hub), backend.make_blueprint(self._hub)]

    def start(self) -> None:
        """Take the connections up that there are."""
        self._hub.start()

    def close(self) -> None:
        """Stop all that runs in the background."""
        self._hub.close()

    @staticmethod
    def command() -> "click.Command":
        """Return `al-server label-studio`."""
        from integrations.label_studio.commands import label_studio

        return label_studio
