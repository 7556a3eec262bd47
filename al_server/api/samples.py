"""One sample: what is known of it, what it looks like, what is like it."""

from flask import Blueprint, Response
from pydantic import Field

from al_server.answers import SampleInfo, Similar
from al_server.api import media
from al_server.api.context import registry
from al_server.api.operation import operation
from al_server.models import Model

bp = Blueprint("samples", __name__)


class SimilarQuery(Model):
    """How many."""

    k: int = Field(20, ge=1, le=1000, description="samples wanted")


@bp.get("/campaigns/<name>/samples/<sample_id:sample_id>")
@operation()
def show(name: str, sample_id: str) -> SampleInfo:
    """Show a sample with its answers, its prediction and the nearest labeled ones.

    Write the id as one segment, its slashes as `%2F`.
    """
    return registry().campaign(name).sample(sample_id)


@bp.get("/campaigns/<name>/samples/<sample_id:sample_id>/media")
@operation(produces=("image/*", "text/plain"))
def picture(name: str, sample_id: str) -> Response:
    """Send the sample itself: an image that browsers can show, or its text."""
    return media.answer(registry().campaign(name).media(sample_id), sample_id)


@bp.get("/campaigns/<name>/samples/<sample_id:sample_id>/similar")
@operation()
def similar(name: str, sample_id: str, query: SimilarQuery) -> Similar:
    """List the samples nearest to this one."""
    return registry().campaign(name).similar(sample_id, k=query.k)
