"""The raw results of a comparison: one file, to which every finished run is appended."""

import csv
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from al_server.lab.measures import Quality

if TYPE_CHECKING:
    from al_server.lab.replay import Trace

COLUMNS = ("arm", "repeat", "n_labeled", *Quality._fields)
_END = "end"  # of a run, in the column n_labeled: without it the run was cut off


class Run(NamedTuple):
    """One arm of one repeat."""

    arm: str
    repeat: int


class Point(NamedTuple):
    """One point of a curve; `select_s` is the time of the query that led to it.

    In a file of the linear probe it is the time that the fit took.
    """

    n_labeled: int
    quality: Quality
    select_s: float


class CurvesFile:
    """A CSV of curves that survives being cut off in the middle of a run.

    Parameters
    ----------
    path : of the file; made with the first run
    seconds : what the last column, of seconds, is called
    """

    def __init__(self, path: Path, *, seconds: str = "select_s") -> None:
        self.path = path
        self._seconds = seconds

    def read(self) -> dict[Run, list[Point]]:
        """Return the finished runs."""
        return dict(self._runs()) if self.path.exists() else {}

    def append(self, run: Run, trace: "Trace") -> None:
        """Add a finished run; it is on disk when this returns."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if not self.path.exists():
            writer.writerow([*COLUMNS, self._seconds])
        points = zip(trace.n_labeled, trace.qualities, trace.select_s, strict=True)
        for n_labeled, quality, select_s in points:
            writer.writerow([*run, n_labeled, *map(repr, quality), repr(select_s)])
        writer.writerow([*run, _END])
        with self.path.open("a", newline="") as file:
            file.write(text.getvalue())
            file.flush()
            os.fsync(file.fileno())

    def drop_unfinished(self) -> None:
        """Forget a run that was cut off, so that it can be appended anew."""
        if not self.path.exists():
            return
        content = self.path.read_bytes()
        whole = content.rfind(f",{_END}\n".encode())
        kept = (
            content[: content.index(b"\n") + 1] if whole < 0 else content[: whole + len(_END) + 2]
        )
        if kept != content:
            os.truncate(self.path, len(kept))

    def _runs(self) -> Iterator[tuple[Run, list[Point]]]:
        points: list[Point] = []
        text = self.path.read_text("utf-8")
        # a line that was cut off ends without its newline
        rows = csv.reader(io.StringIO(text[: text.rfind("\n") + 1]))
        next(rows, None)
        for arm, repeat, n_labeled, *numbers in rows:
            if n_labeled == _END:
                yield Run(arm, int(repeat)), points
                points = []
            elif len(numbers) == len(Quality._fields) + 1:
                *values, select_s = map(float, numbers)
                points.append(Point(int(n_labeled), Quality(*values), select_s))
