"""What may be changed about a timm network by name: `mobilenetv2_100?pad_type=same&mean=0.5`."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from embeddings.errors import EmbedderUnavailable


class TimmOptions(NamedTuple):
    """A network, and what is changed about how it is built and what it is shown.

    Attributes
    ----------
    model : str, a name that timm knows
    build : arguments of `timm.create_model`
    preprocessing : entries of timm's data configuration
    """

    model: str
    build: dict[str, Any]
    preprocessing: dict[str, Any]


def _three(text: str) -> tuple[float, ...]:
    values = tuple(float(part) for part in text.split(","))
    if len(values) not in (1, 3):
        raise ValueError
    return values * 3 if len(values) == 1 else values


def _fraction(text: str) -> float:
    if not 0 < float(text) <= 1:
        raise ValueError
    return float(text)


def one_of(*allowed: str) -> Callable[[str], str]:
    """Return what lets these words pass, and raises ValueError at others."""

    def check(text: str) -> str:
        if text not in allowed:
            raise ValueError
        return text

    return check


def _size(text: str) -> tuple[int, int, int]:
    if not 16 <= int(text) <= 2048:
        raise ValueError
    return (3, int(text), int(text))


Known = Mapping[str, tuple[Callable[[str], Any], str]]
"""Options by name: how the text is read (ValueError where it cannot), and what it may be."""

BUILD: Known = {"pad_type": (one_of("same", ""), "same, or nothing")}
PREPROCESSING: Known = {
    "mean": (_three, "one number or three, for pixels in 0..1"),
    "std": (_three, "one number or three, for pixels in 0..1"),
    "input_size": (_size, "pixels a side, 16..2048"),
    "crop_pct": (_fraction, "in (0, 1]"),
    "crop_mode": (one_of("center", "squash", "border"), "center, squash or border"),
    "interpolation": (one_of("bicubic", "bilinear", "nearest"), "bicubic, bilinear or nearest"),
}


def parse(name: str) -> TimmOptions:
    """Take a name apart: `MODEL`, or `MODEL?key=value&key=value`.

    The keys are `pad_type` (same), and of the preprocessing `mean`, `std` (one number or three, for
    pixels in 0..1), `input_size` (pixels a side), `crop_pct`, `crop_mode` (center, squash, border)
    and `interpolation` (bicubic, bilinear, nearest).

    Raises
    ------
    EmbedderUnavailable
        If a key or a value is unknown.
    """
    model, _, query = name.partition("?")
    found = read_query(query, BUILD, PREPROCESSING, of=f"timm:{name}")
    return TimmOptions(model, *found)


def read_query(query: str, *tables: Known, of: str) -> list[dict[str, Any]]:
    """Read `key=value&key=value`; each table's options go into a dict of their own.

    Raises
    ------
    EmbedderUnavailable
        If no table has a key, or its value cannot be read; the message begins with `of`.
    """
    found: list[dict[str, Any]] = [{} for _ in tables]
    for key, text in parse_qsl(query, keep_blank_values=True):
        homes = [(table, into) for table, into in zip(tables, found, strict=True) if key in table]
        if not homes:
            known = sorted(name for table in tables for name in table)
            raise EmbedderUnavailable(
                f"{of}: unknown option {key!r}", f"use one of {', '.join(known)}"
            )
        (table, into), *_ = homes
        read, meaning = table[key]
        try:
            into[key] = read(text)
        except ValueError as error:
            raise EmbedderUnavailable(
                f"{of}: {key}={text!r} cannot be used", f"{key}: {meaning}"
            ) from error
    return found
