"""A folder belongs to one comparison: runs of two must never be mixed."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from al_server import __version__, plugins
from al_server.errors import BadInput
from al_server.lab.data import LabeledData
from al_server.lab.plan import Plan

if TYPE_CHECKING:
    from strategies.pool import Strategy

PLAN_FILE = "plan.json"
RESULTS = ("curves.csv", "probe.csv")


def claim(folder: Path, plan: Plan, data: LabeledData, own: "Mapping[str, Strategy]") -> None:
    """Mark a folder as that of this comparison.

    Raises
    ------
    BadInput
        If it is another's: its runs must not be mixed with ours.
    """
    ours: dict[str, Any] = {
        "plan": plan.model_dump(mode="json"),
        "data": data.fingerprint(),
        "own": {name: repr(strategy) for name, strategy in own.items()},
        "default": plugins.DEFAULT_STRATEGY,
        "version": __version__,
        "code": _code(),
    }
    file = folder / PLAN_FILE
    # what has no finished run yet is nobody's: a plan that failed at once stands in no one's way
    if not file.exists() or not any((folder / name).exists() for name in RESULTS):
        file.write_text(json.dumps(ours, indent=2), "utf-8")
        return
    try:
        theirs = json.loads(file.read_text("utf-8"))
    except ValueError:
        theirs = None
    if theirs == ours:
        return
    other = _differences(theirs, ours) if isinstance(theirs, dict) else "its plan cannot be read"
    raise BadInput(
        f"{folder} holds another comparison: {other}",
        "name another folder with --out, or delete this one to start anew",
    )


def _code() -> str:
    """Return a hash of the code that decides about numbers: selection, classifiers, measuring."""
    root = Path(__file__).resolve().parents[2]
    found = hashlib.sha256()
    for folder in ("strategies", "al_server/campaign", "al_server/lab"):
        for file in sorted((root / folder).rglob("*.py")):
            found.update(file.read_bytes())
    return found.hexdigest()[:16]


def _differences(theirs: dict[str, Any], ours: dict[str, Any]) -> str:
    """Say in which settings of the plan, or in what else, two comparisons differ."""
    found = [
        key for key in ("data", "own", "default", "version", "code") if theirs.get(key) != ours[key]
    ]
    plan = theirs.get("plan", {})
    found += [
        f"{key} was {plan.get(key)!r}" for key in ours["plan"] if plan.get(key) != ours["plan"][key]
    ]
    return ", ".join(found)
