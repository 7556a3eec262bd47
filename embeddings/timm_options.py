"""What may be changed about a timm network by name: `mobilenetv2_100?pad_type=same&mean=0.5`."""

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


def _one_of(*allowed: str) -> Any:
    def check(text: str) -> str:
        if text not in allowed:
            raise ValueError
        return text

    return check


def _size(text: str) -> tuple[int, int, int]:
    if not 16 <= int(text) <= 2048:
        raise ValueError
    return (3, int(text), int(text))


_BUILD = {"pad_type": (_one_of("same", ""), "same, or nothing")}
_PREPROCESSING = {
    "mean": (_three, "one number or three, for pixels in 0..1"),
    "std": (_three, "one number or three, for pixels in 0..1"),
    "input_size": (_size, "pixels a side, 16..2048"),
    "crop_pct": (_fraction, "in (0, 1]"),
    "crop_mode": (_one_of("center", "squash", "border"), "center, squash or border"),
    "interpolation": (_one_of("bicubic", "bilinear", "nearest"), "bicubic, bilinear or nearest"),
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
    options = TimmOptions(model, {}, {})
    for key, text in parse_qsl(query, keep_blank_values=True):
        table, into = (_BUILD, options.build) if key in _BUILD else (_PREPROCESSING, options[2])
        if key not in table:
            raise EmbedderUnavailable(
                f"timm:{name}: unknown option {key!r}",
                f"use one of {', '.join(sorted(_BUILD | _PREPROCESSING))}",
            )
        read, meaning = table[key]
        try:
            into[key] = read(text)
        except ValueError as error:
            raise EmbedderUnavailable(
                f"timm:{name}: {key}={text!r} cannot be used", f"{key}: {meaning}"
            ) from error
    return options
