"""Accuracy curves as a CSV file and as a drawing."""

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Curve = NDArray[np.float64]
"""Accuracy after 1, 2, ... labels."""

COLORS = ("#1f6feb", "#8b8b8b", "#d97706", "#16a34a")
LEFT, RIGHT, TOP, BOTTOM = 50.0, 620.0, 20.0, 360.0
_HEAD = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 400" font-family="sans-serif"
 font-size="12"><rect width="640" height="400" fill="white"/>"""


class Frame(NamedTuple):
    """Where labels and accuracies lie in the drawing."""

    n_labels: int
    lowest: float  # accuracy at the bottom

    def x(self, n: int) -> float:
        """Return where `n` labels lie."""
        return round(LEFT + (RIGHT - LEFT) * n / self.n_labels, 1)

    def y(self, accuracy: float) -> float:
        """Return where an accuracy lies."""
        share = (accuracy - self.lowest) / (1 - self.lowest)
        return round(BOTTOM - (BOTTOM - TOP) * share, 1)


def write_curves(curves: dict[str, list[Curve]], file: Path) -> None:
    """Write one row for every strategy, split and number of labels."""
    with file.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["strategy", "split", "n_labels", "accuracy"])
        for strategy, each in curves.items():
            for split, curve in enumerate(each):
                table.writerows(
                    (strategy, split, n, round(float(accuracy), 6))
                    for n, accuracy in enumerate(curve, start=1)
                )


def draw(curves: dict[str, list[Curve]], file: Path) -> None:
    """Draw the mean of every strategy, with a band of one standard deviation, as SVG."""
    frame = Frame(
        n_labels=max(len(curve) for each in curves.values() for curve in each),
        lowest=min(np.floor(10 * np.mean(each, axis=0).min()) / 10 for each in curves.values()),
    )
    parts = [_HEAD, *_axes(frame)]
    for place, (strategy, each) in enumerate(curves.items()):
        color = COLORS[place % len(COLORS)]
        mean, spread = np.mean(each, axis=0), np.std(each, axis=0)
        upper, lower = _points(mean + spread, frame), _points(mean - spread, frame)
        band, line = " ".join([*upper, *reversed(lower)]), " ".join(_points(mean, frame))
        text = f'<text x="{RIGHT - 10}" y="{260 + 20 * place}" text-anchor="end"'
        parts += [
            f'<polygon points="{band}" fill="{color}" opacity="0.15"/>',
            f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2"/>',
            f'{text} fill="{color}">{strategy}</text>',
        ]
    file.write_text("\n".join([*parts, "</svg>\n"]), encoding="utf-8")


def _axes(frame: Frame) -> list[str]:
    parts = [f'<text x="{(LEFT + RIGHT) / 2}" y="395" text-anchor="middle">labels</text>']
    for percent in range(round(100 * frame.lowest), 101, 10):
        y = frame.y(percent / 100)
        parts.append(f'<path d="M{LEFT} {y}H{RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="44" y="{y}" dy="4" text-anchor="end">{percent}%</text>')
    for n in range(0, frame.n_labels + 1, max(1, frame.n_labels // 4)):
        parts.append(f'<text x="{frame.x(n)}" y="378" text-anchor="middle">{n}</text>')
    return parts


def _points(curve: Curve, frame: Frame) -> list[str]:
    within = np.clip(curve, frame.lowest, 1).tolist()
    return [f"{frame.x(n)},{frame.y(accuracy)}" for n, accuracy in enumerate(within, start=1)]
