"""A connection in memory, whatever state it is in."""

import logging
import threading
from dataclasses import dataclass, field

from al_server.errors import ALError
from integrations.label_studio.connection import Record
from integrations.label_studio.link import Link
from integrations.label_studio.models import State

_log = logging.getLogger(__name__)


@dataclass
class Place:
    """One connection, and the thread that brings it into its state.

    Attributes
    ----------
    record : what is remembered of it
    state : as people are told
    link : where it runs
    share, message : how far the thread is, and what it does
    error : what keeps it from going on
    left : set when another has come in its place, or the server stops: the thread is to end
    thread : works for it
    """

    record: Record
    state: State
    link: Link | None = None
    share: float = 0.0
    message: str | None = None
    error: ALError | None = None
    left: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None

    def report(self, share: float, what: str) -> None:
        """Say how far it is."""
        self.share, self.message = share, what

    def announce(self, link: Link) -> None:
        """Let Label Studio be answered."""
        self.link = link

    def readable(self, error: Exception) -> ALError:
        """Return an error as people are told; what nobody foresaw goes to the log."""
        if isinstance(error, ALError):
            return error
        _log.exception("%s", self.record.campaign, exc_info=error)
        return ALError(f"{type(error).__name__}: {error}", "the log has the details")
