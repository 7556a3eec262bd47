"""What is decided before a project is connected: whether it can be, and under which name."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from al_server.config import Settings
from al_server.errors import AlreadyExists, BadInput, UnknownCampaign
from al_server.models import CampaignSpec, Source
from al_server.security.hosts import is_allowed_host
from integrations.label_studio.client import Client
from integrations.label_studio.config_parser import Control, parse_config
from integrations.label_studio.connection import Record
from integrations.label_studio.models import ConnectIn

if TYPE_CHECKING:
    from integrations.label_studio.connect import Site

_OPTIONS = {
    "embedder",
    "checkpoint",
    "classifier",
    "k",
    "random_share",
    "strategy",
    "budget",
    "holdout",
    "seed",
}
_REMEDIES = {
    "classes": "mend the choices in the label config",
    "overlap": "mend the annotations per task in the project's settings",
}


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
        checked = Checked(client, project, control)
        _refuse_what_no_campaign_takes(wanted, checked)
    except BaseException:
        client.close()
        raise
    return checked


def _refuse_what_no_campaign_takes(wanted: ConnectIn, checked: Checked) -> None:
    try:
        spec_of(wanted, checked, "trial", Source(kind="table", path="trial"))
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(
            f"{str(first['input'])[:60]!r} cannot be taken over: {first['msg']}",
            _REMEDIES.get(str(first["loc"][0]), ""),
        ) from error


def spec_of(wanted: ConnectIn, checked: Checked, name: str, source: Source) -> CampaignSpec:
    """Return the campaign that is wanted for a project."""
    return CampaignSpec(
        name=name,
        classes=list(checked.control.classes),
        source=source,
        task="multi" if checked.control.multi else "single",
        overlap=int(checked.project["maximum_annotations"]),
        **wanted.model_dump(include=_OPTIONS, exclude_none=True),
    )


def is_of(record: Record, wanted: ConnectIn) -> bool:
    """Tell whether a connection is of the project that is wanted."""
    return (record.url, record.project) == (wanted.url.rstrip("/"), wanted.project)


def free_name(wanted: ConnectIn, checked: Checked, site: "Site", *, taken: Collection[str]) -> str:
    """Return the campaign's name: the one asked for, or one that can still be had.

    A campaign that was made for the project goes on, if it is as it is wanted now.

    Parameters
    ----------
    taken : names of connections of other projects

    Raises
    ------
    AlreadyExists
        If the name belongs to something else.
    """
    base = wanted.name or f"label-studio-{wanted.project}"
    number = 1
    while True:
        name = base if number == 1 else f"{base}-{number}"
        if name not in taken and _may_have(name, wanted, checked, site):
            return name
        if wanted.name is not None:
            raise AlreadyExists(
                f"there is a campaign named {name!r} already, of other samples, another control "
                "or other options, or failed",
                "choose another --name, or leave the options out that differ",
            )
        number += 1


def _may_have(name: str, wanted: ConnectIn, checked: Checked, site: "Site") -> bool:
    try:
        state = site.registry.info(name).state
    except UnknownCampaign:
        return True
    before = site.records.find(name)
    if before is None or not is_of(before, wanted) or state == "failed":
        return False
    was = site.registry.spec(name)
    asked = spec_of(wanted, checked, name, was.source)
    # what was not given stays as it was
    compared = {"task", "overlap", *(_OPTIONS & wanted.model_fields_set)}
    return before.control == checked.control.name and all(
        getattr(was, one) == getattr(asked, one) for one in compared
    )


def new_record(wanted: ConnectIn, name: str, control: Control, settings: Settings) -> Record:
    """Return a connection that is about to be made.

    Raises
    ------
    BadInput
        If Label Studio could not call this server at the address it is to be given.
    """
    url = (wanted.backend_url or _own_url(settings)).rstrip("/")
    _check_address(url, settings)
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


def _check_address(url: str, settings: Settings) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise BadInput(f"{url} is no address", "such as http://10.0.0.7:9090")
    if not is_allowed_host(parts.netloc, bind_host=settings.host, allowed=settings.allowed_hosts):
        raise BadInput(
            f"this server does not answer to the name {parts.netloc!r}",
            f"start it with --allowed-host {parts.hostname}",
        )
