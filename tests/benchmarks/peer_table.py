"""Who wins, and by how much: arms of a side-by-side judged in pairs, as a Markdown table."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from al_server.lab.plan import BASELINE
from al_server.lab.statistics import Estimate, difference, is_significant, p_values

OURS = "ours"


class Arm(NamedTuple):
    """A strategy and where it comes from."""

    library: str
    name: str


class Runs(NamedTuple):
    """What one arm did on one set.

    Attributes
    ----------
    areas : float64 array of shape (n_repeats,), under the curve
    seconds : of its queries
    n_uniform, n_batches : how many batches were drawn for it, and of how many
    """

    areas: NDArray[np.float64]
    seconds: list[float]
    n_uniform: int
    n_batches: int


class Cell(NamedTuple):
    """One arm on one set against another arm; `verdict` is "win", "loss" or nothing."""

    gain: Estimate
    verdict: str


Sets = dict[str, dict[Arm, Runs]]
Board = dict[Arm, dict[str, Cell]]
RANDOM = Arm(OURS, BASELINE)


def judge(runs: dict[Arm, Runs], against: Arm) -> dict[Arm, Cell]:
    """Compare all arms of a set with one of them, paired by repeat."""
    theirs = runs[against].areas
    others = [arm for arm in runs if arm != against]
    found = {}
    for arm, p in zip(others, p_values([runs[arm].areas - theirs for arm in others]), strict=True):
        gain = difference(runs[arm].areas, theirs, seed=0)
        verdict = "win" if gain.mean > 0 else "loss"
        found[arm] = Cell(gain, verdict if is_significant(gain, p) else "")
    return found


def board_of(runs: Sets, against: Arm) -> Board:
    """Judge all sets on which that arm has run."""
    board: Board = {}
    for data, found in runs.items():
        if against not in found:
            continue
        for arm, cell in judge(found, against).items():
            board.setdefault(arm, {})[data] = cell
    return board


def _points(gain: Estimate) -> str:
    low, high = 100 * gain.low, 100 * gain.high
    return f"{100 * gain.mean:+.1f} ({low:+.1f} to {high:+.1f})"


def _told(cell: Cell | None) -> str:
    if cell is None:
        return ""
    return _points(cell.gain) + {"win": " *", "loss": " !", "": ""}[cell.verdict]


def _tally(cells: dict[str, Cell]) -> str:
    verdicts = [cell.verdict for cell in cells.values()]
    return f"{verdicts.count('win')}/{verdicts.count('loss')}"


def _mean(cells: dict[str, Cell]) -> float:
    return 100 * float(np.mean([cell.gain.mean for cell in cells.values()]))


def print_table(runs: Sets, default: Arm) -> dict[str, dict[str, object]]:
    """Print the table, the best first, and return it as JSON can hold it."""
    random, beside = board_of(runs, RANDOM), board_of(runs, default)
    order = sorted(random, key=lambda arm: (-len(random[arm]), -_mean(random[arm])))
    heads = ["strategy", "library", *runs, "mean", "against random", f"against `{default.name}`"]
    print("|", " | ".join([*heads, "ms a query", "uniform"]), "|")
    print("|---|" + "---|" * (len(heads) + 1))
    table: dict[str, dict[str, object]] = {}
    for arm in order:
        every = [found[arm] for found in runs.values() if arm in found]
        ms = 1000 * float(np.median([second for one in every for second in one.seconds]))
        drawn = sum(one.n_uniform for one in every) / sum(one.n_batches for one in every)
        versus = beside.get(arm, {})
        cells = [_told(random[arm].get(one)) for one in runs]
        ends = [f"{_mean(random[arm]):+.1f}", _tally(random[arm]), _tally(versus) if versus else ""]
        row = [f"`{arm.name}`", arm.library, *cells, *ends, f"{ms:.1f}", f"{100 * drawn:.0f}%"]
        print("|", " | ".join(row), "|")
        table[f"{arm.library}: {arm.name}"] = {
            "gain": {one: [round(x, 5) for x in cell.gain] for one, cell in random[arm].items()},
            "against_random": {one: cell.verdict for one, cell in random[arm].items()},
            "against_default": {
                one: [*(round(x, 5) for x in cell.gain), cell.verdict]
                for one, cell in versus.items()
            },
            "ms": round(ms, 3),
            "uniform": round(drawn, 3),
        }
    return table


def print_best(runs: Sets, default: Arm) -> None:
    """Say who wins: the best strategy of each library, in the mean over the sets, beside ours."""
    beside = board_of(runs, default)
    best: dict[str, Arm] = {}
    for arm in sorted(beside, key=lambda arm: -_mean(beside[arm])):
        if arm != RANDOM:
            best.setdefault(arm.library, arm)
    if best:
        print(f"\nThe best of each beside `{default.name}`, in points of area\n")
    for library, arm in best.items():
        gains = ", ".join(f"{data} {_told(cell)}" for data, cell in beside[arm].items())
        print(f"- {library}: `{arm.name}` {_mean(beside[arm]):+.1f} ({gains})")
    print()
