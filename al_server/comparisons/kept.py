"""The folders of comparisons, and what they say."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import orjson
from pydantic import BaseModel

from al_server.answers import ComparisonInfo, ComparisonVerdict
from al_server.lab.writing import write_whole
from al_server.models import ComparisonIn

FOLDER: Final = "comparisons"
ASKED: Final = "asked.json"
_REPORT, _ERROR = "report.json", "error.json"


class Asked(BaseModel):
    """What a comparison was asked for."""

    asked: ComparisonIn
    n_labeled: int
    started_at: float


def folders(parent: Path) -> list[Path]:
    """Return the folders of a campaign's comparisons, oldest first."""
    if not parent.is_dir():
        return []
    numbered = (one for one in parent.iterdir() if one.name.isdecimal())
    return sorted(numbered, key=lambda one: int(one.name))


def has_ended(folder: Path) -> bool:
    """Tell whether a comparison came to its end, a report or an error."""
    return any((folder / name).exists() for name in (_REPORT, _ERROR))


def say_failed(folder: Path, reason: str) -> None:
    """Write down why a comparison came to nothing."""
    write_whole(folder / _ERROR, orjson.dumps({"error": reason}))


def info(folder: Path) -> ComparisonInfo:
    """Return a comparison as it stands.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    from al_server.lab.background import read_done

    known = Asked.model_validate_json((folder / ASKED).read_bytes())
    done = read_done(folder)
    verdict = error = None
    with suppress(FileNotFoundError):
        error = orjson.loads((folder / _ERROR).read_bytes())["error"]
    with suppress(FileNotFoundError):
        report = orjson.loads((folder / _REPORT).read_bytes())
        verdict = ComparisonVerdict(**report["verdict"], warnings=report["warnings"])
    return ComparisonInfo(
        number=int(folder.name),
        state="done" if verdict else "failed" if error else "running",
        **{name: getattr(known, name) for name in Asked.model_fields},
        progress=1.0 if verdict else done.n_done / done.n_repeats if done else 0.0,
        time_left_s=done.time_left(time.time()) if done else None,
        error=error,
        verdict=verdict,
    )
