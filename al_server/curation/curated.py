"""What a curation came to: which samples stay, and a receipt for each that goes."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from strategies.pool import Rows


class Step(NamedTuple):
    """One filter of a chain, as it was run.

    Attributes
    ----------
    name : text of the filter with its settings, as ``similars``
    reason : its word in the receipts, as ``similar``
    n_removed : how many samples it removed
    """

    name: str
    reason: str
    n_removed: int


@dataclass(frozen=True)
class Curated:
    """Which samples stay and which go; rows are positions in `sample_ids`.

    Attributes
    ----------
    sample_ids : names of all samples
    kept : int64 array of shape (n_kept,), ascending
    removed : int64 array of shape (n_removed,), in the order in which they went
    steps : the filters, in the order in which they were run
    step_of : int8 array of shape (n_removed,), position in `steps`
    because_of : int64 array of shape (n_removed,), a kept row, the one that stands for it; -1 for
        outliers
    distances : float32 array of shape (n_removed,), to `because_of`; NaN without
    scores : float32 array of shape (n_removed,), outlier score; NaN where there is none
    """

    sample_ids: list[str]
    kept: Rows
    removed: Rows
    steps: tuple[Step, ...]
    step_of: NDArray[np.int8]
    because_of: Rows
    distances: NDArray[np.float32]
    scores: NDArray[np.float32]

    def __repr__(self) -> str:
        """Say in one line what it came to; the arrays would fill pages."""
        steps = [f"{step.n_removed:,} by {step.name}" for step in self.steps]
        said = f"{len(self.kept):,} of {len(self.sample_ids):,} kept"
        return f"Curated({said}{'; ' if steps else ''}{', '.join(steps)})"
