"""Connecting a project, step by step."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from al_server.config import Settings
from al_server.errors import AlreadyExists, BadInput, NotReady, UnknownCampaign
from al_server.models import CampaignSpec
from integrations.label_studio.client import Client
from integrations.label_studio.config_parser import Control, parse_config
from integrations.label_studio.connection import Record, Records
from integrations.label_studio.link import Link
from integrations.label_studio.media import MediaFetcher
from integrations.label_studio.models import ConnectIn
from integrations.label_studio.project_setup import set_up, take_back
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


@dataclass(frozen=True)
class Checked:
    """A project that can be connected."""

    client: Client
    project: dict[str, Any]
    control: Control


def check(wanted: ConnectIn) -> Checked:
    """Ask Label Studio whether the token is right, the project there, and its config supported.

    Raises
    ------
    LabelStudioError, UnsupportedConfig, BadInput
    """
    client = Client(wanted.url, wanted.token)
    try:
        client.whoami()
        project = client.project(wanted.project)
        control = parse_config(str(project["label_config"]), control=wanted.control)
    except BaseException:
        client.close()
        raise
    return Checked(client, project, control)


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
        If it cannot be; what was set in Label Studio is taken back, the campaign stays.
    """
    failures = _campaign(wanted, record, checked, site, report, should_stop)
    record = record.model_copy(update={"failures": failures})
    link = site.open_link(record, checked.control, checked.client)
    announce(link)
    try:
        report(_EMBEDDED, "taking existing annotations over")
        since = link.sync.clock
        link.sync.listed(list(checked.client.annotated(record.project)), since=since)
        report(_ANSWERS, "setting the project up")
        set_up(link, site.records)
        report(_ANSWERS, "filling the queue")
        link.reconcile()
        if link.problems:
            raise NotReady(f"Label Studio did not take the settings: {link.problems[0]}")
    except BaseException:
        link.worker.stop()
        take_back(link)
        raise
    link.record = link.record.model_copy(update={"state": "connected"})
    site.records.save(link.record)
    return link


def free_name(wanted: ConnectIn, site: Site) -> str:
    """Return the campaign's name: the one asked for, or one that can still be had.

    Raises
    ------
    AlreadyExists
        If the name belongs to something else.
    """
    base = wanted.name or f"label-studio-{wanted.project}"
    number = 1
    while True:
        name = base if number == 1 else f"{base}-{number}"
        if _may_have(name, wanted, site):
            return name
        if wanted.name is not None:
            raise AlreadyExists(
                f"there is a campaign named {name!r} already, of other samples or failed",
                "choose another --name",
            )
        number += 1


def _may_have(name: str, wanted: ConnectIn, site: Site) -> bool:
    try:
        info = site.registry.info(name)
    except UnknownCampaign:
        return True
    before = site.records.find(name)
    was_this = before is not None and (before.url, before.project) == (
        wanted.url.rstrip("/"),
        wanted.project,
    )
    return was_this and info.state != "failed"


def new_record(wanted: ConnectIn, name: str, control: Control, settings: Settings) -> Record:
    """Return a connection that is about to be made."""
    url = (wanted.backend_url or _own_url(settings)).rstrip("/")
    return Record(
        campaign=name,
        url=wanted.url.rstrip("/"),
        token=wanted.token,
        project=wanted.project,
        control=control.name,
        backend_url=f"{url}/label-studio",
        secret=secrets.token_urlsafe(32),
    )


def _own_url(settings: Settings) -> str:
    if settings.host in ("0.0.0.0", "::"):
        raise BadInput(
            f"the server listens on {settings.host}, which is no address to call it by",
            "say how Label Studio reaches it: --backend-url http://HOST:PORT",
        )
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


# -- the campaign ------------------------------------------------------------------------------


def _campaign(
    wanted: ConnectIn,
    record: Record,
    checked: Checked,
    site: Site,
    report: Report,
    should_stop: Callable[[], bool],
) -> list[Any]:
    """Make the campaign and wait until it is ready; return the tasks left out."""
    try:
        site.registry.info(record.campaign)
    except UnknownCampaign:
        pass
    else:
        _wait(record.campaign, site, report, should_stop)
        site.registry.campaign(record.campaign)  # says why where it failed
        before = site.records.find(record.campaign)
        site.records.save(record)
        return list(before.failures) if before is not None else []
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
    spec = CampaignSpec(
        name=record.campaign,
        classes=list(checked.control.classes),
        source=written.source,
        task="multi" if checked.control.multi else "single",
        overlap=int(checked.project["maximum_annotations"]),
        **wanted.model_dump(
            include={"embedder", "checkpoint", "k", "strategy", "budget", "holdout", "seed"}
        ),
    )
    site.registry.create(spec)
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
