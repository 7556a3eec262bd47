"""The report as one page that needs nothing else: style and drawings are inside of it."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import numpy as np

from al_server.lab.chart import color_of, is_dashed
from al_server.lab.palette import DARK, LIGHT
from al_server.lab.plan import BASELINE
from al_server.lab.report import Report
from al_server.lab.statistics import Estimate
from al_server.lab.verdict import METRIC_NAMES

_WIDTH = 200.0  # of the drawing of an interval


def render(report: Report, *, curves: str, probe_curves: str | None) -> str:
    """Return the page.

    Parameters
    ----------
    curves, probe_curves : drawings, as SVG elements
    """
    from markupsafe import Markup

    arms = list(report.arms)
    ranked = sorted(report.arms.items(), key=lambda one: -one[1].aubc)
    probed = [(name, arm.probe) for name, arm in ranked if arm.probe is not None]
    placed = _places([*ranked, *probed])
    return fill(
        "report.html",
        **{name: getattr(report, name) for name in ("verdict", "warnings", "protocol", "wins")},
        arms=arms,
        ranked=ranked,
        probed=sorted(probed, key=lambda one: -one[1].aubc),
        targets=list(report.arms[BASELINE].labels_to),
        goal=report.arms[BASELINE].labels_to_share_of_gain,
        measures=list(report.arms[BASELINE].final),
        metric=METRIC_NAMES[report.protocol.metric],
        settings=_settings(report),
        curves=Markup(curves),
        probe_curves=None if probe_curves is None else Markup(probe_curves),
        color=lambda name: color_of(arms, name),
        dashed=lambda name: is_dashed(arms, name),
        placed=lambda _name, arm: placed(arm.aubc_gain),
    )


def fill(template: str, **values: Any) -> str:
    """Return a page from one of the templates; the style comes with it."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("al_server.lab"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= _FILTERS
    return environment.get_template(template).render(style=Markup(_style()), **values)


def _style() -> str:
    base = (files("al_server.web") / "static" / "base.css").read_text("utf-8")
    own = (files("al_server.lab") / "templates" / "report.css").read_text("utf-8")

    def colors(palette: tuple[str, ...]) -> str:
        return "\n".join(f".c{place} {{ --c: {color}; }}" for place, color in enumerate(palette))

    dark = f"@media (prefers-color-scheme: dark) {{\n{colors(DARK)}\n}}"
    return "\n".join([base, own, colors(LIGHT), dark])


def _places(rows: list[tuple[str, Any]]) -> Any:
    """Return what puts an interval into its drawing; all of the page share one scale."""
    ends: list[float] = [end for _, arm in rows for end in arm.aubc_gain]
    low, high = min(0.0, *ends), max(0.0, *ends)
    margin = 0.05 * (high - low) or 1.0

    def place(value: float) -> float:
        return round(_WIDTH * (value - low + margin) / (high - low + 2 * margin), 1)

    def placed(gain: Estimate) -> Mapping[str, float]:
        return {"zero": place(0.0)} | {name: place(value) for name, value in gain._asdict().items()}

    return placed


def _settings(report: Report) -> list[tuple[str, str]]:
    done, plan = report.protocol, report.protocol.plan
    split = f"{plan.folds} folds" if plan.folds is not None else f"a holdout of {plan.holdout:.0%}"
    return [
        ("data", f"{done.data}, {done.n_samples:,} x {done.n_features}"),
        ("data fingerprint", done.fingerprint[:16]),
        ("split", f"{split}{', whole groups' if plan.by_group else ', stratified by class'}"),
        ("pool", _range(done.n_pool)),
        ("holdout", _range(done.n_holdout)),
        ("imbalance of the pool", "as it is" if not plan.imbalance else f"1:{plan.imbalance:g}"),
        ("repeats", str(done.n_repeats)),
        ("labels", f"{plan.budget}, {plan.batch} at a time"),
        ("start", done.start),
        ("classifier", f"{plan.k} nearest neighbors" if plan.classifier == "knn" else "propagated"),
        ("measure", METRIC_NAMES[done.metric]),
        ("seed", str(plan.seed)),
        ("al_server", done.version),
    ]


def _range(ends: tuple[int, int]) -> str:
    low, high = ends
    return f"{low:,} samples" if low == high else f"{low:,} to {high:,} samples"


def _number(value: float, text: str) -> str:
    return text if np.isfinite(value) else "?"


def _points(gain: Estimate) -> str:
    mean, low, high = (100 * one for one in gain)
    return f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"


def _ratio(ratio: Estimate) -> str:
    if not np.isfinite(ratio.mean):
        return ""
    low, high = (_number(one, f"{one:.2f}") for one in (ratio.low, ratio.high))
    return f"{ratio.mean:.2f} ({low}-{high})"


_FILTERS: dict[str, Any] = {
    "percent": lambda value: f"{100 * value:.1f}%",
    "share": lambda value: f"{100 * float(value):g}%",
    "points": _points,
    "ratio": _ratio,
    "labels": lambda value: "never" if value is None else f"{value:.0f}",
    "p": lambda value: "< 0.001" if value < 0.001 else _number(value, f"{value:.3f}"),
    "milliseconds": lambda value: f"{value:.2f} ms" if value < 10 else f"{value:,.0f} ms",
}
