"""Strategies against random sampling on labeled data: the whole of it in one call."""

import fcntl
import os
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from al_server.errors import BadInput
from al_server.lab import cautions
from al_server.lab.claim import claim
from al_server.lab.curves import CurvesFile, Point, Run
from al_server.lab.data import LabeledData, read_data
from al_server.lab.measures import Quality
from al_server.lab.plan import Plan
from al_server.lab.report import Report, judge_arms, protocol, win_matrix
from al_server.lab.results import Results, gather
from al_server.lab.running import ArmResult, Progress, Task, run_all, save_data
from al_server.lab.splits import Split, splits_of
from al_server.lab.verdict import verdict
from al_server.lab.writing import write_report

if TYPE_CHECKING:
    from strategies.pool import Strategy

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Comparison:
    """What a comparison found.

    Attributes
    ----------
    report : the numbers of `report.json`
    curves : one row for every arm, repeat and number of labels
    probe : the same of the linear model; empty without one
    """

    report: Report
    curves: Rows
    probe: Rows

    @property
    def summary(self) -> Rows:
        """One row an arm."""
        return [
            {
                "arm": name,
                "aubc": arm.aubc,
                "gain": arm.aubc_gain.mean,
                "gain_low": arm.aubc_gain.low,
                "gain_high": arm.aubc_gain.high,
                "p_value": arm.p_value,
                "against_random": arm.against_random,
                "win_share": arm.win_share,
                **{f"gain_{third}_budget": one.gain.mean for third, one in arm.thirds.items()},
                **{f"final_{metric}": value for metric, value in arm.final.items()},
                **{f"labels_to_{target}": one.labels for target, one in arm.labels_to.items()},
                **{f"ratio_to_{target}": one.ratio.mean for target, one in arm.labels_to.items()},
                "select_ms": arm.select_ms.median,
                "probe_gain": np.nan if arm.probe is None else arm.probe.aubc_gain.mean,
            }
            for name, arm in self.report.arms.items()
        ]

    def frame(self, name: str = "summary") -> Any:
        """Return `summary`, `curves` or `probe` as a pandas data frame; needs pandas."""
        import pandas as pd

        return pd.DataFrame(getattr(self, name))


