"""An answer for who moves a slider: all counts, and receipts of the few samples that are shown.

To find what stands for every removed sample takes seconds at 50,000; for a dozen, milliseconds.
"""

import copy
from dataclasses import replace
from decimal import ROUND_UP, Decimal
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from al_server.curation.answers import Amounts
from al_server.curation.curated import Curated
from strategies.pool import Rows

if TYPE_CHECKING:
    from al_server.curation.pipeline import Pipeline

CHAIN: Final = ("outliers", "similars")
_AT_ONCE = 32  # a search for so few is not prepared, only done
_FINEST = 18  # decimals of an amount
Order = Literal["first", "last"]


class Quick(NamedTuple):
    """What stays and goes; only what is shown has its receipt.

    Attributes
    ----------
    curated : without receipts but for those shown
    shown : for each step, int64 array of positions in `curated.removed`
    """

    curated: Curated
    shown: list[Rows]


def run(pipeline: "Pipeline", amounts: Amounts, *, n_receipts: int | None = None) -> Curated:
    """Run the pipeline by amounts in percent."""
    keep = None if amounts.keep is None else _percent(amounts.keep)
    return _run(pipeline, amounts, keep, n_receipts)


def quick(pipeline: "Pipeline", amounts: Amounts, *, n: int, order: Order) -> Quick:
    """Answer quickly.

    Parameters
    ----------
    pipeline : whose trees are built
    n : samples shown of each step
    order : which: those that went first, or last, which are at the border of what stays
    """
    curated = run(pipeline, amounts, n_receipts=0)
    shown, start = [], 0
    for step in curated.steps:
        end = start + step.n_removed
        shown.append(_ends(start, end, min(n, step.n_removed), order))
        start = end
    n_rest = curated.steps[-1].n_removed if amounts.keep is not None else 0
    if order == "last" and n_rest and n:
        shown[-1] = _border(pipeline, amounts, curated, min(n, n_rest))
    return Quick(_with_receipts(pipeline, curated, shown), shown)


def _run(
    pipeline: "Pipeline", amounts: Amounts, keep: str | int | None, n_receipts: int | None
) -> Curated:
    # a copy shares points and trees; only who reaches `keep` is its own
    own = copy.copy(pipeline)
    own.keep_by = amounts.keep_by
    shares = {name: _percent(getattr(amounts, name)) for name in CHAIN}
    return own.run(shares, keep=keep, n_receipts=n_receipts)


def _percent(amount: float) -> str:
    """Write a number as an amount: in decimal, without an exponent; more than none stays more."""
    exact = Decimal(repr(amount))
    if exact != round(exact, _FINEST):
        exact = exact.quantize(Decimal(1).scaleb(-_FINEST), ROUND_UP)
    return f"{exact:f}%"


def _ends(start: int, end: int, n: int, order: Order) -> Rows:
    return np.arange(start, start + n) if order == "first" else np.arange(end - 1, end - 1 - n, -1)


def _border(pipeline: "Pipeline", amounts: Amounts, curated: Curated, n: int) -> Rows:
    """Return the n that would come back first if more were kept.

    The filter that reaches `keep` says who goes, in no order; so it is asked for n less.
    """
    less = _run(pipeline, amounts, len(curated.kept) + n, 0)
    before = np.zeros(len(curated.sample_ids), np.bool_)
    before[less.removed] = True
    return np.flatnonzero(~before[curated.removed])[:n]


def _with_receipts(pipeline: "Pipeline", curated: Curated, shown: list[Rows]) -> Curated:
    from strategies.filters.kept_neighbors import nearest_kept

    places = np.concatenate([np.empty(0, np.int64), *shown])
    steps = np.array([step.reason != "outlier" for step in curated.steps] or [False])
    wanted = places[(curated.because_of[places] < 0) & steps[curated.step_of[places]]]
    if not len(wanted):
        return curated
    points = pipeline.points
    place_of = np.empty_like(points.order)
    place_of[points.order] = np.arange(len(points.order))
    kept: NDArray[np.bool_] = np.zeros(len(place_of), np.bool_)
    kept[place_of[curated.kept]] = True
    because_of, distances = curated.because_of.copy(), curated.distances.copy()
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        found = nearest_kept(points, place_of[curated.removed[some]], kept)
        because_of[some] = np.where(found.rows < 0, -1, points.order[found.rows])
        distances[some] = found.distances
    return replace(curated, because_of=because_of, distances=distances)
