"""The loop itself: ask for the next sample, answer, take an answer back."""

from flask import Blueprint
from pydantic import Field

from al_server.answers import NextBatch, Recorded, Undone
from al_server.api.context import registry
from al_server.api.operation import operation
from al_server.models import Annotator, LabelsIn, Model

bp = Blueprint("labels", __name__)


class NextQuery(Model):
    """Who asks, and for how many."""

    n: int = Field(1, ge=1, le=1000, description="samples wanted")
    annotator: Annotator = "anonymous"


class UndoQuery(Model):
    """Whose answer, and what becomes of the sample."""

    annotator: Annotator = "anonymous"
    lease: bool = Field(False, description="hand the sample back to the annotator at once")


@bp.get("/campaigns/<name>/next")
@operation()
def next_batch(name: str, query: NextQuery) -> NextBatch:
    """Lease the samples worth most next.

    Samples that this annotator holds already come first. Nothing left is an ordinary answer: no
    samples, and the reason.
    """
    return registry().campaign(name).next_batch(annotator=query.annotator, n=query.n)


@bp.post("/campaigns/<name>/labels")
@operation()
def record(name: str, body: LabelsIn) -> Recorded:
    """Record answers, all of them or none; on disk when this returns.

    A label of null is a skip. A new answer by the same annotator replaces the old one.
    """
    return registry().campaign(name).record_labels(body.labels)


@bp.delete("/campaigns/<name>/labels/<sample_id:sample_id>")
@operation()
def undo(name: str, sample_id: str, query: UndoQuery) -> Undone:
    """Take an annotator's answer about a sample back."""
    campaign = registry().campaign(name)
    return campaign.undo(sample_id, annotator=query.annotator, lease=query.lease)
