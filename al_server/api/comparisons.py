"""Comparisons: what strategies would have done with the labels so far."""

from typing import Final, Literal

from flask import Blueprint, Response, send_file

from al_server.answers import ComparisonInfo, Comparisons
from al_server.api.context import registry
from al_server.api.operation import operation
from al_server.models import ComparisonIn, Model

bp = Blueprint("comparisons", __name__)
Format = Literal["json", "html", "csv", "png", "svg"]
_FILES: Final[dict[Format, tuple[str, str]]] = {
    "json": ("report.json", "application/json"),
    "html": ("report.html", "text/html"),
    "csv": ("curves.csv", "text/csv"),
    "png": ("curves.png", "image/png"),
    "svg": ("curves.svg", "image/svg+xml"),
}
# its style is inside of it, and nothing else may be: no scripts, no requests, none of our cookies
REPORT_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "sandbox",
    )
)


class ReportQuery(Model):
    """Which of the files."""

    format: Format = "json"


@bp.post("/campaigns/<name>/comparisons")
@operation(status=202)
def start(name: str, body: ComparisonIn) -> ComparisonInfo:
    """Replay strategies on what has been labeled so far, in the background.

    One comparison runs at a time on a server; one that is asked for meanwhile is refused as `busy`.
    """
    return registry().comparisons.start(registry().campaign(name), body)


@bp.get("/campaigns/<name>/comparisons")
@operation()
def index(name: str) -> Comparisons:
    """List the comparisons of a campaign, newest first."""
    return Comparisons(comparisons=registry().comparisons.all(registry().campaign(name)))


@bp.get("/campaigns/<name>/comparisons/<int:number>")
@operation()
def show(name: str, number: int) -> ComparisonInfo:
    """Show a comparison: how far it is, or its verdict."""
    return registry().comparisons.info(registry().campaign(name), number)


@bp.delete("/campaigns/<name>/comparisons/<int:number>")
@operation()
def remove(name: str, number: int) -> Comparisons:
    """Stop a comparison that is running, or forget a finished one; the others are listed."""
    campaign = registry().campaign(name)
    registry().comparisons.remove(campaign, number)
    return Comparisons(comparisons=registry().comparisons.all(campaign))


@bp.get("/campaigns/<name>/comparisons/<int:number>/report")
@operation(produces=tuple(kind for _, kind in _FILES.values()))
def report(name: str, number: int, query: ReportQuery) -> Response:
    """Send the report: all numbers as JSON, the page, the raw curves, or their drawing."""
    return report_file(name, number, query.format)


def report_file(name: str, number: int, wanted: Format) -> Response:
    """Send a file of a report, as a document that can do nothing."""
    file, kind = _FILES[wanted]
    path = registry().comparisons.file(registry().campaign(name), number, file)
    sent = send_file(path, mimetype=kind)
    sent.headers["Content-Security-Policy"] = REPORT_POLICY
    sent.headers["Cache-Control"] = "no-store"
    return sent
