"""Drawings as SVG: colors by class, so that a page can have light and dark ones."""

from html import escape

from al_server.lab.chart import WIDTH, Drawing, Label, Shape
from al_server.lab.palette import INK, LIGHT, LINES


def inline_svg(drawing: Drawing, *, title: str) -> str:
    """Return an element for a page that brings the style."""
    content = [_shape(one) for one in drawing.shapes] + [_label(one) for one in drawing.labels]
    return "\n".join(
        [
            f'<svg class="chart" xmlns="http://www.w3.org/2000/svg" role="img" '
            f'viewBox="0 0 {WIDTH} {drawing.height}" aria-label="{escape(title)}">',
            *content,
            "</svg>",
        ]
    )


def standalone_svg(drawing: Drawing, *, title: str) -> str:
    """Return a whole file, dark on white."""
    colors = "".join(f".c{place}{{--c:{color}}}" for place, color in enumerate(LIGHT))
    style = (
        f"<style>svg{{background:#fff;font:13px sans-serif}}{colors}"
        ".line{fill:none;stroke:var(--c);stroke-width:2;stroke-linejoin:round}"
        ".dashed{stroke-dasharray:6 4}.band{fill:var(--c);opacity:.14}"
        f".grid{{stroke:{LINES}}}.target{{stroke:{INK};stroke-dasharray:2 4;opacity:.6}}"
        f".group{{stroke:{INK};stroke-width:4;stroke-linecap:round}}"
        f"text{{fill:{INK}}}text[class]{{fill:var(--c);font-weight:600}}</style>"
        f'<rect width="{WIDTH}" height="{drawing.height}" fill="#fff"/>'
    )
    head, _, rest = inline_svg(drawing, title=title).partition("\n")
    return f"{head}\n{style}\n{rest}\n"


def _shape(shape: Shape) -> str:
    points = " ".join(f"{x:g},{y:g}" for x, y in shape.points)
    color = f" c{shape.color}" if shape.color >= 0 else ""
    dashed = " dashed" if shape.dashed else ""
    kind = "polygon" if shape.role == "band" else "polyline"
    title = f"<title>{escape(shape.title)}</title>" if shape.title else ""
    return f'<{kind} class="{shape.role}{color}{dashed}" points="{points}">{title}</{kind}>'


def _label(label: Label) -> str:
    x, y = label.at
    color = f' class="c{label.color}"' if label.color >= 0 else ""
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="{label.anchor}"{color}>{escape(label.text)}</text>'
    )
