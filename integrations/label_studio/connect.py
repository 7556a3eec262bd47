"""Connecting a project, step by step."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from al_server.answers import Failure
from al_server.config import Settings
from al_server.errors import NotReady, UnknownCampaign
from integrations.label_studio.admission import Checked, spec_of
from integrations.label_studio.client import Client
from integrations.label_studio.config_parser import Control
from integrations.label_studio.connection import Record, Records
from integrations.label_studio.link import Link
from integrations.label_studio.media import MediaFetcher
from integrations.label_studio.models import ConnectIn
from integrations.label_studio.project_setup import set_up
from integrations.label_studio.queue import HOLDER
from integrations.label_studio.samples import Written, write_samples

if TYPE_CHECKING:
    from al_server.campaigns import CampaignRegistry

POLL_S = 0.1
_TASKS, _MEDIA, _EMBEDDED, _ANSWERS = 0.05, 0.3, 0.85, 0.95
Report = Callable[[float, str], None]


@dataclass(frozen=True)
class Site:
    """Where connections are made: this server.

    Attributes
    ----------
    settings : how it runs
    registry : its campaigns
    records : its connections on disk
    """

    settings: Settings
    registry: "CampaignRegistry"
    records: Records

    def open_link(self, record: Record, control: Control, client: Client) -> Link:
        """Make the link of a connection whose campaign is ready."""
        return Link(
            record,
            control,
            self.registry.campaign(record.campaign),
            client,
            folder=self.records.folder(record.campaign),
            fetch_hosts=self.settings.fetch_hosts,
        )

    def release(self, name: str) -> None:
        """Give back what the queue of a connection that has ended holds in its campaign."""
        with suppress(UnknownCampaign, NotReady):
            campaign = self.registry.campaign(name)
            campaign.release(HOLDER, campaign.held(HOLDER))


def connect(
    wanted: ConnectIn,
    record: Record,
    checked: Checked,
    site: Site,
    *,
    announce: Callable[[Link], None],
    report: Report,
    should_stop: Callable[[], bool],
) -> Link:
    """Take the tasks in, set the project up, and fill the queue.

    Parameters
    ----------
    record : the connection as far as it is known
    announce : called with the link before Label Studio is told of us: it calls at once
    report : called with the share done and what is being done
    should_stop : asked now and then

    Raises
    ------
    ALError
        If it cannot be; what was set in Label Studio is remembered in the record.
    """
    record = _carried_over(record, site)
    failures = _campaign(wanted, record, checked, site, report, should_stop)
    record = record.model_copy(update={"failures": failures})
    link = site.open_link(record, checked.control, checked.client)
    announce(link)
    try:
        _begin(link, site, report)
    except BaseException:
        link.close()
        raise
    link.record = link.record.model_copy(update={"state": "connected"})
    site.records.save(link.record)
    return link


def _begin(link: Link, site: Site, report: Report) -> None:
    report(_EMBEDDED, "taking existing annotations over")
    since = link.sync.clock
    link.sync.listed(list(link.client.annotated(link.record.project)), since=since)
    report(_ANSWERS, "setting the project up")
    set_up(link, site.records)
    report(_ANSWERS, "filling the queue")
    link.reconcile(compare_tasks=False)
    if link.problems:
        raise NotReady(f"Label Studio did not take the settings: {link.problems[0]}")


def _carried_over(record: Record, site: Site) -> Record:
    """Let a connection know what an earlier one has found and could not put back."""
    before = site.records.find(record.campaign)
    if before is None or (before.url, before.project) != (record.url, record.project):
        return record
    kept = ("found", "webhook_id", "backend_id", "failures")
    return record.model_copy(update={one: getattr(before, one) for one in kept})


# -- the campaign ------------------------------------------------------------------------------


def _campaign(
    wanted: ConnectIn,
    record: Record,
    checked: Checked,
    site: Site,
    report: Report,
    should_stop: Callable[[], bool],
) -> list[Failure]:
    """Make the campaign and wait until it is ready; return the tasks left out."""
    try:
        site.registry.info(record.campaign)
    except UnknownCampaign:
        pass
    else:
        _wait(record.campaign, site, report, should_stop)
        site.registry.campaign(record.campaign)  # says why where it failed
        site.records.save(record)
        return record.failures
    report(0.0, "reading tasks")
    tasks = list(checked.client.tasks(record.project))
    if not tasks:
        raise NotReady(
            f"project {record.project} of {record.url} has no tasks", "import some, then connect"
        )
    written = _write(tasks, record, checked, site, report, should_stop)
    if written.source is None:
        first = "; ".join(f"{one.sample}: {one.reason}" for one in written.failures[:3])
        raise NotReady(f"none of {len(tasks)} tasks can be used: {first}", "mend the tasks")
    # from now on the name belongs to this project, also where connecting stops half-way
    site.records.save(record)
    site.registry.create(spec_of(wanted, checked, record.campaign, written.source))
    _wait(record.campaign, site, report, should_stop)
    campaign = site.registry.campaign(record.campaign)
    return [*written.failures, *campaign.failures]


def _write(
    tasks: list[dict[str, Any]],
    record: Record,
    checked: Checked,
    site: Site,
    report: Report,
    should_stop: Callable[[], bool],
) -> Written:
    folder = site.records.folder(record.campaign)
    media = MediaFetcher(
        folder / "media",
        checked.client,
        fetch_hosts=site.settings.fetch_hosts,
        should_stop=should_stop,
    )

    def progress(n_done: int, n: int) -> None:
        report(_TASKS + (_MEDIA - _TASKS) * n_done / n, f"fetched {n_done} of {n}")

    return write_samples(tasks, checked.control, folder, media, progress=progress)


def _wait(name: str, site: Site, report: Report, should_stop: Callable[[], bool]) -> None:
    while (info := site.registry.info(name)).state == "preparing":
        if should_stop():
            raise NotReady("the server is stopping", "connect again when it is back")
        report(_MEDIA + (_EMBEDDED - _MEDIA) * info.progress, info.message or "preparing")
        time.sleep(POLL_S)
