"""What was measured once is kept, also when the next run is cut off."""

from pathlib import Path

import numpy as np
import pytest

from al_server.lab.curves import CurvesFile, Run
from al_server.lab.measures import Quality
from al_server.lab.replay import Trace


def _trace(seed: int) -> Trace:
    rng = np.random.default_rng(seed)
    return Trace(
        picks=np.arange(4),
        n_labeled=[1, 2, 3, 4],
        qualities=[Quality(*rng.random(5).tolist()) for _ in range(4)],
        select_s=rng.random(4).tolist(),
    )


def test_runs_come_back_as_they_were(tmp_path: Path) -> None:
    file = CurvesFile(tmp_path / "curves.csv")
    assert file.read() == {}
    runs = {Run("margin", 0): _trace(0), Run("product?margin=2&density=1", 3): _trace(1)}
    for run, trace in runs.items():
        file.append(run, trace)
    found = file.read()
    assert list(found) == list(runs)
    for run, trace in runs.items():
        assert [one.n_labeled for one in found[run]] == trace.n_labeled
        assert [one.quality for one in found[run]] == trace.qualities
        assert [one.select_s for one in found[run]] == trace.select_s


@pytest.mark.parametrize("n_lost", [1, 3, 30, 120])
def test_a_run_that_was_cut_off_is_forgotten_and_the_others_stay(
    tmp_path: Path, n_lost: int
) -> None:
    file = CurvesFile(tmp_path / "curves.csv")
    file.append(Run("margin", 0), _trace(0))
    whole = file.path.read_bytes()
    file.append(Run("margin", 1), _trace(1))
    file.path.write_bytes(file.path.read_bytes()[:-n_lost])
    assert list(file.read()) == [Run("margin", 0)]
    file.drop_unfinished()
    assert file.path.read_bytes() == whole
    file.append(Run("margin", 1), _trace(1))
    assert list(file.read()) == [Run("margin", 0), Run("margin", 1)]


def test_only_the_heading_stays_of_a_first_run_that_was_cut_off(tmp_path: Path) -> None:
    file = CurvesFile(tmp_path / "curves.csv")
    file.append(Run("margin", 0), _trace(0))
    file.path.write_bytes(file.path.read_bytes()[:-2])
    file.drop_unfinished()
    assert file.read() == {}
    assert file.path.read_text().count("\n") == 1
