"""A comparison beside a server: a program that works in a folder, and ends when the server does.

The server reads in `progress.json` how far it is; in the end the report, or `error.json`, stands in
the folder. Nothing else passes between the two.
"""

import json
import math
import os
import signal
import sys
import threading
import time
from concurrent.futures import Executor
from pathlib import Path

from pydantic import BaseModel, ValidationError

from al_server.errors import ALError
from al_server.lab.plan import Plan
from al_server.lab.writing import write_whole

_PROGRESS_FILE, _ERROR_FILE = "progress.json", "error.json"
_NICENESS = 10  # whoever labels goes first


class Done(BaseModel):
    """How far a comparison is; times in seconds since the epoch."""

    n_done: int
    n_repeats: int
    began_at: float
    at: float

    def time_left(self, now: float) -> float | None:
        """Return about how many seconds the rest takes; None where that cannot be said."""
        if not 0 < self.n_done < self.n_repeats:
            return None
        a_repeat = (self.at - self.began_at) / self.n_done
        return max(0.0, a_repeat * (self.n_repeats - self.n_done) - (now - self.at))


def fewest_of_class(holdout: float) -> int:
    """Return how many samples a class needs to be in every holdout of that share."""
    return math.ceil(round(1 / holdout, 6))


def compare_in(
    folder: Path, data_folder: Path, campaign: str, plan: Plan, *, executor: Executor | None = None
) -> None:
    """Compare, and leave the report or the error in the folder.

    Parameters
    ----------
    folder : of this comparison
    data_folder : of the server
    executor : where repeats run; None: processes, all cores but one
    """
    from al_server.lab.campaign_data import read_campaign
    from al_server.lab.comparison import compare
    from al_server.lab.running import n_cores

    began_at: float | None = None

    def progress(n_done: int, n_repeats: int) -> None:
        nonlocal began_at
        now = time.time()
        began_at = began_at or now
        done = Done(n_done=n_done, n_repeats=n_repeats, began_at=began_at, at=now)
        write_whole(folder / _PROGRESS_FILE, done.model_dump_json().encode())

    try:
        data = read_campaign(data_folder, campaign, fewest_of_class=fewest_of_class(plan.holdout))
        n_workers = max(1, n_cores() - 1)
        compare(data, plan, out=folder, executor=executor, n_workers=n_workers, progress=progress)
    except ALError as error:
        said = f"{error.message}; {error.remedy}" if error.remedy else error.message
        write_whole(folder / _ERROR_FILE, json.dumps({"error": said}).encode())


def read_done(folder: Path) -> Done | None:
    """Return how far the comparison of a folder is; None before its first repeat has begun."""
    try:
        return Done.model_validate_json((folder / _PROGRESS_FILE).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def main(folder: str, data_folder: str, campaign: str, plan: str) -> None:
    """Run as a process group of our own; stdin is open for as long as the server lives."""
    threading.Thread(target=_end_with_the_server, name="lifeline", daemon=True).start()
    os.nice(_NICENESS)
    compare_in(Path(folder), Path(data_folder), campaign, Plan.model_validate_json(plan))


def _end_with_the_server() -> None:
    os.read(0, 1)  # not sys.stdin: its lock could not be had when the interpreter shuts down
    os.killpg(0, signal.SIGKILL)  # our workers, too


if __name__ == "__main__":
    main(*sys.argv[1:])
