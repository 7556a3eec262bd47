"""What is set in a project when it is connected, and put back when that ends."""

import logging
from base64 import b64encode
from collections.abc import Callable
from typing import Any

from al_server.errors import ALError
from integrations.label_studio.connection import (
    LIVE_PREFIX,
    QUEUE_VERSION,
    FoundSettings,
    Record,
    Records,
)
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

    remember(
        found=FoundSettings(
            sampling=project["sampling"],
            model_version=project["model_version"] or "",
            show_collab_predictions=project["show_collab_predictions"],
        )
    )
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
    """Remove what an earlier connection to this address has left behind."""
    record, client = link.record, link.client
    for webhook in client.webhooks(record.project):
        if webhook["url"] == f"{record.backend_url}/webhook":
            client.drop_webhook(int(webhook["id"]))
    for backend in client.backends(record.project):
        if backend["url"] == record.backend_url:
            client.drop_backend(int(backend["id"]))


def disconnect(link: Link, records: Records) -> None:
    """Leave the project as it was found, but for the annotations; the campaign stays."""
    link.worker.close()
    take_back(link, loudly=True)
    link.record = link.record.model_copy(
        update={
            "state": "disconnected",
            "token": "",
            "secret": "",
            "backend_id": None,
            "webhook_id": None,
            "failures": list(link.failures.values()),
        }
    )
    records.save(link.record)
    link.close()


def take_back(link: Link, *, loudly: bool = False) -> None:
    """Undo `set_up`, as far as it came; `loudly` raises what goes wrong."""
    record, client = link.record, link.client

    def versions() -> None:
        for version in client.model_versions(record.project):
            if version == QUEUE_VERSION or version.startswith(LIVE_PREFIX):
                client.drop_version(record.project, version)

    def found() -> None:
        if record.found is not None:
            client.update_project(record.project, record.found.model_dump())

    steps: list[Callable[[], None]] = [
        # the webhook first: the rest of it would be told to us
        lambda: client.drop_webhook(record.webhook_id) if record.webhook_id else None,
        lambda: client.drop_backend(record.backend_id) if record.backend_id else None,
        link.queue.empty,
        versions,
        found,
    ]
    for step in steps:
        try:
            step()
        except ALError as error:
            if loudly:
                raise
            _log.warning("%s: %s", record.campaign, error)
