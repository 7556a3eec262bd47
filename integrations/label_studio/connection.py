"""What is remembered of a connected project: one file a connection, readable by its owner only."""

import logging
import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from al_server.answers import Failure
from al_server.integration import integration_folder
from al_server.models import Name

FILE_NAME = "connection.json"
QUEUE_VERSION = "al-queue"
"""Version of the predictions that order the tasks; title of the backend, and what the project's
`model_version` must be: with any other, Label Studio picks at random and says nothing."""
LIVE_PREFIX = "al-live-"
"""Versions of the predictions that are made when a task is opened begin with this."""
UNCERTAINTY = "Uncertainty sampling"
_log = logging.getLogger(__name__)


class FoundSettings(BaseModel):
    """Settings of the project as they were before we came."""

    model_config = ConfigDict(frozen=True)

    sampling: str
    model_version: str
    show_collab_predictions: bool


class Record(BaseModel):
    """A connection of a project to a campaign.

    Attributes
    ----------
    campaign : its name; also the name of the connection, and the user of its secret
    url, token, project : where the project is, and who we are there
    control : name of the control tag that is answered
    backend_url : where Label Studio calls us
    secret : what Label Studio shows when it calls us
    backend_id, webhook_id : what we have added to the project, as far as we have come
    found : settings to put back
    state : `connected`; `disconnected`, then without token and secret; or on the way between them
    failures : tasks that could not be taken in
    """

    model_config = ConfigDict(frozen=True)

    campaign: Name
    url: str
    token: str = Field(repr=False)
    project: int
    control: str
    backend_url: str
    secret: str = Field(repr=False)
    backend_id: int | None = None
    webhook_id: int | None = None
    found: FoundSettings | None = None
    state: Literal["connecting", "connected", "disconnecting", "disconnected"] = "connecting"
    failures: list[Failure] = []


class Records:
    """The connections of a data folder."""

    def __init__(self, data: Path) -> None:
        self._folder = integration_folder(data) / "label_studio"

    def folder(self, campaign: str) -> Path:
        """Return where the samples of a campaign are kept."""
        return self._folder / campaign

    def all(self) -> list[Record]:
        """Return all that can be read; what cannot is said in the log."""
        found = []
        for file in sorted(self._folder.glob(f"*/{FILE_NAME}")):
            try:
                found.append(Record.model_validate_json(file.read_bytes()))
            except (OSError, ValidationError) as error:
                # the values stay out of the message: one of them is the token
                reason = type(error).__name__
                _log.warning("%s cannot be read (%s): connect the project anew", file, reason)
        return found

    def find(self, campaign: str) -> Record | None:
        """Return the connection of a campaign, also one that has ended."""
        return next((one for one in self.all() if one.campaign == campaign), None)

    def save(self, record: Record) -> None:
        """Write a connection, whole or not at all."""
        file = self.folder(record.campaign) / FILE_NAME
        file.parent.mkdir(parents=True, exist_ok=True)
        aside = file.with_name(f"{FILE_NAME}.{os.getpid()}")
        aside.unlink(missing_ok=True)
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(record.model_dump_json())
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(file)
