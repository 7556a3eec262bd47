"""The minimum of a smooth convex function, found in the same steps on every machine.

A library's optimizer hands its small vectors to BLAS, which may split them among threads: slower
than one thread by far, and other bits with other threads. Plain sums do neither.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Point = NDArray[np.float64]

MEMORY = 10  # steps that the shape of the function is learned from
FLAT = 1e-5  # the largest part of a gradient that counts as none
SHORTEST_STEP = 2.0**-20
DECREASE = 1e-4  # share of the decrease that a gradient promises, and that a step must bring


class Step(NamedTuple):
    """A step taken, and the change of the gradient along it."""

    moved: Point
    bent: Point
    curvature: float  # their inner product


def minimum(
    value_and_slope: Callable[[Point], tuple[float, Point]], start: Point, *, n_steps: int
) -> Point:
    """Return the point where a convex function is lowest, or as far as so many steps lead.

    Idea: L-BFGS, Newton's steps with a Hessian guessed from the last ten steps; each is halved
    until it brings a part of what the gradient promises. Time a few O(n) a step beyond the
    function's own.

    Source: Liu and Nocedal 1989, "On the limited memory BFGS method for large scale optimization".
    """
    point = start
    value, slope = value_and_slope(point)
    steps: list[Step] = []
    for _ in range(n_steps):
        if np.abs(slope).max(initial=0.0) <= FLAT:
            break
        direction = -_newton(slope, steps)
        promised = _inner(direction, slope)
        # the first direction has no scale yet
        length = 1.0 if steps else min(1.0, 1.0 / _inner(slope, slope) ** 0.5)
        while True:
            there = point + length * direction
            value_there, slope_there = value_and_slope(there)
            if value_there <= value + DECREASE * length * promised:
                break
            length /= 2
            if length < SHORTEST_STEP:
                return point  # what is left to gain drowns in rounding
        moved, bent = there - point, slope_there - slope
        curvature = _inner(moved, bent)
        if curvature > 0:
            steps = [*steps, Step(moved, bent, curvature)][-MEMORY:]
        point, value, slope = there, value_there, slope_there
    return point


def _newton(slope: Point, steps: list[Step]) -> Point:
    """Multiply a gradient with the inverse of the Hessian that the steps suggest."""
    result = slope.copy()
    shares = []
    for step in reversed(steps):
        share = _inner(step.moved, result) / step.curvature
        result -= share * step.bent
        shares.append(share)
    if steps:
        result *= steps[-1].curvature / _inner(steps[-1].bent, steps[-1].bent)
    for step, share in zip(steps, reversed(shares), strict=True):
        result += (share - _inner(step.bent, result) / step.curvature) * step.moved
    return result


def _inner(left: Point, right: Point) -> float:
    return float((left * right).sum())
