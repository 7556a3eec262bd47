"""The report over several data sets, beside those of each."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import orjson

from al_server.lab.page import fill
from al_server.lab.png import png
from al_server.lab.ranking import Ranking, draw_ranking, rank
from al_server.lab.report import Report
from al_server.lab.svg import inline_svg, standalone_svg
from al_server.lab.writing import write_whole

TITLE = "Mean ranks of strategies"


def write_ranking(reports: Mapping[str, Report], folder: Path) -> Ranking:
    """Rank the strategies over data sets, and write it as JSON, HTML, SVG and PNG.

    Parameters
    ----------
    reports : by data set, which is also the name of the folder of its own report
    """
    from markupsafe import Markup

    ranking = rank(
        {data: {name: arm.aubc for name, arm in one.arms.items()} for data, one in reports.items()}
    )
    arms = list(next(iter(reports.values())).arms)
    drawing = draw_ranking(ranking, arms)
    page = fill(
        "ranking.html",
        ranking=ranking,
        reports=reports,
        headline=headline(ranking, reports),
        losses=[f"{data}: {said}" for data, one in reports.items() for said in one.verdict.losses],
        diagram=Markup(inline_svg(drawing, title=TITLE)),
    )
    write_whole(folder / "report.html", page.encode())
    write_whole(folder / "ranks.svg", standalone_svg(drawing, title=TITLE).encode())
    write_whole(folder / "ranks.png", png(drawing))
    write_whole(folder / "ranking.json", orjson.dumps(asdict(ranking), option=orjson.OPT_INDENT_2))
    return ranking


def headline(ranking: Ranking, reports: Mapping[str, Report]) -> str:
    """Say who is ahead, and on how many data sets it beats random, and loses to it."""
    best, mean_rank = next(iter(ranking.mean_ranks.items()))
    said = [one.arms[best].against_random for one in reports.values()]
    if "baseline" in said:
        return f"Over {len(reports)} data sets no strategy has a better mean rank than random."
    return (
        f"Over {len(reports)} data sets {best} has the best mean rank, {mean_rank:.2f}: better "
        f"than random on {said.count('better')}, worse on {said.count('worse')}."
    )
