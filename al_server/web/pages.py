"""The pages that people see.

A page is rendered here from the same models that the API answers with; what happens on it
afterwards goes through the API, from the modules in ``static``. The views ask and render, nothing
more: whatever a page shows, a program can have too.
"""

from flask import Blueprint, redirect, render_template, url_for
from werkzeug import Response

from al_server import plugins
from al_server.answers import CampaignInfo, Progress
from al_server.api.comparisons import report_file
from al_server.api.context import registry, settings
from al_server.comparisons.limits import lacking
from al_server.curation.answers import KEEP_BY
from al_server.web.kept_campaign import kept_command
from strategies.shelf import SHELF

bp = Blueprint(
    "pages",
    __name__,
    template_folder="templates",
    static_folder="static",
    static_url_path="/static",
)


@bp.get("/")
def campaigns() -> str:
    """Show all campaigns, the newest first."""
    infos = sorted(registry().infos(), key=lambda info: info.created_at, reverse=True)
    return render_template("campaigns.html", campaigns=[(info, _progress(info)) for info in infos])


@bp.get("/new")
def new() -> str:
    """Show the form that makes a campaign."""
    return render_template(
        "new.html",
        strategies=plugins.names(plugins.STRATEGIES),
        embedders=plugins.names(plugins.EMBEDDERS),
        roots=settings().roots,
    )


@bp.get("/campaigns/<name>/annotate")
def annotate(name: str) -> str | Response:
    """Show where labels are given; a campaign that is not ready is shown getting ready."""
    info = registry().info(name)
    if info.state != "ready":
        return redirect(url_for("pages.progress", name=name))
    return render_template("annotate.html", info=info)


@bp.get("/campaigns/<name>/progress")
def progress(name: str) -> str:
    """Show how far a campaign has come, and what can be changed while it runs."""
    info = registry().info(name)
    return render_template(
        "progress.html", info=info, progress=_progress(info), roots=settings().roots
    )


@bp.get("/campaigns/<name>/compare")
def compare(name: str) -> str | Response:
    """Show what strategies would have done with the labels so far, and let them be compared."""
    info = registry().info(name)
    if info.state != "ready":
        return redirect(url_for("pages.progress", name=name))
    campaign = registry().campaign(name)
    return render_template(
        "compare.html",
        info=info,
        lacking=lacking(campaign),
        strategies={name: _looks_at(name) for name in plugins.names(plugins.STRATEGIES)},
        comparisons=registry().comparisons.all(campaign),
    )


@bp.get("/campaigns/<name>/curation")
def curation(name: str) -> str | Response:
    """Show which samples are worth keeping, by amounts that can be slid."""
    info = registry().info(name)
    if info.state != "ready":
        return redirect(url_for("pages.progress", name=name))
    command = kept_command(registry().campaign(name).spec, info.classes, settings().roots)
    return render_template("curation.html", info=info, keep_by=KEEP_BY, command=command)


@bp.get("/campaigns/<name>/compare/<int:number>")
def report(name: str, number: int) -> Response:
    """Show the report of a comparison, a document that needs nothing but itself."""
    return report_file(name, number, "html")


def _looks_at(strategy: str) -> str:
    """Say what decides; of other packages' strategies nothing is known."""
    return SHELF[strategy].looks_at if strategy in SHELF else ""


def _progress(info: CampaignInfo) -> Progress | None:
    """Return counts and curve, which only a campaign that is ready has."""
    return registry().campaign(info.name).progress() if info.state == "ready" else None
