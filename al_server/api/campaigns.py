"""Campaigns: make, list, show, let grow."""

from flask import Blueprint

from al_server.answers import CampaignInfo, Campaigns, ClassesOut, Progress
from al_server.api.context import registry
from al_server.api.operation import operation
from al_server.models import CampaignSpec, ClassesIn, SamplesIn

bp = Blueprint("campaigns", __name__)


@bp.post("/campaigns")
@operation(status=201)
def create(body: CampaignSpec) -> CampaignInfo:
    """Make a campaign.

    Samples are read and embedded in the background; ask for the campaign until its state is
    `ready` or `failed`.
    """
    return registry().create(body)


@bp.get("/campaigns")
@operation()
def index() -> Campaigns:
    """List the campaigns."""
    return Campaigns(campaigns=registry().infos())


@bp.get("/campaigns/<name>")
@operation()
def show(name: str) -> CampaignInfo:
    """Show one campaign, in whatever state it is."""
    return registry().info(name)


@bp.get("/campaigns/<name>/progress")
@operation()
def progress(name: str) -> Progress:
    """Show how far a campaign has come: answers by class and annotator, accuracy as a curve."""
    return registry().campaign(name).progress()


@bp.post("/campaigns/<name>/classes")
@operation(status=201)
def add_classes(name: str, body: ClassesIn) -> ClassesOut:
    """Append classes; those that exist keep their places."""
    return registry().campaign(name).add_classes(body.classes)


@bp.post("/campaigns/<name>/samples")
@operation(status=202)
def add_samples(name: str, body: SamplesIn) -> CampaignInfo:
    """Add samples to a running campaign, in the background."""
    return registry().campaign(name).add_samples(body.source)
