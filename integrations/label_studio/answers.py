"""Between a result as Label Studio stores it and a label as the campaign knows it."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from al_server.models import Label
from integrations.label_studio.config_parser import TAXONOMY_SEPARATOR, Control

ANNOTATOR_PREFIX = "ls:"
_LONGEST_LEAD_TIME_S = 1e7


class Annotation(NamedTuple):
    """One annotation in Label Studio.

    Attributes
    ----------
    id : int
    sample_id, annotator : as the campaign calls the task and the user
    label : None for a skip, and for one that says nothing about the control
    created_at, updated_at : ISO 8601 in UTC, all of one length, so that text order is time order
    lead_time_s : or None
    """

    id: int
    sample_id: str
    annotator: str
    label: Label | None
    created_at: str
    updated_at: str
    lead_time_s: float | None

    @property
    def version(self) -> tuple[str, int]:
        """Of two versions the later one is greater."""
        return (self.updated_at, self.id)


def read_annotation(
    raw: Mapping[str, Any], control: Control, *, task: int | None = None
) -> Annotation:
    """Read an annotation as the webhook and the API write it.

    Raises
    ------
    ValueError
        If something that every annotation has is missing.
    """
    try:
        lead_time = raw.get("lead_time")
        fits = isinstance(lead_time, int | float) and 0 <= lead_time <= _LONGEST_LEAD_TIME_S
        return Annotation(
            id=int(raw["id"]),
            sample_id=str(int(task if task is not None else raw["task"])),
            annotator=_annotator(raw.get("completed_by")),
            label=None if raw.get("was_cancelled") else label_of(raw.get("result") or (), control),
            created_at=_utc(raw.get("created_at") or raw["updated_at"]),
            updated_at=_utc(raw["updated_at"]),
            lead_time_s=float(lead_time) if fits and lead_time is not None else None,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"an annotation lacks {error}") from error


def _utc(time: str) -> str:
    return datetime.fromisoformat(time).astimezone(UTC).isoformat(timespec="microseconds")


def _annotator(user: Any) -> str:
    # an id, or the user whole
    number = user.get("id") if isinstance(user, dict) else user
    return f"{ANNOTATOR_PREFIX}{number if number is not None else 'unknown'}"


def label_of(result: Iterable[Mapping[str, Any]], control: Control) -> Label | None:
    """Return what a result says about the control; None where it says nothing.

    To choose nothing where several may be chosen is an answer: none of them applies.
    """
    chosen: list[str] = []
    for part in result:
        if part.get("from_name") == control.name and isinstance(part.get("value"), dict):
            chosen += _chosen(part["value"], control)
    chosen = list(dict.fromkeys(chosen))
    if control.multi:
        return chosen
    return chosen[0] if chosen else None


def _chosen(value: Mapping[str, Any], control: Control) -> list[str]:
    given = value.get(control.kind)
    if control.kind == "rating":
        return [] if given is None else [f"{given:g}"]
    if not isinstance(given, list):
        return []
    if control.kind == "taxonomy":
        return [TAXONOMY_SEPARATOR.join(map(str, path)) for path in given if path]
    return [str(one) for one in given]


def result_of(label: Label | None, control: Control) -> list[dict[str, Any]]:
    """Return a prediction's result that pre-selects a label; empty where there is none."""
    chosen = [label] if isinstance(label, str) else label
    if not chosen:
        return []
    value: Any
    if control.kind == "rating":
        value = int(chosen[0])
    elif control.kind == "taxonomy":
        value = [name.split(TAXONOMY_SEPARATOR) for name in chosen]
    else:
        value = list(chosen)
    return [
        {
            "from_name": control.name,
            "to_name": control.to_name,
            "type": control.kind,
            "value": {control.kind: value},
        }
    ]
