"""Tasks as a source that a campaign can take in: a table beside the media it names."""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from html.parser import HTMLParser
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from al_server.answers import Failure
from al_server.campaign.campaign import Campaign
from al_server.models import Source
from integrations.label_studio.config_parser import Control
from integrations.label_studio.media import MediaFetcher

COLUMN = "sample"
MAX_CHARACTERS = 2**20
"""Longest text, or HTML, that is taken."""
_TASK = re.compile(r"(\d+)(~\d+)?", re.ASCII)


def sample_of(campaign: Campaign, task: Any) -> str:
    """Return the sample that a task is: its number, or where that was used before, `7~2`.

    On SQLite, Label Studio gives the numbers of deleted tasks to those that are imported next.
    """
    sample_id = str(task)
    for again in count(2):
        if not campaign.is_retired(sample_id):
            break
        sample_id = f"{task}~{again}"
    return sample_id


def is_task(sample_id: str) -> bool:
    """Tell whether a sample may be a task."""
    return _TASK.fullmatch(sample_id) is not None


def task_of(sample_id: str) -> int:
    """Return the number of the task that a sample is."""
    return int(sample_id.partition("~")[0])


class Written(NamedTuple):
    """A table of samples.

    Attributes
    ----------
    source : the table, or None where no task could be used
    sample_ids : those in the table
    failures : tasks left out, and why
    """

    source: Source | None
    sample_ids: set[str]
    failures: list[Failure]


def write_samples(
    tasks: Iterable[Mapping[str, Any]],
    control: Control,
    folder: Path,
    media: MediaFetcher,
    *,
    progress: Callable[[int, int], None],
) -> Written:
    """Write a new table of tasks into a folder; what the tasks only point to is fetched.

    `progress` is called with how many downloads are done, and how many there are.
    """
    ids, contents = list[str](), list[str]()
    failures: list[Failure] = []
    for task in tasks:
        value = (task.get("data") or {}).get(control.data_key)
        if isinstance(value, str) and value.strip():
            ids.append(str(task["id"]))
            contents.append(value)
        else:
            reason = f"its data has no text under {control.data_key!r}"
            failures.append(Failure(sample=str(task["id"]), reason=reason))
    rows: dict[str, str] = {}
    if control.content == "image" or control.by_url:
        fetched = media.fetch_all(contents, progress=progress)
        for sample_id, one in zip(ids, fetched, strict=True):
            if one.path is None:
                failures.append(Failure(sample=sample_id, reason=one.reason))
            elif control.content == "image":
                rows[sample_id] = str(one.path)
            else:
                rows[sample_id] = _beginning(one.path)
    else:
        rows = dict(zip(ids, contents, strict=True))
    failures += _drop_long(rows)  # of pictures there are only paths
    if control.content == "html":
        rows = {sample_id: plain_text(text) for sample_id, text in rows.items()}
    source = _table(rows, folder, control) if rows else None
    return Written(source, set(rows), failures)


def _beginning(file: Path) -> str:
    with file.open(encoding="utf-8", errors="replace") as stream:
        return stream.read(MAX_CHARACTERS + 1)  # enough to tell that it is too long


def _drop_long(rows: dict[str, str]) -> list[Failure]:
    long = [sample_id for sample_id, text in rows.items() if len(text) > MAX_CHARACTERS]
    for sample_id in long:
        del rows[sample_id]
    reason = f"its text is longer than {MAX_CHARACTERS:,} characters"
    return [Failure(sample=sample_id, reason=reason) for sample_id in long]


def _table(rows: Mapping[str, str], folder: Path, control: Control) -> Source:
    import orjson

    folder.mkdir(parents=True, exist_ok=True)
    names = (folder / f"tasks-{number}.jsonl" for number in count(1))
    file = next(name for name in names if not name.exists())
    # what a project holds is for its members
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.writelines(orjson.dumps({"id": one, COLUMN: rows[one]}) + b"\n" for one in rows)
    return Source(
        kind="table",
        path=str(file),
        column=COLUMN,
        id_column="id",
        content="image" if control.content == "image" else "text",
    )


class _Text(HTMLParser):
    """Collects what a reader of a page sees."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._n_hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._n_hidden += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._n_hidden = max(0, self._n_hidden - 1)

    def handle_data(self, data: str) -> None:
        if not self._n_hidden:
            self.parts.append(data)


def plain_text(html: str) -> str:
    """Return what a reader of some HTML sees; the HTML itself where that is nothing."""
    parser = _Text()
    parser.feed(html)
    parser.close()
    return " ".join(" ".join(parser.parts).split()) or html
