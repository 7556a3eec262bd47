"""The page of a curation, from what `insights.gather` found."""

import json
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from al_server.curation.insights import Insights
from al_server.curation.insights_measures import Balance, Histogram

# what separates JSON from the markup around it, and what JavaScript once took for line ends
_UNSAFE = {ord(one): f"\\u{ord(one):04x}" for one in "<>&\u2028\u2029"}
_MOST_ROWS_OF_A_TABLE = 60


def render(found: Insights) -> str:
    """Return the page, a document that needs nothing but itself."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    scripts = [get_plotlyjs(), _template("insights.js")]
    environment = Environment(
        loader=PackageLoader("al_server.curation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"distance": distance, "share": _share, "number": "{:,}".format}
    return environment.get_template("insights.html").render(
        style=Markup(_style()),
        scripts=[Markup(one) for one in scripts],
        policy=_policy(scripts),
        data=Markup(_json(_map(found))),
        found=found,
        curated=found.curated,
        n=len(found.curated.sample_ids),
        bars=(bars := _bars(found.histogram)),
        outline="".join(["M0 200", *(f"V{200 - one['before']:g}h20" for one in bars), "V200"]),
        axis=_axis(found.histogram),
        balances=[
            (name, rows[:_MOST_ROWS_OF_A_TABLE], len(rows), _unevenness(rows))
            for name, rows in (("Classes", found.classes), ("Clusters", found.clusters))
            if rows
        ],
        kind="pictures" if found.pictures.uris else "samples" if found.texts is None else "texts",
        reason_of=lambda row: found.curated.steps[found.state[row] - 1].reason,
    )


def _policy(scripts: list[str]) -> str:
    """Allow these scripts and no others, and nothing from anywhere else."""
    hashes = [f"'sha256-{b64encode(sha256(one.encode()).digest()).decode()}'" for one in scripts]
    return "; ".join(
        (
            "default-src 'none'",
            # WebGL's drawing code is put together by plotly at run time
            f"script-src {' '.join(hashes)} 'unsafe-eval'",
            "style-src 'unsafe-inline'",
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _style() -> str:
    base = (files("al_server.web") / "static" / "base.css").read_text("utf-8")
    return f"{base}\n{_template('insights.css')}"


def _template(name: str) -> str:
    return (files("al_server.curation") / "templates" / name).read_text("utf-8")


def _map(found: Insights) -> dict[str, Any]:
    """Return what the script draws: columns, one entry a drawn sample."""
    drawn, names = found.drawn, found.curated.sample_ids
    place = {row: at for at, row in enumerate(drawn.tolist())}
    others = found.because_of[drawn].tolist()
    # a kept sample need not be drawn; its name and picture are told all the same
    aside = sorted({row for row in others if row >= 0 and row not in place})
    rows = [*drawn.tolist(), *aside]
    place |= {row: len(drawn) + at for at, row in enumerate(aside)}
    return {
        "ids": [names[row] for row in rows],
        "texts": None if found.texts is None else [found.text(row) for row in rows],
        "pictures": {place[row]: uri for row, uri in found.pictures.uris.items() if row in place},
        "states": [
            {"name": "kept", "reason": "kept"},
            *({"name": step.name, "reason": step.reason} for step in found.curated.steps),
        ],
        "state": found.state[drawn].tolist(),
        "because_of": [place.get(row, -1) for row in others],
        "distance": _or_null(found.distance[drawn]),
        "score": _or_null(found.score[drawn]),
        "flat": np.round(found.flat, 4).T.tolist(),
        "solid": np.round(found.solid, 4).T.tolist(),
        "method": {"pca": "PCA", "umap": "UMAP", "tsne": "t-SNE"}[found.method],
    }


def _or_null(values: NDArray[np.float32]) -> list[float | None]:
    return [None if np.isnan(one) else float(f"{one:.4g}") for one in values.tolist()]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False).translate(_UNSAFE)


def _bars(found: Histogram) -> list[dict[str, Any]]:
    """Return bars of a drawing of 800 x 200; what was before is an outline behind."""
    top = max(found.before.max(initial=0), found.after.max(initial=0)) or 1.0
    width = 800 / len(found.before)
    return [
        {
            "x": round(place * width, 2),
            "width": round(width, 2),
            "before": round(200 * float(before) / top, 2),
            "after": round(200 * float(after) / top, 2),
            "said": f"{low:.3g} to {high:.3g}: {before:.1%} before, {after:.1%} after",
        }
        for place, (before, after, low, high) in enumerate(
            zip(found.before, found.after, found.edges[:-1], found.edges[1:], strict=True)
        )
    ]


def _axis(found: Histogram) -> list[str]:
    return [distance(found.edges[-1] * part / 4) for part in range(5)]


def _unevenness(rows: list[Balance]) -> tuple[str, str] | None:
    """Return largest to smallest, before and after."""
    named = [row for row in rows if row.name != "(no class)"]
    if len(named) < 2:
        return None

    def ratio(counts: list[int]) -> str:
        if not min(counts):
            n_gone = counts.count(0)
            return f"{n_gone} of them empty"
        return f"1:{max(counts) / min(counts):.3g}"

    return ratio([row.n_before for row in named]), ratio([row.n_after for row in named])


def distance(value: float) -> str:
    """Write a distance to three figures."""
    if np.isnan(value):
        return "?"
    return "0" if abs(value) < 5e-7 else f"{value:.3g}" if value >= 1e-3 else "<0.001"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%" if whole else "?"
