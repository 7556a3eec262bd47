"""All connections of a server: being made, running, waiting for their campaign, ended."""

import hmac
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from al_server.config import Settings
from al_server.errors import ALError, AlreadyExists, NotFound, NotReady
from integrations.label_studio.admission import Checked, check, free_name, is_of, new_record
from integrations.label_studio.client import Client
from integrations.label_studio.config_parser import parse_config
from integrations.label_studio.connect import Site, connect
from integrations.label_studio.connection import Records
from integrations.label_studio.link import Link
from integrations.label_studio.models import ConnectIn, ConnectionInfo
from integrations.label_studio.place import Place
from integrations.label_studio.project_setup import ended, take_back
from integrations.label_studio.status import facts_of

if TYPE_CHECKING:
    from al_server.campaigns import CampaignRegistry

RETRY_S = 5.0
PATIENCE_S = 20.0
"""How long a request to disconnect waits for the end of it."""


class Hub:
    """All connections of a server. Every method may be called from any thread."""

    def __init__(self, settings: Settings, registry: "CampaignRegistry") -> None:
        self._site = Site(settings, registry, Records(settings.data))
        self._places: dict[str, Place] = {}
        self._lock = threading.Lock()

    # -- the server starts and stops -----------------------------------------------------------

    def start(self) -> None:
        """Take the connections up that there are."""
        with self._lock:
            for record in self._site.records.all():
                if record.state == "connected":
                    place = Place(record, "waiting", message="waiting for the campaign")
                    self._begin(place, self._resume)
                elif record.state != "disconnected":  # the server ended half-way
                    self._begin(Place(record, "disconnecting"), self._end)

    def close(self) -> None:
        """Stop all that runs; the connections stay as they are."""
        places = list(self._places.values())
        for place in places:
            place.left.set()
            if place.link is not None:
                place.link.worker.stop()
        for place in places:
            if place.thread is not None:
                place.thread.join(10.0)
        for place in places:
            self._close_link(place)

    # -- one place, one thread -----------------------------------------------------------------

    def _begin(self, place: Place, run: Callable[[Place], None]) -> None:
        """Let a place follow the one of its name, and work for it when that has come to rest."""
        name = place.record.campaign
        before = self._places.get(name)
        if before is not None:
            before.left.set()

        def work() -> None:
            if before is not None:
                self._put_to_rest(before)
            run(place)

        place.thread = threading.Thread(target=work, name=f"label-studio-{name}", daemon=True)
        self._places[name] = place
        place.thread.start()

    def _put_to_rest(self, place: Place) -> None:
        if place.thread is not None:
            place.thread.join()
        self._close_link(place)

    def _close_link(self, place: Place) -> None:
        if place.link is not None:
            place.link.close()
            failures = {"failures": place.link.failures}
            with suppress(OSError):  # they would be found again
                self._site.records.save(place.link.record.model_copy(update=failures))

    def _resume(self, place: Place) -> None:
        """Go on with a connection as soon as its campaign is open and Label Studio answers."""
        record = place.record
        client = Client(record.url, record.token)
        while not place.left.is_set():
            try:
                project = client.project(record.project)
                control = parse_config(str(project["label_config"]), control=record.control)
                link = self._site.open_link(record, control, client)
            except Exception as error:
                place.error = place.readable(error)
                place.left.wait(RETRY_S)
                continue
            link.start()
            link.worker.want("reconcile")
            place.link, place.error, place.message = link, None, None
            place.state = "connected"
            return
        client.close()

    def _connect(self, place: Place, wanted: ConnectIn, checked: Checked) -> None:
        try:
            link = connect(
                wanted,
                place.record,
                checked,
                self._site,
                announce=place.announce,
                report=place.report,
                should_stop=place.left.is_set,
            )
        except Exception as error:
            place.link, place.message = None, None
            checked.client.close()
            if not place.left.is_set():  # else who follows takes back, or the next start
                self._failed(place, place.readable(error))
            return
        link.start()
        place.record, place.share, place.message = link.record, 1.0, None
        place.state = "connected"

    def _failed(self, place: Place, error: ALError) -> None:
        left_behind = self._take_back(place)
        place.state, place.error = "failed", error
        while left_behind is not None and not place.left.wait(RETRY_S):
            left_behind = self._take_back(place)

    def _end(self, place: Place) -> None:
        """Leave the project as it was found, as soon as Label Studio answers."""
        while not place.left.is_set():
            place.error = self._take_back(place)
            if place.error is None:
                place.state = "disconnected"
                return
            place.left.wait(RETRY_S)

    def _take_back(self, place: Place) -> ALError | None:
        """Try to take back what was set; return why it has to be tried again."""
        record = self._site.records.find(place.record.campaign)
        if record is None:  # it had not come to anything
            return None
        client = Client(record.url, record.token)
        try:
            # a restart goes on with it
            self._site.records.save(record.model_copy(update={"state": "disconnecting"}))
            place.message = take_back(record, client)
            self._site.release(record.campaign)
            place.record = ended(record, is_clean=place.message is None)
            self._site.records.save(place.record)
        except Exception as error:
            return place.readable(error)
        finally:
            client.close()
        return None

    # -- what people ask for -------------------------------------------------------------------

    def connect(self, wanted: ConnectIn) -> ConnectionInfo:
        """Check what can be checked at once, then connect in the background.

        A project that is connected goes on with another token.

        Raises
        ------
        LabelStudioError, UnsupportedConfig, AlreadyExists, BadInput
        """
        checked = check(wanted)
        try:
            with self._lock:
                others = {n for n, p in self._places.items() if not is_of(p.record, wanted)}
                name = free_name(wanted, checked, self._site, taken=others)
                self._refuse_twice(wanted, name)
                record = new_record(wanted, name, checked.control, self._site.settings)
                place = Place(record, "connecting", message="reading tasks")
                self._begin(place, lambda place: self._connect(place, wanted, checked))
        except BaseException:
            checked.client.close()
            raise
        return self.info(name)

    def _refuse_twice(self, wanted: ConnectIn, name: str) -> None:
        for other, place in self._places.items():
            if not is_of(place.record, wanted) or place.state in ("failed", "disconnected"):
                continue
            is_settled = place.state in ("connected", "waiting")
            if other == name and is_settled and wanted.token != place.record.token:
                continue
            raise AlreadyExists(
                f"project {wanted.project} of {wanted.url} is {place.state} as {other!r}",
                f"use it, or end it: al-server label-studio disconnect {other}",
            )

    def reconcile(self, name: str) -> ConnectionInfo:
        """Look at everything anew, in the background, and put settings right."""
        link = self.link(name)
        link.apply_settings()
        link.worker.want("retry", "reconcile")
        return self.info(name)

    def disconnect(self, name: str) -> ConnectionInfo:
        """Leave the project as it was found; what takes long goes on in the background."""
        with self._lock:
            place = self._place(name)
            if place.state not in ("disconnecting", "disconnected"):
                place = Place(place.record, "disconnecting")
                self._begin(place, self._end)
        if place.thread is not None:
            place.thread.join(PATIENCE_S)
        return self.info(name)

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
            known |= facts_of(place.link)
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

    def _place(self, name: str) -> Place:
        place = self._places.get(name)
        if place is None:
            known = ", ".join(repr(one) for one in self._places) or "none yet"
            raise NotFound(f"no project is connected as {name!r}", f"there are: {known}")
        return place
