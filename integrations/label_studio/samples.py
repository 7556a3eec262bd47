"""Tasks as a source that a campaign can take in: a table beside the media it names."""

from collections.abc import Callable, Iterable, Mapping
from html.parser import HTMLParser
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from al_server.models import Failure, Source
from integrations.label_studio.config_parser import Control
from integrations.label_studio.media import MediaFetcher

COLUMN = "sample"


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
    import orjson

    ids: list[str] = []
    contents: list[str] = []
    failures: list[Failure] = []
    for task in tasks:
        value = (task.get("data") or {}).get(control.data_key)
        if isinstance(value, str) and value.strip():
            ids.append(str(task["id"]))
            contents.append(value)
        else:
            reason = f"its data has no text under {control.data_key!r}"
            failures.append(Failure(sample=str(task["id"]), reason=reason))
    rows: dict[str, str] = dict(zip(ids, contents, strict=True))
    if control.content == "image" or control.by_url:
        rows = {}
        fetched = media.fetch_all(contents, progress=progress)
        for sample_id, one in zip(ids, fetched, strict=True):
            if one.path is None:
                failures.append(Failure(sample=sample_id, reason=one.reason))
            elif control.content == "image":
                rows[sample_id] = str(one.path)
            else:
                rows[sample_id] = one.path.read_text("utf-8", errors="replace")
    if control.content == "html":
        rows = {sample_id: plain_text(text) for sample_id, text in rows.items()}
    if not rows:
        return Written(None, set(), failures)
    file = _free_name(folder)
    lines = (orjson.dumps({"id": one, COLUMN: rows[one]}) for one in rows)
    file.write_bytes(b"\n".join(lines) + b"\n")
    source = Source(
        kind="table",
        path=str(file),
        column=COLUMN,
        id_column="id",
        content="image" if control.content == "image" else "text",
    )
    return Written(source, set(rows), failures)


def _free_name(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    names = (folder / f"tasks-{number}.jsonl" for number in count(1))
    return next(name for name in names if not name.exists())


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
