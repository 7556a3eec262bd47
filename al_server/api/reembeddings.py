"""Re-embedding: other vectors for the samples of a running campaign."""

from flask import Blueprint

from al_server.answers import ReembedInfo
from al_server.api.context import registry
from al_server.api.operation import operation
from al_server.models import ReembedIn

bp = Blueprint("reembeddings", __name__)


@bp.post("/campaigns/<name>/reembed")
@operation(status=202)
def start(name: str, body: ReembedIn) -> ReembedInfo:
    """Make other vectors for all samples, in the background, and compare them with the old ones.

    Labels, leases and skips stay. Without `switch` the campaign keeps the vectors it has, and the
    answer is the comparison alone.
    """
    return registry().reembeddings.start(registry().campaign(name), body)


@bp.get("/campaigns/<name>/reembed")
@operation()
def show(name: str) -> ReembedInfo:
    """Show the last re-embedding of a campaign: how far it is, or what came out."""
    return registry().reembeddings.info(registry().campaign(name).spec.name)


@bp.delete("/campaigns/<name>/reembed")
@operation()
def stop(name: str) -> ReembedInfo:
    """Stop a re-embedding that is running; the campaign stays as it was."""
    return registry().reembeddings.stop(registry().campaign(name).spec.name)
