"""Drawings as PNG, by Pillow: for slides and documents that take no SVG."""

from io import BytesIO
from itertools import pairwise
from typing import TYPE_CHECKING

from al_server.lab.chart import WIDTH, Drawing, Point, Shape
from al_server.lab.palette import INK, LIGHT, LINES

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

SCALE = 2  # pixels a unit
_FINER = 2  # drawn so much larger, then made smaller: that smooths the edges
_ANCHORS = {"start": "ls", "middle": "ms", "end": "rs"}
_BAND_OPACITY = 36  # of 255


def png(drawing: Drawing) -> bytes:
    """Return the file, dark on white."""
    from PIL import Image, ImageDraw, ImageFont

    finer = SCALE * _FINER
    size = (WIDTH * finer, drawing.height * finer)
    picture = Image.new("RGBA", size, "white")
    for shape in drawing.shapes:
        if shape.role == "band":
            layer = Image.new("RGBA", size, (0, 0, 0, 0))
            pencil = ImageDraw.Draw(layer)
            fill = (*_rgb(LIGHT[shape.color]), _BAND_OPACITY)
            pencil.polygon(_scaled(shape.points), fill=fill)
            picture = Image.alpha_composite(picture, layer)
        else:
            _line(ImageDraw.Draw(picture), shape)
    pencil = ImageDraw.Draw(picture)
    font = ImageFont.load_default(13 * finer)
    for label in drawing.labels:
        color = LIGHT[label.color] if label.color >= 0 else INK
        (at,) = _scaled([label.at])
        pencil.text(at, label.text, fill=color, font=font, anchor=_ANCHORS[label.anchor])
    small = picture.convert("RGB").resize(
        (WIDTH * SCALE, drawing.height * SCALE), Image.Resampling.LANCZOS
    )
    file = BytesIO()
    small.save(file, "PNG", optimize=True)
    return file.getvalue()


def _line(pencil: "ImageDraw", shape: Shape) -> None:
    finer = SCALE * _FINER
    points = _scaled(shape.points)
    if shape.role == "line":
        color, width = LIGHT[shape.color], 2 * finer
        for part in _dashes(points, 6 * finer, 4 * finer) if shape.dashed else [points]:
            pencil.line(part, fill=color, width=width, joint="curve")
    elif shape.role == "group":
        pencil.line(points, fill=INK, width=4 * finer)
    elif shape.role == "target":
        for part in _dashes(points, 2 * finer, 4 * finer):
            pencil.line(part, fill=INK, width=finer)
    else:
        pencil.line(points, fill=LINES, width=finer)


def _dashes(points: list[Point], on: float, off: float) -> list[list[Point]]:
    """Cut a line into dashes; Pillow draws none of its own."""
    parts: list[list[Point]] = [[points[0]]]
    left, drawing = on, True
    for (x, y), (to_x, to_y) in pairwise(points):
        length = ((to_x - x) ** 2 + (to_y - y) ** 2) ** 0.5
        gone = 0.0
        while length - gone > left:
            gone += left
            share = gone / length
            at = (x + share * (to_x - x), y + share * (to_y - y))
            if drawing:
                parts[-1].append(at)
            else:
                parts.append([at])
            drawing = not drawing
            left = on if drawing else off
        left -= length - gone
        if drawing:
            parts[-1].append((to_x, to_y))
    return [part for part in parts if len(part) > 1]


def _scaled(points: list[Point]) -> list[Point]:
    finer = SCALE * _FINER
    return [(x * finer, y * finer) for x, y in points]


def _rgb(color: str) -> tuple[int, int, int]:
    red, green, blue = (int(color[place : place + 2], 16) for place in (1, 3, 5))
    return red, green, blue
