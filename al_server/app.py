"""Puts the web application together; the only place that knows all its parts."""

from typing import TYPE_CHECKING

from flask import Flask

from al_server import api, integration, security
from al_server.api import context, error_answers, json_bodies, metrics, sample_paths
from al_server.config import Settings
from al_server.web import pages

if TYPE_CHECKING:
    from al_server.campaigns import CampaignRegistry


def create_app(settings: Settings, registry: "CampaignRegistry") -> Flask:
    """Make the application that serves a registry of campaigns.

    Parameters
    ----------
    settings : how the server runs
    registry : open campaigns; the caller closes it after the app has served its last request

    Raises
    ------
    BadInput
        If the server would listen beyond loopback without a token.
    """
    app = Flask("al_server", static_folder=None, template_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    context.put(app, settings, registry)
    json_bodies.init_app(app)
    sample_paths.init_app(app)
    error_answers.init_app(app)
    # first to see a request, so that refused ones are counted too
    metrics.init_app(app, registry)
    security.init_app(app, settings)
    api.init_app(app)
    app.register_blueprint(pages.bp)
    integration.init_app(app, settings, registry)
    return app
