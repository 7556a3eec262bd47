"""What a view may reach: the app's campaigns and settings."""

from typing import TYPE_CHECKING, cast

from flask import Flask, current_app

from al_server.config import Settings

if TYPE_CHECKING:
    from al_server.campaigns import CampaignRegistry

_REGISTRY = "al_server"
_SETTINGS = "al_server.settings"


def put(app: Flask, settings: Settings, registry: "CampaignRegistry") -> None:
    """Attach both to the app, once, when it is made."""
    app.extensions[_REGISTRY] = registry
    app.extensions[_SETTINGS] = settings


def registry() -> "CampaignRegistry":
    """Return the campaigns of the app that answers this request."""
    return cast("CampaignRegistry", current_app.extensions[_REGISTRY])


def settings() -> Settings:
    """Return the settings of the app that answers this request."""
    return cast(Settings, current_app.extensions[_SETTINGS])
