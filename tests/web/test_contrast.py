"""Colors that can be read: WCAG 2.2 AA, computed from the tokens in the style sheet."""

import re
from pathlib import Path

import pytest

from al_server.web import pages

CSS = (Path(pages.__file__).parent / "static" / "base.css").read_text(encoding="utf-8")
TEXT = 4.5
CONTROL = 3.0
# (foreground, background, least ratio)
PAIRS = [
    *[("ink", ground, TEXT) for ground in ("bg", "surface", "sunken", "accent-soft", "good-soft")],
    *[("ink", ground, TEXT) for ground in ("bad-soft", "warn-soft")],
    *[("muted", ground, TEXT) for ground in ("bg", "surface", "sunken", "accent-soft")],
    *[("accent", ground, TEXT) for ground in ("bg", "surface", "accent-soft")],
    ("on-accent", "accent", TEXT),
    ("on-accent", "accent-hover", TEXT),
    *[(tone, f"{tone}-soft", TEXT) for tone in ("good", "warn", "bad")],
    ("bad", "surface", TEXT),
    ("good", "surface", TEXT),
    ("warn", "surface", TEXT),
    ("warn", "bg", TEXT),
    *[("control", ground, CONTROL) for ground in ("bg", "surface")],
    *[("accent", ground, CONTROL) for ground in ("sunken",)],
]


def _tokens(scheme: str) -> dict[str, str]:
    light, dark = CSS.split("@media (prefers-color-scheme: dark)", 1)
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6});", light))
    if scheme == "dark":
        found |= dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6});", dark.split("\n}\n", 1)[0]))
    return found


def _luminance(color: str) -> float:
    digits = color[1:] if len(color) == 7 else "".join(2 * digit for digit in color[1:])
    channels = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_black_on_white_is_twenty_one_to_one() -> None:
    assert (_luminance("#fff") + 0.05) / (_luminance("#000000") + 0.05) == pytest.approx(21)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_pair_of_colors_has_enough_contrast(scheme: str) -> None:
    tokens = _tokens(scheme)
    weak = {}
    for foreground, background, least in PAIRS:
        low, high = sorted((_luminance(tokens[foreground]), _luminance(tokens[background])))
        ratio = (high + 0.05) / (low + 0.05)
        if ratio < least:
            weak[foreground, background] = round(ratio, 2)
    assert weak == {}
