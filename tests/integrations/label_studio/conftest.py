"""Captured requests, and a Label Studio small enough to hold in the head."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from al_server.campaign.campaign import Campaign
from al_server.models import CampaignSpec, Source
from integrations.label_studio.config_parser import Control, parse_config
from integrations.label_studio.connection import QUEUE_VERSION, UNCERTAINTY, Record
from integrations.label_studio.link import Link
from integrations.label_studio.samples import task_of
from tests.api.conftest import make_app, make_campaign, prepare, registry
from tests.integrations.label_studio.small_label_studio import SmallLabelStudio

__all__ = ["make_app", "make_campaign", "prepare", "registry"]

CAPTURES = Path(__file__).parent / "captures"
CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="label" toName="text">'
    '<Choice value="cat"/><Choice value="dog"/><Choice value="bird"/></Choices></View>'
)
LABELS = ("cat", "dog", "bird")


def capture(name: str) -> dict[str, Any]:
    """Return the body of a captured request."""
    body: dict[str, Any] = json.loads((CAPTURES / f"{name}.json").read_text("utf-8"))["body"]
    return body


@pytest.fixture
def control() -> Control:
    return parse_config(CONFIG)


@pytest.fixture
def theirs() -> SmallLabelStudio:
    """A project of 30 tasks, numbered from 101."""
    return SmallLabelStudio(CONFIG, [f"task number {number}" for number in range(30)])


@pytest.fixture
def campaign(registry: Any, tmp_path_factory: pytest.TempPathFactory, theirs: Any) -> Campaign:
    """The campaign of `theirs`, as connecting makes it."""
    return make_label_studio_campaign(registry, theirs)


_numbers = iter(range(10_000))


def make_label_studio_campaign(registry: Any, theirs: SmallLabelStudio, **changes: Any) -> Campaign:
    name = f"ls-{next(_numbers)}"
    folder = registry._folder.path / "integrations" / "label_studio" / name
    folder.mkdir(parents=True)
    lines = [json.dumps({"id": str(t["id"]), "sample": t["data"]["text"]}) for t in theirs.tasks()]
    (folder / "tasks-1.jsonl").write_text("\n".join(lines), "utf-8")
    source = Source(
        kind="table",
        path=str(folder / "tasks-1.jsonl"),
        column="sample",
        id_column="id",
        content="text",
    )
    control = parse_config(theirs.config)
    spec = {
        "name": name,
        "classes": list(control.classes),
        "source": source,
        "task": "multi" if control.multi else "single",
        **changes,
    }
    prepare(registry, CampaignSpec(**spec))
    campaign: Campaign = registry.campaign(name)
    return campaign


def make_link(campaign: Campaign, theirs: SmallLabelStudio, folder: Path) -> Link:
    """Connect a campaign; its background work runs when the test says so."""
    record = Record(
        campaign=campaign.spec.name,
        url="http://ls",
        token="t",
        project=7,
        control="label",
        backend_url="http://al/label-studio",
        secret="s",
        state="connected",
    )
    theirs.settings |= {"sampling": UNCERTAINTY, "model_version": QUEUE_VERSION}
    control = parse_config(theirs.config)
    link = Link(record, control, campaign, theirs.client(), folder=folder)
    link.reconcile()
    return link


@pytest.fixture
def link(campaign: Campaign, theirs: SmallLabelStudio, tmp_path: Path) -> Iterator[Link]:
    link = make_link(campaign, theirs, tmp_path)
    yield link
    link.close()


def deliver(theirs: SmallLabelStudio, link: Link) -> None:
    news, theirs.news = theirs.news, []
    for one in news:
        link.event(one)


def ours(campaign: Campaign) -> dict[tuple[str, str], Any]:
    return {
        (str(task_of(row.sample_id)), row.annotator): row.label for row in campaign.answer_rows()
    }


def wanted(theirs: SmallLabelStudio) -> dict[tuple[str, str], Any]:
    return {
        pair: None if one["was_cancelled"] else one["result"][0]["value"]["choices"][0]
        for pair, one in theirs.annotations().items()
    }


def queue_of(link: Link) -> list[int]:
    return [task_of(sample_id) for sample_id, _ in link.queue.listed()]
