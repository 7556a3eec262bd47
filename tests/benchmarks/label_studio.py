"""What a connected server costs the annotators of a real Label Studio, on text tasks.

Measured: an annotator's submit and next task with and without the server, how long the server's
webhook handler takes, connecting with and without the time in which the tasks are embedded, and
reconciling. On paper, for 100,000 tasks: all that is done task by task takes its share more.

Needs `make label-studio`. The last line is one JSON object.
"""

import argparse
import json
import tempfile
import time
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from integrations.label_studio.local_server import LocalLabelStudio, program_of
from tests.conftest import ROOT
from tests.end_to_end.label_studio_link import Ours
from tests.end_to_end.label_studio_server import TEXT_CONFIG, Person, texts, topic
from tests.end_to_end.server import free_port, running

IMPORTED_AT_ONCE = 5_000
ESTIMATED_N = 100_000
LIMIT_S = 3600.0


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--n", type=int, default=10_000, help="tasks")
    parser.add_argument("--answers", type=int, default=60, help="with and without the server, each")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        print(json.dumps(run(Path(scratch), n=options.n, n_answers=options.answers)))


def run(folder: Path, *, n: int, n_answers: int) -> dict[str, Any]:
    """Measure, without the server first."""
    program = program_of(ROOT)
    with (
        LocalLabelStudio(program, folder / "theirs", port=free_port()) as theirs,
        closing(Person(theirs.url, theirs.token)) as owner,
    ):
        project = _make_project(owner, n)
        print(f"{n:,} tasks are in Label Studio")
        alone = _annotate(owner, project, n_answers)
        with running(folder / "ours") as server, closing(Ours(server.url)) as ours:
            parts = _connect(ours, theirs, project)
            name = f"label-studio-{project}"
            before = ours.info(name)
            together = _annotate(owner, project, n_answers)
            after = ours.info(name)
            began = time.perf_counter()
            ours.reconcile(name)
            parts["reconcile_s"] = time.perf_counter() - began
    assert after["n_annotations"] - before["n_annotations"] == n_answers + 1, "webhooks were missed"
    apart = parts["connect_s"] - parts["embedding_s"]
    result = {
        "n": n,
        **{f"{key}_alone": value for key, value in alone.items()},
        **{f"{key}_connected": value for key, value in together.items()},
        "submit_more_median_s": together["submit_median_s"] - alone["submit_median_s"],
        "submit_more_p95_s": together["submit_p95_s"] - alone["submit_p95_s"],
        "webhook_p95_s": after["handled_p95_s"],
        **parts,
        "connect_apart_from_embedding_s": apart,
    }
    if n < ESTIMATED_N:
        result |= _estimate(parts, n)
    return {key: round(one, 3) if isinstance(one, float) else one for key, one in result.items()}


def _make_project(owner: Person, n: int) -> int:
    tasks = texts(n)
    project = owner.make_project(TEXT_CONFIG, tasks[:IMPORTED_AT_ONCE])
    for start in range(IMPORTED_AT_ONCE, n, IMPORTED_AT_ONCE):
        some = tasks[start : start + IMPORTED_AT_ONCE]
        owner.ask("POST", f"/api/projects/{project}/import", json=some)
    return project


def _annotate(owner: Person, project: int, n: int) -> dict[str, float]:
    """Answer so many tasks; return the seconds that the annotator waits."""
    next_s, submit_s = [], []
    for number in range(n + 1):
        began = time.perf_counter()
        task = owner.next_task(project)
        opened = time.perf_counter()
        owner.annotate(task["id"], topic(task["data"]["topic"]))
        if number > 0:  # the first finds caches empty
            next_s.append(opened - began)
            submit_s.append(time.perf_counter() - opened)
    return {
        "next_median_s": float(np.median(next_s)),
        "next_p95_s": float(np.percentile(next_s, 95)),
        "submit_median_s": float(np.median(submit_s)),
        "submit_p95_s": float(np.percentile(submit_s, 95)),
    }


def _connect(ours: Ours, theirs: LocalLabelStudio, project: int) -> dict[str, float]:
    """Connect; return the seconds in all, and those in which the tasks were being embedded."""
    steps: list[tuple[float, str]] = []
    began = time.perf_counter()
    name = ours.begin_to_connect(theirs, project)
    while (info := ours.info(name))["state"] == "connecting":
        assert time.perf_counter() < began + LIMIT_S, info
        steps.append((time.perf_counter(), info["message"] or ""))
        time.sleep(0.05)
    ended = time.perf_counter()
    assert info["state"] == "connected", info
    spent: dict[str, float] = {}
    for (start, what), (end, _) in pairwise([*steps, (ended, "")]):
        spent[what] = spent.get(what, 0.0) + end - start
    for what, seconds in spent.items():
        print(f"  {seconds:7.2f} s  {what}")
    embedding = sum(seconds for what, seconds in spent.items() if what.startswith("embed"))
    return {"connect_s": ended - began, "embedding_s": embedding}


def _estimate(parts: dict[str, float], n: int) -> dict[str, float]:
    """Everything at connect grows with the tasks; what an annotator waits for does not, here."""
    times = ESTIMATED_N / n
    apart = parts["connect_s"] - parts["embedding_s"]
    return {
        "estimated_n": ESTIMATED_N,
        "estimated_connect_apart_from_embedding_s": apart * times,
        "estimated_embedding_s": parts["embedding_s"] * times,
        "estimated_reconcile_s": parts["reconcile_s"] * times,
    }


if __name__ == "__main__":
    main()
