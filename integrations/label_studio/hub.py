"""All connections of a server: being made, running, waiting for their campaign, ended."""

import hmac
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from al_server.config import Settings
from al_server.errors import ALError, AlreadyExists, BadInput, NotFound, NotReady
from al_server.security.hosts import is_allowed_host
from integrations.label_studio.client import Client
from integrations.label_studio.config_parser import parse_config
from integrations.label_studio.connect import (
    Site,
    check,
    connect,
    free_name,
    new_record,
)
from integrations.label_studio.connection import Record, Records
from integrations.label_studio.link import Link
from integrations.label_studio.models import FAILING, ConnectIn, ConnectionInfo, QueueInfo
from integrations.label_studio.project_setup import disconnect

if TYPE_CHECKING:
    from al_server.campaigns import CampaignRegistry

RETRY_S = 5.0
_N_SHOWN = 100
_log = logging.getLogger(__name__)


@dataclass
class _Place:
    """One connection in memory."""

    record: Record
    state: str
    link: Link | None = None
    share: float = 0.0
    message: str | None = None
    error: ALError | None = None
    changing: threading.Lock = field(default_factory=threading.Lock)


class Hub:
    """All connections of a server. Every method may be called from any thread."""

    def __init__(self, settings: Settings, registry: "CampaignRegistry") -> None:
        self._site = Site(settings, registry, Records(settings.data))
        self._places: dict[str, _Place] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    # -- the server starts and stops -----------------------------------------------------------

    def start(self) -> None:
        """Take the connections up that there are."""
        for record in self._site.records.all():
            if record.state == "connected":
                place = _Place(record, "waiting", message="waiting for the campaign")
                self._places[record.campaign] = place
                self._in_background(self._resume, place)

    def close(self) -> None:
        """Stop all that runs; the connections stay as they are."""
        self._stopping.set()
        links = [place.link for place in self._places.values() if place.link is not None]
        for link in links:
            link.worker.stop()
        for thread in self._threads:
            thread.join(10.0)
        for link in links:
            link.close()

    def _in_background(self, run: Callable[[_Place], None], place: _Place) -> None:
        name = f"label-studio-{place.record.campaign}-begin"
        thread = threading.Thread(target=run, args=(place,), name=name, daemon=True)
        self._threads = [one for one in self._threads if one.is_alive()] + [thread]
        thread.start()

    def _resume(self, place: _Place) -> None:
        """Go on with a connection as soon as its campaign is open and Label Studio answers."""
        record = place.record
        client = Client(record.url, record.token)
        while not self._stopping.is_set():
            try:
                project = client.project(record.project)
                control = parse_config(str(project["label_config"]), control=record.control)
                link = self._site.open_link(record, control, client)
            except ALError as error:
                place.error = error
                self._stopping.wait(RETRY_S)
                continue
            link.start()
            link.worker.want("reconcile")
            place.link, place.state, place.error, place.message = link, "connected", None, None
            return
        client.close()

    # -- what people ask for -------------------------------------------------------------------

    def connect(self, wanted: ConnectIn) -> ConnectionInfo:
        """Check what can be checked at once, then connect in the background.

        Raises
        ------
        LabelStudioError, UnsupportedConfig, AlreadyExists, BadInput
        """
        checked = check(wanted)
        try:
            with self._lock:
                self._refuse_twice(wanted)
                name = free_name(wanted, self._site)
                record = new_record(wanted, name, checked.control, self._site.settings)
                self._check_address(record)
                place = self._places[name] = _Place(record, "connecting", message="reading tasks")
        except BaseException:
            checked.client.close()
            raise

        def work(place: _Place) -> None:
            def report(share: float, what: str) -> None:
                place.share, place.message = share, what

            def announce(link: Link) -> None:
                place.link = link

            try:
                link = connect(
                    wanted,
                    record,
                    checked,
                    self._site,
                    announce=announce,
                    report=report,
                    should_stop=self._stopping.is_set,
                )
            except Exception as error:
                self._failed(place, error)
                checked.client.close()
            else:
                link.start()
                place.record, place.state, place.share = link.record, "connected", 1.0
                place.message = None

        self._in_background(work, place)
        return self.info(name)

    def _failed(self, place: _Place, error: Exception) -> None:
        place.link, place.state, place.message = None, "failed", None
        if isinstance(error, ALError):
            place.error = error
        else:
            _log.exception("%s could not be connected", place.record.campaign, exc_info=error)
            place.error = ALError(f"{type(error).__name__}: {error}", "the log has the details")

    def _refuse_twice(self, wanted: ConnectIn) -> None:
        for name, place in self._places.items():
            same = (place.record.url, place.record.project) == (
                wanted.url.rstrip("/"),
                wanted.project,
            )
            if same and place.state in ("connecting", "connected", "waiting"):
                raise AlreadyExists(
                    f"project {wanted.project} of {wanted.url} is connected as {name!r}",
                    f"use it, or end it: al-server label-studio disconnect {name}",
                )

    def _check_address(self, record: Record) -> None:
        from urllib.parse import urlsplit

        settings = self._site.settings
        parts = urlsplit(record.backend_url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise BadInput(f"{record.backend_url} is no address", "such as http://10.0.0.7:9090")
        if not is_allowed_host(
            parts.netloc, bind_host=settings.host, allowed=settings.allowed_hosts
        ):
            raise BadInput(
                f"this server does not answer to the name {parts.netloc!r}",
                f"start it with --allowed-host {parts.hostname}",
            )

    def reconcile(self, name: str) -> ConnectionInfo:
        """Look at everything anew, in the background, and put settings right."""
        link = self.link(name)
        link.apply_settings()
        link.worker.want("reconcile")
        return self.info(name)

    def disconnect(self, name: str) -> ConnectionInfo:
        """Leave the project as it was found."""
        place = self._place(name)
        with place.changing:
            if place.link is None:
                place.link = self._link_to_end(place)
            disconnect(place.link, self._site.records)
            place.record, place.state, place.link = place.link.record, "disconnected", None
        return self.info(name)

    def _link_to_end(self, place: _Place) -> Link:
        if place.state != "waiting":
            raise NotReady(f"{place.record.campaign} is {place.state}", "there is nothing to end")
        client = Client(place.record.url, place.record.token)
        project = client.project(place.record.project)
        control = parse_config(str(project["label_config"]), control=place.record.control)
        return self._site.open_link(place.record, control, client)

    # -- what is known -------------------------------------------------------------------------

    def infos(self) -> list[ConnectionInfo]:
        """Return all connections."""
        return [self.info(name) for name in list(self._places)]

    def info(self, name: str) -> ConnectionInfo:
        """Return a connection as it stands."""
        place = self._place(name)
        record = place.record
        known = {
            "campaign": record.campaign,
            "url": record.url,
            "project": record.project,
            "state": place.state,
            "message": place.message,
            "progress": 1.0 if place.state == "connected" else place.share,
            "error": place.error.message if place.error else None,
            "remedy": place.error.remedy if place.error else None,
        }
        if place.link is not None and place.state == "connected":
            known |= _facts(place.link)
        return ConnectionInfo.model_validate(known)

    def link(self, name: str) -> Link:
        """Return a connection that runs.

        Raises
        ------
        NotFound, NotReady
        """
        place = self._place(name)
        if place.link is None:
            raise NotReady(
                f"{name} is {place.state}" + (f": {place.error.message}" if place.error else ""),
                "wait, or connect it anew",
            )
        return place.link

    def link_of(self, name: str, secret: str) -> tuple[bool, Link | None]:
        """Return whether the secret of a connection is right, and the link, where it runs."""
        place = self._places.get(name)
        right = place.record.secret if place is not None else ""
        # compared in any case: how long it takes tells nothing
        same = hmac.compare_digest(secret.encode(), (right or "none").encode())
        if place is None or not (same and right):
            return False, None
        return True, place.link

    def _place(self, name: str) -> _Place:
        place = self._places.get(name)
        if place is None:
            known = ", ".join(repr(one) for one in self._places) or "none yet"
            raise NotFound(f"no project is connected as {name!r}", f"there are: {known}")
        return place


def _facts(link: Link) -> dict[str, object]:
    listed = link.queue.listed()
    times = sorted(link.handled_s)
    problems = list(link.problems)
    if link.worker.failure is not None:
        problems.append(f"{FAILING}: {link.worker.failure}")
    n_opened = sum(entry.served for _, entry in listed)
    failures = list(link.failures.values())
    if not listed and link.reconciled_at is not None:
        spent = link.campaign.spec.budget is not None
        problems.append(
            "the queue is empty: "
            + ("the budget is spent, or " if spent else "")
            + "every task was answered, or skipped; Label Studio shows what is left at random"
        )
    return {
        "label_at": f"{link.record.url}/projects/{link.record.project}/data",
        "queue": QueueInfo(
            waiting=len(listed) - n_opened,
            opened=n_opened,
            target=link.queue.target,
            next=[int(sample_id) for sample_id, _ in listed[:10]],
        ),
        "n_annotations": len(link.sync.book),
        "n_events": link.n_events,
        "n_missed": link.n_missed,
        "lag_s": link.lag_s,
        "handled_p95_s": times[int(0.95 * (len(times) - 1))] if times else None,
        "reconciled_at": link.reconciled_at,
        "problems": problems,
        "failures": failures[:_N_SHOWN],
        "n_failures": len(failures),
    }
