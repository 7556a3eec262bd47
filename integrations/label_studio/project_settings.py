"""What a project must be set to for its annotators to be served the picks."""

from collections.abc import Mapping
from typing import Any

from al_server.errors import ALError
from integrations.label_studio.config_parser import Control, parse_config
from integrations.label_studio.connection import QUEUE_VERSION, UNCERTAINTY

WANTED = {
    "sampling": UNCERTAINTY,
    "model_version": QUEUE_VERSION,
    "show_collab_predictions": True,
}


def problems_of(
    project: Mapping[str, Any], control: Control, *, overlap: int, name: str
) -> list[str]:
    """Say what keeps the picks from being served, one line each.

    Parameters
    ----------
    project : as Label Studio has it now
    control : what was connected
    overlap : answers a task that the campaign was made for
    name : of the campaign
    """
    found = []
    remedy = f"run `al-server label-studio reconcile {name}`"
    if project["sampling"] != UNCERTAINTY:
        found.append(f"sampling is {project['sampling']}, not {UNCERTAINTY}: {remedy}")
    if project["model_version"] != QUEUE_VERSION:
        version = project["model_version"]
        found.append(f"the model version is {version!r}, so tasks come at random: {remedy}")
    if not project["show_collab_predictions"]:
        found.append(f"predictions are not shown to annotators: {remedy}")
    wanted = int(project["maximum_annotations"])
    if wanted != overlap:
        found.append(
            f"annotations per task are {wanted}, the campaign was made for "
            f"{overlap}: disconnect, and connect under a new --name"
        )
    try:
        now = parse_config(str(project["label_config"]), control=control.name)
        if (now.kind, now.multi) != (control.kind, control.multi):
            found.append("the label config asks another kind of question now")
    except ALError as error:
        found.append(error.message)
    return found
