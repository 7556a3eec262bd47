"""A comparison says what its runs say, whoever ran them, and however often it was stopped."""

import csv
import fcntl
import json
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from al_server.errors import BadInput, BadSource, UnknownPlugin
from al_server.lab import Comparison, Plan, compare
from al_server.lab.data import read_data
from al_server.lab.report import Report
from tests.lab.strategies import Peeking, Stuck
from tests.lab.toys import blobs

PLAN = Plan(strategies=("margin", "default"), repeats=6, budget=18, holdout=0.25, n_checkpoints=4)
HARD = {"spread": 0.6, "n_each": 30}


class Here(Executor):
    """Runs a task where it stands, when it is handed in."""

    def __init__(self) -> None:
        self.n_tasks = 0

    def submit(self, task: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        done: Future[Any] = Future()
        self.n_tasks += 1
        done.set_result(task(*args, **kwargs))
        return done


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Comparison, Path]]:
    out = tmp_path_factory.mktemp("done") / "report"
    yield compare(blobs(**HARD), PLAN, out=out, executor=Here()), out


def _without_times(comparison: Comparison) -> dict[str, Any]:
    said = json.loads(comparison.report.model_dump_json())
    for arm in said["arms"].values():
        del arm["select_ms"]
    return said


def test_random_always_runs_and_names_stay_as_they_were_given(
    done: tuple[Comparison, Path],
) -> None:
    assert list(done[0].report.arms) == ["margin", "default", "uniform"]


def test_the_folder_holds_every_file_and_nothing_that_was_only_needed_on_the_way(
    done: tuple[Comparison, Path],
) -> None:
    assert sorted(file.name for file in done[1].iterdir()) == [
        "curves.csv",
        "curves.png",
        "curves.svg",
        "plan.json",
        "probe.csv",
        "report.html",
        "report.json",
        "summary.csv",
    ]


def test_report_json_is_plain_json_and_reads_back(done: tuple[Comparison, Path]) -> None:
    text = (done[1] / "report.json").read_text()

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    said = json.loads(text, parse_constant=refuse)
    assert Report.model_validate_json(text).protocol == done[0].report.protocol
    for arm in said["arms"].values():
        assert {"aubc", "aubc_gain", "final", "labels_to"} <= set(arm)
        assert len(arm["aubc_gain"]) == 3
        assert set(arm["labels_to"]) == {"0.8", "0.9"}
        assert {len(one["ratio"]) for one in arm["labels_to"].values()} == {3}
    assert said["protocol"]["plan"]["repeats"] == 6


def test_its_numbers_are_those_of_the_raw_csv(done: tuple[Comparison, Path]) -> None:
    curves: dict[str, dict[int, list[tuple[int, float, float]]]] = {}
    with (done[1] / "curves.csv").open() as file:
        for row in csv.DictReader(file):
            if row["n_labeled"] != "end":
                point = (int(row["n_labeled"]), float(row["accuracy"]), float(row["macro_f1"]))
                curves.setdefault(row["arm"], {}).setdefault(int(row["repeat"]), []).append(point)
    areas: dict[str, list[float]] = {}
    for arm, runs in curves.items():
        assert sorted(runs) == list(range(6))
        areas[arm] = []
        for repeat in range(6):
            points = runs[repeat]
            assert [n for n, _, _ in points] == list(range(1, 19))
            trapezes = [(a[1] + b[1]) / 2 * (b[0] - a[0]) for a, b in zip(points, points[1:])]  # noqa: B905, RUF007
            areas[arm].append(sum(trapezes) / (points[-1][0] - points[0][0]))
    for name, arm in done[0].report.arms.items():
        gains = [a - b for a, b in zip(areas[name], areas["uniform"], strict=True)]
        assert arm.aubc == pytest.approx(sum(areas[name]) / 6)
        assert arm.aubc_gain.mean == pytest.approx(sum(gains) / 6)
        assert min(gains) <= arm.aubc_gain.low <= arm.aubc_gain.high <= max(gains)
        last = [curves[name][repeat][-1] for repeat in range(6)]
        assert arm.final["accuracy"] == pytest.approx(sum(one[1] for one in last) / 6)
        assert arm.final["macro_f1"] == pytest.approx(sum(one[2] for one in last) / 6)
        wins = [(a > b) + (a == b) / 2 for a, b in zip(areas[name], areas["uniform"], strict=True)]
        assert arm.win_share == pytest.approx(sum(wins) / 6)
        means = [sum(curves[name][r][n][1] for r in range(6)) / 6 for n in range(18)]
        for target, found in arm.labels_to.items():
            crossing = _crossing(means, float(target))
            assert found.labels == (None if crossing is None else pytest.approx(crossing))


