"""What is set in a project when it is connected, and put back when that ends."""

import logging
from base64 import b64encode
from collections.abc import Callable
from typing import Any

from integrations.label_studio.client import Client
from integrations.label_studio.connection import (
    LIVE_PREFIX,
    QUEUE_VERSION,
    FoundSettings,
    Record,
    Records,
)
from integrations.label_studio.errors import LabelStudioRefused
from integrations.label_studio.link import Link

_log = logging.getLogger(__name__)


def set_up(link: Link, records: Records) -> None:
    """Add webhook and backend, and set sampling and model version; each is remembered at once."""
    record, client = link.record, link.client
    project = client.project(record.project)
    _forget_leftovers(link)

    def remember(**changes: Any) -> None:
        link.record = link.record.model_copy(update=changes)
        records.save(link.record)

    found = FoundSettings(
        sampling=project["sampling"],
        model_version=project["model_version"] or "",
        show_collab_predictions=project["show_collab_predictions"],
    )
    # what an earlier connection could not put back: the settings that there are now are ours
    remember(found=record.found or found)
    # before the backend: Label Studio would add one itself, without the header
    webhook = {
        "project": record.project,
        "url": f"{record.backend_url}/webhook",
        "send_payload": True,
        "send_for_all_actions": True,
        "headers": {"Authorization": basic_auth(record)},
    }
    remember(webhook_id=client.add_webhook(webhook))
    backend = {
        "project": record.project,
        "url": record.backend_url,
        "title": QUEUE_VERSION,
        "description": f"al_server campaign {record.campaign}",
        "auth_method": "BASIC_AUTH",
        "basic_auth_user": record.campaign,
        "basic_auth_pass": record.secret,
        "is_interactive": False,
    }
    remember(backend_id=client.add_backend(backend))
    link.apply_settings()


def basic_auth(record: Record) -> str:
    """Return the header by which Label Studio is known."""
    return "Basic " + b64encode(f"{record.campaign}:{record.secret}".encode()).decode()


def _forget_leftovers(link: Link) -> None:
    """Remove what an earlier connection has left behind."""
    record, client = link.record, link.client
    for webhook in client.webhooks(record.project):
        if webhook["url"] == f"{record.backend_url}/webhook" or webhook["id"] == record.webhook_id:
            client.drop_webhook(int(webhook["id"]))
    for backend in client.backends(record.project):
        if backend["url"] == record.backend_url or backend["id"] == record.backend_id:
            client.drop_backend(int(backend["id"]))


def take_back(record: Record, client: Client) -> str | None:
    """Undo `set_up`, as far as it came; annotations stay.

    Returns
    -------
    None, or why Label Studio has refused a part of it, which it would again

    Raises
    ------
    LabelStudioError
        If some of it has to be tried again.
    """
    if record.found is None:  # set before everything else
        return None
    found = record.found.model_dump()
    steps: list[Callable[[], None]] = [
        # the webhook first: the rest of it would be told to us
        lambda: client.drop_webhook(record.webhook_id) if record.webhook_id else None,
        lambda: client.drop_backend(record.backend_id) if record.backend_id else None,
        lambda: _drop_predictions(record.project, client),
        lambda: _put_back(found, record.project, client),
    ]
    refusals = []
    for step in steps:
        try:
            step()
        except LabelStudioRefused as refused:
            _log.warning("%s: %s", record.campaign, refused)
            if refused.http_status != 404:  # a project that is gone has nothing of ours
                refusals.append(refused.message)
    return f"what was set in the project stays there: {refusals[0]}" if refusals else None


def _drop_predictions(project: int, client: Client) -> None:
    for version in client.model_versions(project):
        if version == QUEUE_VERSION or version.startswith(LIVE_PREFIX):
            client.drop_version(project, version)


def _put_back(found: dict[str, Any], project: int, client: Client) -> None:
    try:
        client.update_project(project, found)
    except LabelStudioRefused as refused:
        if refused.http_status != 400:
            raise
        # nothing has the model version that was set any more
        client.update_project(project, {**found, "model_version": ""})


def ended(record: Record, *, is_clean: bool) -> Record:
    """Return what is remembered of a connection that has ended.

    Where Label Studio did not let us put it back, what was found is kept for a later connection.
    """
    changes: dict[str, Any] = {"state": "disconnected", "token": "", "secret": ""}
    if is_clean:
        changes |= {"found": None, "webhook_id": None, "backend_id": None}
    return record.model_copy(update=changes)
