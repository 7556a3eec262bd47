"""Ranks over data sets, beside numbers that were published."""

import json
from pathlib import Path

import numpy as np
import pytest

from al_server.errors import BadInput
from al_server.lab import Plan, compare
from al_server.lab.ranking import draw_ranking, rank
from al_server.lab.several import write_ranking
from al_server.lab.svg import standalone_svg
from tests.lab.strategies import Peeking
from tests.lab.test_comparison import Here
from tests.lab.toys import blobs

# Demsar 2006, table 6: areas under the curve of four decision trees on 14 data sets
DEMSAR = """
.763 .768 .771 .798
.599 .591 .590 .569
.954 .971 .968 .967
.628 .661 .654 .657
.882 .888 .886 .898
.936 .931 .916 .931
.661 .668 .609 .685
.583 .583 .563 .625
.775 .838 .866 .875
1.000 1.000 1.000 1.000
.940 .962 .965 .962
.619 .666 .614 .669
.972 .981 .9751 .975
.957 .978 .946 .970
"""


def _demsar() -> dict[str, dict[str, float]]:
    rows = [list(map(float, line.split())) for line in DEMSAR.split("\n") if line]
    names = ("C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf")
    return {str(n): dict(zip(names, row, strict=True)) for n, row in enumerate(rows)}


def test_the_published_example_comes_out() -> None:
    found = rank(_demsar())
    assert found.mean_ranks == pytest.approx(
        {"C4.5+m+cf": 1.964, "C4.5+m": 2.000, "C4.5+cf": 2.893, "C4.5": 3.143}, abs=5e-4
    )
    assert found.critical_difference == pytest.approx(1.25, abs=5e-3)
    squares = sum(mean**2 for mean in found.mean_ranks.values())
    assert 12 * 14 / 20 * (squares - 4 * 25 / 4) == pytest.approx(9.28, abs=0.01)
    # that is a p of 0.0258; ours corrects it for the ties
    assert 0.01 < found.friedman_p < 0.0258
    # the best and the worst differ by 1.18: less than the critical difference
    assert found.groups == [("C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5")]


def test_who_differs_by_more_is_in_no_group_together() -> None:
    sets = {str(n): {"a": 0.9, "b": 0.8 - n % 2, "c": 0.7 - n % 2, "d": 0.1} for n in range(40)}
    found = rank(sets)
    assert found.mean_ranks == {"a": 1.0, "b": 2.5, "c": 3.0, "d": 3.5} or found.groups
    for group in found.groups:
        ranks = [found.mean_ranks[name] for name in group]
        assert max(ranks) - min(ranks) < found.critical_difference
    apart = rank({str(n): {"a": 1.0, "b": 0.5, "c": 0.1} for n in range(40)})
    assert apart.groups == []


def test_ties_share_a_rank() -> None:
    found = rank({"x": {"a": 0.5, "b": 0.5, "c": 0.1}, "y": {"a": 0.5, "b": 0.5, "c": 0.1}})
    assert found.mean_ranks == {"a": 1.5, "b": 1.5, "c": 3.0}


def test_two_arms_are_ranked_without_friedman() -> None:
    found = rank({"x": {"a": 1.0, "b": 0.0}, "y": {"a": 1.0, "b": 0.0}})
    assert list(found.mean_ranks) == ["a", "b"] and np.isnan(found.friedman_p)


@pytest.mark.parametrize(
    "sets", [{}, {"x": {"a": 1.0, "b": 0.0}}, {"x": {"a": 1.0}, "y": {"b": 1}}]
)
def test_what_cannot_be_ranked_is_refused(sets: dict[str, dict[str, float]]) -> None:
    with pytest.raises(BadInput, match="cannot be ranked"):
        rank(sets)


def test_the_diagram_names_every_arm_with_its_rank() -> None:
    found = rank(_demsar())
    text = standalone_svg(draw_ranking(found, list(found.mean_ranks)), title="ranks")
    for name, mean in found.mean_ranks.items():
        assert f">{name} {mean:.2f}</text>" in text
    assert text.count('class="group"') == 1


def test_the_report_over_several_links_to_each(tmp_path: Path) -> None:
    reports = {}
    for seed in range(2):
        data = blobs(seed=seed, spread=0.5)
        plan = Plan(strategies=("planted",), repeats=7, budget=8, probe=False)
        found = compare(data, plan, own={"planted": Peeking(data)}, executor=Here())
        reports[f"set {seed}"] = found.report
    write_ranking(reports, tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert 'href="set%200/report.html"' in page
    assert "planted has the best mean rank, 1.00: better than random on 2, worse on 0" in page
    assert json.loads((tmp_path / "ranking.json").read_text())["friedman_p"] is None
    assert {file.name for file in tmp_path.iterdir()} == {
        "report.html",
        "ranking.json",
        "ranks.svg",
        "ranks.png",
    }
