"""Curation: which samples of a campaign are worth keeping, by any amounts, at once."""

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import quote

import numpy as np
from flask import Blueprint, Response

from al_server.api.context import registry
from al_server.api.media import inside
from al_server.api.operation import operation
from al_server.curation.answers import (
    Amounts,
    CuratedSample,
    CurationInfo,
    CurationQuery,
    CurationResult,
    CurationStep,
    RemovedSample,
)
from al_server.curation.curated import Curated
from al_server.curation.quick import Quick
from al_server.errors import ALError, Busy
from al_server.models import Model

if TYPE_CHECKING:
    from al_server.campaign.campaign import Campaign

bp = Blueprint("curations", __name__)
_writing = Lock()
# The page says itself which two scripts run, by their hashes; here it is kept from everything of
# ours: no cookies, no requests, no frames.
INSIGHTS_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'unsafe-inline' 'unsafe-eval'",
        "style-src 'unsafe-inline'",
        "img-src data: blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "sandbox allow-scripts",
    )
)


class CurationIn(Model):
    """Nothing to choose: all filters that the amounts may ask for are built."""


class InsightsQuery(Amounts):
    """Amounts, and how samples are brought onto the map."""

    projection: Literal["pca", "umap", "tsne"] = "pca"


@bp.post("/campaigns/<name>/curation")
@operation(status=202)
def build(name: str, body: CurationIn) -> CurationInfo:
    """Build what curation needs to know of all samples, in the background.

    One is built at a time on a server; another is refused as `busy`. Afterwards any amounts are
    answered at once. The last two campaigns' stay in memory, until the server stops.
    """
    return registry().curations.start(registry().campaign(name))


@bp.get("/campaigns/<name>/curation")
@operation()
def show(name: str, query: CurationQuery) -> CurationInfo:
    """Show how far the build is, or what stays and goes by these amounts, with receipts."""
    campaign = registry().campaign(name)
    info = registry().curations.info(campaign)
    if info.state != "ready":
        return info
    answer = registry().curations.quick(campaign, query)
    return info.model_copy(update={"result": _result(campaign, answer)})


@bp.delete("/campaigns/<name>/curation")
@operation()
def forget(name: str) -> CurationInfo:
    """Stop a build that is running, or free the memory that a finished one takes."""
    return registry().curations.forget(registry().campaign(name))


@bp.get("/campaigns/<name>/curation/kept.txt")
@operation(produces=("text/plain",))
def kept(name: str, query: Amounts) -> Response:
    """Download the ids of the samples that stay, one a line."""
    from al_server.curation.writing import check_names, kept_text

    curated, _ = registry().curations.curated(registry().campaign(name), query)
    check_names(curated.sample_ids)
    return _download(kept_text(curated), f"{name}-kept.txt", "text/plain; charset=utf-8")


@bp.get("/campaigns/<name>/curation/removed.csv")
@operation(produces=("text/csv",))
def removed(name: str, query: Amounts) -> Response:
    """Download the receipts: a row for each sample that goes, in the order in which they went."""
    from al_server.curation.writing import REMOVED_COLUMNS, csv_text, removed_rows

    curated, _ = registry().curations.curated(registry().campaign(name), query)
    text = csv_text(REMOVED_COLUMNS, removed_rows(curated))
    return _download(text, f"{name}-removed.csv", "text/csv; charset=utf-8")


@bp.get("/campaigns/<name>/curation/insights.html")
@operation(produces=("text/html",))
def insights(name: str, query: InsightsQuery) -> Response:
    """Write the page of insights, a document that needs nothing but itself; takes seconds."""
    from al_server.curation.insights import gather
    from al_server.curation.insights_page import render

    campaign = registry().campaign(name)
    curated, snapshot = registry().curations.curated(campaign, query.amounts())
    if not _writing.acquire(blocking=False):
        raise Busy("another page of insights is being written", "ask again in some seconds")
    try:
        is_text = campaign.prepared.kind == "text"
        page = gather(
            curated,
            snapshot.vectors,
            classes=snapshot.classes,
            class_names=snapshot.class_names,
            path_of=_path_of(campaign, curated.sample_ids),
            texts=_Texts(campaign, curated.sample_ids) if is_text else None,
            projection=query.projection,
            title=f"Curation of {name}",
        )
        sent = Response(render(page), mimetype="text/html")
    finally:
        _writing.release()
    sent.headers["Content-Security-Policy"] = INSIGHTS_POLICY
    sent.headers["Cache-Control"] = "no-store"
    return sent


def _result(campaign: "Campaign", answer: Quick) -> CurationResult:
    curated = answer.curated
    return CurationResult(
        n_kept=len(curated.kept),
        n_removed=len(curated.removed),
        steps=[
            CurationStep(
                name=step.name,
                reason=step.reason,
                n_removed=step.n_removed,
                removed=[_receipt(campaign, curated, at) for at in places.tolist()],
            )
            for step, places in zip(curated.steps, answer.shown, strict=True)
        ],
    )


def _receipt(campaign: "Campaign", curated: Curated, at: int) -> RemovedSample:
    other = int(curated.because_of[at])
    ids = curated.sample_ids
    return RemovedSample(
        **_shown(campaign, ids[curated.removed[at]]).model_dump(),
        because_of=None if other < 0 else _shown(campaign, ids[other]),
        distance=_number(curated.distances[at]),
        score=_number(curated.scores[at]),
    )


def _shown(campaign: "Campaign", sample_id: str) -> CuratedSample:
    kind = campaign.prepared.kind
    address = f"/api/v1/campaigns/{campaign.spec.name}/samples/{quote(sample_id, safe='')}/media"
    return CuratedSample(
        sample_id=sample_id,
        kind=kind,
        uri=None if kind == "vector" else address,
        text=_text(campaign, sample_id) if kind == "text" else None,
    )


def _number(value: np.float32) -> float | None:
    return None if np.isnan(value) else float(value)


def _text(campaign: "Campaign", sample_id: str) -> str | None:
    text = campaign.media(sample_id).text
    return None if text is None else text[:1000]


class _Texts:
    """The texts of a campaign's samples, read when they are shown."""

    def __init__(self, campaign: "Campaign", sample_ids: list[str]) -> None:
        self._campaign, self._sample_ids = campaign, sample_ids

    def __len__(self) -> int:
        return len(self._sample_ids)

    def __getitem__(self, row: int) -> str | None:
        return _text(self._campaign, self._sample_ids[row])


def _path_of(campaign: "Campaign", sample_ids: list[str]) -> Callable[[int], Path | None]:
    """Give the file of a sample, where it may be read."""

    def path_of(row: int) -> Path | None:
        if campaign.prepared.kind != "image":
            return None
        try:
            path = campaign.media(sample_ids[row]).path
            return None if path is None else inside(path)
        except (ALError, OSError, RuntimeError):  # gone, or a link that leads elsewhere
            return None

    return path_of


def _download(text: str, name: str, kind: str) -> Response:
    sent = Response(text, content_type=kind)
    # a campaign's name is letters, digits, `_`, `.` and `-`: nothing to quote
    sent.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return sent