def _crossing(means: list[float], target: float) -> float | None:
    """Pool adjacent violators by hand, then walk along the curve."""
    blocks: list[list[float]] = []
    for value in means:
        blocks.append([value])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            last = blocks.pop()
            blocks[-1] += last
    rising = [float(np.mean(block)) for block in blocks for _ in block]
    for place, value in enumerate(rising):
        if value >= target:
            if place == 0:
                return 1.0
            before = rising[place - 1]
            return place + (target - before) / (value - before)
    return None


def test_any_executor_finds_the_same(done: tuple[Comparison, Path], tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as threads:
        by_threads = compare(blobs(**HARD), PLAN, executor=threads)
    by_processes = compare(blobs(**HARD), PLAN, out=tmp_path / "new", n_workers=1)
    assert _without_times(by_threads) == _without_times(by_processes) == _without_times(done[0])


def test_a_comparison_that_was_stopped_goes_on_where_it_was(
    done: tuple[Comparison, Path], tmp_path: Path
) -> None:
    def stop(n_done: int, _n_all: int) -> None:
        if n_done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(blobs(**HARD), PLAN, out=tmp_path, executor=Here(), progress=stop)
    kept = (tmp_path / "curves.csv").read_text()
    assert kept.count("end") == 4 * 3
    # the machine went down in the middle of a line
    (tmp_path / "curves.csv").write_text(kept[:-5])
    executor = Here()
    again = compare(blobs(**HARD), PLAN, out=tmp_path, executor=executor)
    assert executor.n_tasks == 3
    assert (tmp_path / "curves.csv").read_text().startswith(kept[: len(kept) // 2])
    assert _without_times(again) == _without_times(done[0])
    executor = Here()
    compare(blobs(**HARD), PLAN, out=tmp_path, executor=executor)
    assert executor.n_tasks == 0


def test_a_folder_of_another_comparison_is_refused(done: tuple[Comparison, Path]) -> None:
    other = PLAN.model_copy(update={"budget": 17})
    with pytest.raises(BadInput, match=r"holds another comparison: budget was 18"):
        compare(blobs(**HARD), other, out=done[1], executor=Here())
    with pytest.raises(BadInput, match=r"holds another comparison: data"):
        compare(blobs(**{**HARD, "seed": 1}), PLAN, out=done[1], executor=Here())


def test_frames_are_tidy(done: tuple[Comparison, Path]) -> None:
    comparison = done[0]
    assert len(comparison.curves) == 3 * 6 * 18
    assert len(comparison.probe) == 3 * 6 * 4
    assert [row["arm"] for row in comparison.summary] == ["margin", "default", "uniform"]
    pytest.importorskip("pandas")
    frame = comparison.frame("curves")
    means = frame.groupby(["arm", "repeat"])["accuracy"].count()
    assert (means == 18).all()


def test_a_strategy_that_knows_the_labels_wins_and_one_that_is_stuck_loses() -> None:
    data = blobs(spread=0.5, n_each=40)
    plan = Plan(strategies=("planted", "stuck"), repeats=12, budget=15, holdout=0.3)
    own = {"planted": Peeking(data), "stuck": Stuck(data)}
    report = compare(data, plan, own=own, executor=Here()).report
    assert report.arms["planted"].against_random == "better"
    assert report.arms["planted"].p_value < 0.01
    assert report.arms["stuck"].against_random == "worse"
    assert report.verdict.headline.startswith("On this data planted")
    assert any("stuck LOSES to random" in one for one in report.verdict.losses)
    ratio = report.arms["planted"].labels_to_share_of_gain.ratio
    assert ratio.high < 1


def test_all_arms_of_a_repeat_share_their_first_labels() -> None:
    plan = PLAN.model_copy(update={"n_shared": 8, "batch": 2})
    found = compare(blobs(**HARD), plan, executor=Here())
    assert {row["n_labeled"] for row in found.curves} == {10, 12, 14, 16, 18}
    assert "the first 8 labels are drawn at random" in found.report.protocol.start


def test_imbalance_thins_the_pool_and_never_the_holdout() -> None:
    data = blobs(n_each=80)
    plan = Plan(repeats=2, budget=10, imbalance=8, probe=False)
    protocol = compare(data, plan, executor=Here()).report.protocol
    assert protocol.n_holdout == (48, 48)
    assert protocol.n_pool[1] == 64 + 23 + 8
    assert protocol.metric == "balanced_accuracy"


def test_folds_measure_every_sample_once() -> None:
    plan = Plan(repeats=5, folds=5, budget=10, probe=False)
    protocol = compare(blobs(), plan, executor=Here()).report.protocol
    assert protocol.n_holdout == (24, 24)
    assert protocol.n_repeats == 5


def test_without_a_probe_nothing_is_said_of_it(tmp_path: Path) -> None:
    plan = Plan(repeats=2, budget=5, probe=False)
    found = compare(blobs(), plan, out=tmp_path, executor=Here())
    assert found.report.verdict.linear_model is None
    assert found.report.arms["default"].probe is None
    assert not (tmp_path / "probe.csv").exists()
    assert "linear model" not in (tmp_path / "report.html").read_text()


# -- the page ------------------------------------------------------------------------------------


def test_the_page_needs_nothing_else(done: tuple[Comparison, Path]) -> None:
    page = (done[1] / "report.html").read_text()
    assert re.findall(r'(?:src|href)="[^"]*"|@import|url\(', page) == []
    assert "<script" not in page
    addresses = set(re.findall(r"https?://[^\s\"<)]+", page))
    assert addresses <= {"http://www.w3.org/2000/svg"}


def test_the_page_begins_with_the_verdict(done: tuple[Comparison, Path]) -> None:
    from html import unescape

    page = unescape((done[1] / "report.html").read_text())
    assert f"<h1>{done[0].report.verdict.headline}</h1>" in page
    for said in (*done[0].report.verdict.losses, *done[0].report.warnings):
        assert said in page


def test_names_are_text_and_never_markup(tmp_path: Path) -> None:
    name = '<img src="x">'
    data = replace(blobs(), name="<b>bold</b>")
    plan = Plan(strategies=(name,), repeats=2, budget=4, probe=False)
    compare(data, plan, out=tmp_path, own={name: Peeking(data)}, executor=Here())
    for file in ("report.html", "curves.svg"):
        text = (tmp_path / file).read_text()
        assert "<img" not in text and "<b>" not in text


def test_the_drawings_are_pictures(done: tuple[Comparison, Path]) -> None:
    from PIL import Image

    with Image.open(done[1] / "curves.png") as picture:
        assert picture.size == (1520, 860)
        assert len(picture.getcolors(1 << 20)) > 100
    svg = (done[1] / "curves.svg").read_text()
    assert svg.count("<polygon") == 3  # a band each
    assert all(f">{name}</text>" in svg for name in done[0].report.arms)


# -- what cannot be compared ----------------------------------------------------------------------


def test_targets_that_nobody_reaches_are_said_to_be_so() -> None:
    plan = Plan(repeats=8, budget=6, targets=(0.999,), probe=False)
    report = compare(blobs(spread=1.5), plan, executor=Here()).report
    assert {arm.labels_to["0.999"].labels for arm in report.arms.values()} == {None}
    assert any("No strategy reaches 99.9% within 6 labels" in one for one in report.warnings)


def test_too_few_repeats_are_said_to_be_so() -> None:
    report = compare(blobs(), Plan(repeats=3, budget=5, probe=False), executor=Here()).report
    assert report.verdict.headline.startswith("3 repeats are too few to say")
    assert any("take 6 or more" in one for one in report.warnings)


def test_a_split_that_leaks_is_said_to_do_so() -> None:
    data = blobs(spread=1.0, n_features=16)
    twice = replace(
        data,
        embeddings=np.tile(data.embeddings, (3, 1)),
        labels=np.tile(data.labels, 3),
        groups=np.tile(np.arange(len(data.labels)), 3),
    )
    plan = Plan(repeats=2, budget=5, probe=False)
    said = compare(twice, plan, executor=Here()).report.warnings
    assert any("near copies" in one and "--group" in one for one in said)
    grouped = plan.model_copy(update={"by_group": True})
    assert not any(
        "copies" in one for one in compare(twice, grouped, executor=Here()).report.warnings
    )


def test_a_budget_beyond_the_pool_ends_with_it() -> None:
    plan = Plan(repeats=2, budget=500, probe=False)
    report = compare(blobs(n_each=10, n_classes=2), plan, executor=Here()).report
    assert report.protocol.plan.budget == 16
    assert any("everything is labeled" in one for one in report.warnings)


def test_nan_is_refused(tmp_path: Path) -> None:
    vectors = blobs().embeddings.copy()
    vectors[7, 1] = np.nan
    with pytest.raises(BadInput, match="NaN"):
        compare(replace(blobs(), embeddings=vectors), PLAN, executor=Here())
    np.savez(tmp_path / "a.npz", X=vectors, y=blobs().labels)
    with pytest.raises(BadSource, match="rows 7 hold NaN"):
        compare(tmp_path / "a.npz", PLAN, executor=Here())


def test_a_class_with_one_sample_is_refused(tmp_path: Path) -> None:
    labels = np.where(np.arange(120) == 5, 9, blobs().labels)
    np.savez(tmp_path / "a.npz", X=blobs().embeddings, y=labels)
    with pytest.raises(BadSource, match="class '9' has a single sample"):
        read_data(tmp_path / "a.npz")


def test_more_folds_than_samples_of_a_class_are_refused() -> None:
    with pytest.raises(BadInput, match="whose smallest class has 40 samples"):
        compare(blobs(), Plan(repeats=50, folds=50), executor=Here())


def test_a_holdout_without_some_class_is_refused() -> None:
    data = blobs()
    rare = replace(data, labels=np.where(np.arange(120) < 118, data.labels % 2, 2))
    with pytest.raises(BadInput, match=r"no sample of class 'c2'|cannot be split"):
        compare(rare, Plan(repeats=4, holdout=0.1), executor=Here())


def test_an_unknown_strategy_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(UnknownPlugin, match="margine"):
        compare(blobs(), Plan(strategies=("margine",)), out=tmp_path / "none", executor=Here())
    assert not (tmp_path / "none").exists()


def test_two_comparisons_do_not_work_in_one_folder(tmp_path: Path) -> None:
    holder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    with pytest.raises(BadInput, match="another comparison is at work"):
        compare(blobs(), Plan(repeats=2, budget=5, probe=False), out=tmp_path, n_workers=1)
    os.close(holder)
    compare(blobs(), Plan(repeats=2, budget=5, probe=False), out=tmp_path, n_workers=1)
    assert (tmp_path / "report.json").exists()
