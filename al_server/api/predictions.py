"""Predictions: the server's own, and those of a model that the user brings."""

from flask import Blueprint

from al_server.answers import CampaignInfo, PredictOut
from al_server.api.context import registry
from al_server.api.operation import operation
from al_server.models import PredictIn, PredictionsIn

bp = Blueprint("predictions", __name__)


@bp.post("/campaigns/<name>/predict")
@operation()
def predict(name: str, body: PredictIn) -> PredictOut:
    """Predict samples of the pool, or embeddings from outside it."""
    return registry().campaign(name).predict(body)


@bp.put("/campaigns/<name>/predictions")
@operation()
def put(name: str, body: PredictionsIn) -> CampaignInfo:
    """Let a model of the user's own say how uncertain samples are.

    What was sent earlier for other samples stands, so that a large pool may come in several
    requests; a sample that is sent again is replaced.
    """
    return registry().campaign(name).set_predictions(body)


@bp.delete("/campaigns/<name>/predictions")
@operation()
def clear(name: str) -> CampaignInfo:
    """Forget all predictions that were sent, and return to the server's own classifier."""
    return registry().campaign(name).clear_predictions()