def compare(
    data: LabeledData | Path | str,
    plan: Plan | None = None,
    *,
    out: Path | None = None,
    own: "Mapping[str, Strategy] | None" = None,
    executor: Executor | None = None,
    n_workers: int | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Replay strategies on labeled data, and say how they do against random sampling.

    Parameters
    ----------
    data : labeled samples, or an `.npz` of them
    plan : what to compare, and how
    out : folder for the runs and the report; what is finished there is not run again, so that a
        comparison that was stopped goes on where it was
    own : strategies that have no name by which they could be made, under the names that the plan
        gives them
    executor : where repeats run, any of `concurrent.futures`; `out` must be a folder that its
        workers can read. None: processes of this machine
    n_workers : how many processes; None: one a core
    progress : called with how many repeats are done, and how many there are

    Raises
    ------
    BadInput, BadSource
        If the data cannot be compared on as the plan says, or `out` holds another comparison.
    """
    data = data if isinstance(data, LabeledData) else read_data(Path(data))
    own = own or {}
    plan = _feasible(plan or Plan(), data, own)
    splits = splits_of(plan, data)
    plan = _within(plan, data, splits)
    with _folder(out) as folder:
        claim(folder, plan, data, own)
        curves_file, probe_file = files_in(folder)
        _run_rest(
            plan,
            data,
            splits,
            folder,
            own=own,
            executor=executor,
            n_workers=n_workers,
            progress=progress,
        )
        curves, probes = curves_file.read(), probe_file.read()
        repeats = list(range(len(splits)))
        results = gather(curves, arms=plan.arms, repeats=repeats)
        probed = gather(probes, arms=plan.arms, repeats=repeats) if plan.probe else None
        report = _report(plan, data, splits, results, probed)
        comparison = Comparison(report, _tidy(curves, "select_s"), _tidy(probes, "fit_s"))
        if out is not None:
            write_report(comparison, folder, results=results, probed=probed)
    return comparison


def files_in(folder: Path) -> tuple[CurvesFile, CurvesFile]:
    """Return the files of the raw results: the campaign's classifier's, the linear model's."""
    return CurvesFile(folder / "curves.csv"), CurvesFile(folder / "probe.csv", seconds="fit_s")


def _feasible(plan: Plan, data: LabeledData, own: "Mapping[str, Strategy]") -> Plan:
    """Refuse now what would fail in a worker."""
    from al_server.campaign.strategy import make_strategy

    for arm in plan.arms:
        if arm not in own:
            make_strategy(arm)
    if not np.isfinite(data.embeddings).all():
        raise BadInput(f"{data.name} holds NaN or infinite numbers", "leave these samples out")
    return plan


def _within(plan: Plan, data: LabeledData, splits: list[Split]) -> Plan:
    """Cut the budget to the smallest pool: curves must be equally long."""
    n_pool = min(len(split.pool) for split in splits)
    budget = min(plan.budget, n_pool)
    if budget - plan.n_shared < plan.batch or budget < 2:
        raise BadInput(
            f"the pool of {data.name} has {n_pool} samples, too few to choose {plan.batch} of them "
            f"after the first {plan.n_shared}",
            "take a smaller batch or a smaller shared start",
        )
    return plan.model_copy(update={"budget": budget})


@contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    if out is None:
        with tempfile.TemporaryDirectory() as aside:
            yield Path(aside)
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = os.open(out, os.O_RDONLY)
    except OSError as error:
        raise BadInput(f"{out} cannot be made: {error.strerror}", "name another folder") from error
    try:
        _hold(lock, out)
        yield out
    finally:
        os.close(lock)


def _hold(lock: int, out: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # gone with the process, however it ends
    except BlockingIOError:
        raise BadInput(
            f"another comparison is at work in {out}", "wait for it, or name another folder"
        ) from None


def _run_rest(
    plan: Plan,
    data: LabeledData,
    splits: list[Split],
    folder: Path,
    *,
    own: "Mapping[str, Strategy]",
    executor: Executor | None,
    n_workers: int | None,
    progress: Progress | None,
) -> None:
    """Run what is not finished yet; every repeat is on disk as soon as it is."""
    curves_file, probe_file = files_in(folder)
    for file in (curves_file, probe_file):
        file.drop_unfinished()
    probed = set(probe_file.read())
    # a run counts when all of it is there; its probe is written first
    done = set(curves_file.read())

    def finished(repeat: int, results: list[ArmResult]) -> None:
        for arm, trace, probe in results:
            run = Run(arm, repeat)
            if probe is not None and run not in probed:
                probe_file.append(run, probe)
            curves_file.append(run, trace)

    # workers keep what they have read by its name
    data_file = folder / f".data-{data.fingerprint()}.npz"
    missing = {
        repeat: tuple(arm for arm in plan.arms if Run(arm, repeat) not in done)
        for repeat in range(len(splits))
    }
    tasks = [
        Task(data_file, plan, repeat, splits[repeat], arms, own)
        for repeat, arms in missing.items()
        if arms
    ]
    if not tasks:
        return
    save_data(data, data_file)
    try:
        run_all(
            tasks,
            executor=executor,
            n_workers=n_workers,
            finished=finished,
            progress=progress,
        )
    finally:
        data_file.unlink(missing_ok=True)


def _report(
    plan: Plan,
    data: LabeledData,
    splits: list[Split],
    results: Results,
    probed: Results | None,
) -> Report:
    arms = judge_arms(plan, results, probed)
    return Report(
        verdict=verdict(plan, arms),
        warnings=[*cautions.of_data(plan, data, splits), *cautions.of_result(plan, arms)],
        arms=arms,
        wins=win_matrix(plan, results),
        protocol=protocol(plan, data, splits),
    )


def _tidy(runs: dict[Run, list[Point]], seconds: str) -> Rows:
    return [
        {
            "arm": run.arm,
            "repeat": run.repeat,
            "n_labeled": point.n_labeled,
            **dict(zip(Quality._fields, point.quality, strict=True)),
            seconds: point.select_s,
        }
        for run in sorted(runs)
        for point in runs[run]
    ]
