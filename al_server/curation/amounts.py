"""How many samples go and stay: shares of all samples, or counts.

``"5%"``, ``0.05`` and ``"0.05"`` are shares; ``50`` and ``"50"`` are counts; ``1`` is one sample,
``1.0`` is all. ``"auto"`` leaves it to the threshold of a filter that has one. Shares are taken as
they are written, in decimal: 5% of 100 is 5, never 6.
"""

import math
import numbers
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from al_server.errors import BadInput

Amount = str | float | int
AUTO: Final = "auto"
_TEXT: Final = re.compile(r"[+-]?(\d{1,18}(\.\d{0,18})?|\.\d{1,18})")
ANY_NUMBER: Final = 10**18
"""Of samples, before it is known how many there are: more than any count that can be written."""
REMEDY: Final = "give a share such as 5% or 0.05, a count such as 50, or auto"


@dataclass(frozen=True)
class Plan:
    """Checked amounts.

    Attributes
    ----------
    n : number of all samples
    amounts : by filter, in samples, not yet rounded; None: as the filter's threshold says
    keep : how many stay, rounded; None: as many as the filters leave
    keep_fits : whether shares and counts leave room for `keep` but for their rounding
    """

    n: int
    amounts: Mapping[str, Fraction | None]
    keep: int | None
    keep_fits: bool

    def n_remove(self, name: str, gone: Fraction, n_gone: int) -> tuple[int | None, Fraction]:
        """Return how many a filter removes, and what is to be gone after it, not yet rounded.

        Sums are rounded, not parts, and up: after outliers of p and similars of q there are
        floor((1 - p - q) n) left. At least one sample stays.
        """
        amount = self.amounts[name]
        if amount is None:
            return None, gone
        wanted = gone + amount
        return max(0, min(math.ceil(wanted), self.n - 1) - n_gone), wanted

    def n_keep(self, n_left: int) -> int | None:
        """Return how many stay, given what the filters left.

        Raises
        ------
        BadInput
            If they left fewer.
        """
        if self.keep is None or self.keep <= n_left:
            return self.keep
        if self.keep_fits:  # both were rounded; what the filters remove goes first
            return n_left
        raise BadInput(
            f"{self.keep:,} samples are to be kept, and the filters leave {n_left:,} of {self.n:,}",
            "keep fewer, or remove fewer before",
        )


def make_plan(n: int, amounts: Mapping[str, Amount], keep: Amount | None) -> Plan:
    """Check all amounts together, before any work.

    Shares to be kept are rounded half up, to one sample at least.

    Raises
    ------
    BadInput
        If one cannot be read, or they come to more than there is.
    """
    wanted = {name: _in_samples(name, amount, n) for name, amount in amounts.items()}
    removed = sum((one for one in wanted.values() if one is not None), Fraction(0))
    if removed >= n:
        raise BadInput(
            f"{_listed(amounts)}: that removes {_percent(removed, n)} of {_all(n)}, and none "
            "would stay",
            "remove fewer",
        )
    if keep is None:
        return Plan(n, wanted, None, True)
    stay = _in_samples("keep", keep, n)
    if stay is None:
        raise BadInput("keep is auto", "say how many stay, as a share or a count")
    if stay <= 0:
        raise BadInput(f"keep is {keep}: no sample would stay", "keep at least one")
    if stay + removed > n:
        raise BadInput(
            f"{_listed({**amounts, 'keep': keep})}: that is {_percent(stay + removed, n)} of "
            f"{_all(n)}",
            "all together may be 100% at most",
        )
    fits = all(one is not None for one in wanted.values())
    return Plan(n, wanted, max(1, math.floor(stay + Fraction(1, 2))), fits)


def is_amount(text: str) -> bool:
    """Tell whether a text is written as an amount, be it too large or not."""
    try:
        if text != AUTO:
            _read("", text)
    except BadInput:
        return False
    return True


def _in_samples(name: str, amount: Amount, n: int) -> Fraction | None:
    if amount == AUTO:
        return None
    value, kind = _read(name, amount)
    if value < 0:
        raise BadInput(f"{name} is {amount}: there are no negative amounts", REMEDY)
    if kind == "share":
        if value > 1:
            raise BadInput(
                f"{name} is {amount}, a share of more than 100%",
                "write 5% or 0.05 for a share; a whole number is a count",
            )
        return value * n
    if value > n:
        raise BadInput(f"{name} is {amount}, and there are {n:,} samples", REMEDY)
    return value


def _read(name: str, amount: object) -> tuple[Fraction, Literal["share", "count"]]:
    if isinstance(amount, str):
        text = amount.strip()
        digits = text.removesuffix("%").strip()
        if _TEXT.fullmatch(digits):
            if text.endswith("%"):
                return Fraction(digits) / 100, "share"
            return Fraction(digits), "share" if "." in digits else "count"
    elif isinstance(amount, bool):
        pass  # no number, whatever Python says
    elif isinstance(amount, numbers.Integral):
        return Fraction(int(amount)), "count"
    elif isinstance(amount, numbers.Real) and math.isfinite(amount):
        return Fraction(repr(float(amount))), "share"
    raise BadInput(f"{name} is {amount!r}, which is no amount", REMEDY)


def _all(n: int) -> str:
    return "the samples" if n == ANY_NUMBER else f"{n:,} samples"


def _listed(amounts: Mapping[str, Amount]) -> str:
    return ", ".join(f"{name} {amount}" for name, amount in amounts.items())


def _percent(part: Fraction, n: int) -> str:
    return f"{float(100 * part / n):g}%"
