"""The HTTP API: one blueprint a noun."""

from flask import Flask

PREFIX = "/api/v1"


def init_app(app: Flask) -> None:
    """Attach all of it."""
    from al_server.api import (
        campaigns,
        comparisons,
        curations,
        export,
        labels,
        meta,
        predictions,
        reembeddings,
        samples,
    )

    nouns = (campaigns, labels, samples, predictions, comparisons, reembeddings, curations, export)
    for noun in nouns:
        app.register_blueprint(noun.bp, url_prefix=PREFIX)
    app.register_blueprint(meta.bp)
