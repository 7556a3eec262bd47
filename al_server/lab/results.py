"""Finished runs as arrays: what the numbers of a report are computed from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from al_server.lab.curves import Point, Run
from al_server.lab.measures import Quality
from al_server.lab.statistics import Curves


@dataclass(frozen=True)
class Results:
    """All runs of a comparison; position r is the same repeat in every array.

    Attributes
    ----------
    n_labeled : int64 array of shape (n_points,), labels at each point of the curves
    curves : float64 array of shape (n_repeats, n_points) by arm and metric
    seconds : float64 array of shape (n_repeats, n_points) by arm, of the queries or fits
    """

    n_labeled: NDArray[np.int64]
    curves: dict[str, dict[str, Curves]]
    seconds: dict[str, NDArray[np.float64]]


def gather(runs: dict[Run, list[Point]], *, arms: tuple[str, ...], repeats: list[int]) -> Results:
    """Arrange runs by arm and repeat; those of other arms are passed over.

    Raises
    ------
    ValueError
        If a run lacks points that another one has: a strategy that returned short batches.
    """
    n_labeled = [point.n_labeled for point in runs[Run(arms[0], repeats[0])]]
    for arm in arms:
        for repeat in repeats:
            if [point.n_labeled for point in runs[Run(arm, repeat)]] != n_labeled:
                raise ValueError(
                    f"repeat {repeat} of {arm} was not measured at the same numbers of labels as "
                    f"repeat {repeats[0]} of {arms[0]}: a strategy returned a short batch"
                )
    return Results(
        n_labeled=np.array(n_labeled, np.int64),
        curves={
            arm: {
                metric: np.array(
                    [
                        [getattr(point.quality, metric) for point in runs[Run(arm, repeat)]]
                        for repeat in repeats
                    ]
                )
                for metric in Quality._fields
            }
            for arm in arms
        },
        seconds={
            arm: np.array(
                [[point.select_s for point in runs[Run(arm, repeat)]] for repeat in repeats]
            )
            for arm in arms
        },
    )
