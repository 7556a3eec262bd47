"""The server about itself."""

from typing import ClassVar, Literal

from flask import Blueprint, Response, current_app

from al_server.api.context import registry
from al_server.api.json_bodies import answer_json
from al_server.api.metrics import metrics_answer
from al_server.api.openapi import description
from al_server.api.operation import operation
from al_server.errors import ALError
from al_server.models import Model

bp = Blueprint("meta", __name__)


class Health(Model):
    """The process answers."""

    status: Literal["ok"]


class Readiness(Model):
    """All campaigns are open."""

    ready: Literal[True]


class StillOpening(ALError):
    """The server has just started."""

    status, code = 503, "still_opening"
    headers: ClassVar = {"Retry-After": "1"}


@bp.get("/healthz")
@operation()
def healthz() -> Health:
    """Tell that the server is alive."""
    return Health(status="ok")


@bp.get("/readyz")
@operation()
def readyz() -> Readiness:
    """Tell whether the server has opened all its campaigns."""
    if not registry().is_ready():
        raise StillOpening("campaigns are still being opened", "ask again in a second")
    return Readiness(ready=True)


@bp.get("/metrics")
@operation(produces=("text/plain",))
def metrics() -> Response:
    """Give requests, their times and the state of campaigns to Prometheus."""
    return metrics_answer()


@bp.get("/openapi.json")
@operation(produces=("application/json",))
def openapi() -> Response:
    """Describe this API."""
    return answer_json(description(current_app))
