"""What a preflight found, for people and for programs."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from al_server.lab.geometry import K
from al_server.lab.preflight import Preflight
from al_server.lab.race import N_DRAWS, Runner
from al_server.lab.statistics import Estimate
from al_server.lab.trial import A_LITTLE, TARGET

MANY_COPIES = 0.05
SKEWED = 2.0
"""Hubness from which some samples are everybody's neighbors: tweets 3.3, fruits 1.5, noise 0.3."""
IMBALANCED = 8.0
DISORDERED = 0.3
"""Labels that follow the embedding less than this: tweets 0.24, noise 0.14, fruits 0.93."""


def text_of(found: Preflight) -> str:
    """Return the report as plain text, the verdict first."""
    parts = [verdict(found), *advice(found)]
    sections = ["\n".join(_numbers(found)), "\n".join(_race(found))]
    return "\n\n".join(["\n".join(parts), *sections])


def verdict(found: Preflight) -> str:
    """Say in a sentence or two whether active learning is likely to pay."""
    if found.trial is None:
        said = {
            "helps": "Active learning is likely to help here: the samples lie in crowds. Pools "
            "like it gained 2 to 16 points of accuracy over the first 150 labels.",
            "may help": "Active learning may help here a little, or not: the samples hardly lie in "
            "crowds. A pool like it gained nothing over the first 150 labels.",
            "unlikely to help": "Active learning is unlikely to help here: the samples lie evenly, "
            "as in noise, which gained 0 to 2 points of accuracy over the first 150 labels.",
            "hurts": "",
        }[found.outlook]
        return f"{said} Without known labels this is a guess; label a few hundred and look again."
    trial, gain = found.trial, found.trial.gain
    by = f"{_points(gain)} points of accuracy over the first {trial.budget} labels"
    if found.outlook == "helps":
        saved = ""
        if trial.ratio.high < 1:
            saved = (
                f" It reaches {TARGET:.0%} of what random sampling gains with "
                f"{_interval(trial.ratio)} of the labels."
            )
        little = " a little" if gain.mean < A_LITTLE else ""
        return f"Active learning helps{little} here: default gains {by}.{saved}"
    if found.outlook == "hurts":
        return f"Active learning hurts here: against random sampling default makes {by}."
    if found.outlook == "may help":
        return f"Active learning may help here; a short trial cannot tell: default makes {by}."
    return f"Active learning is unlikely to help here: default makes {by}."


def advice(found: Preflight) -> list[str]:
    """Return what to do, and what to beware of."""
    said = []
    if found.labels is not None and found.labels.order < DISORDERED:
        said.append(
            "Labels hardly follow these embeddings: a better embedder will bring more than any "
            "strategy."
        )
    if found.geometry.copies > MANY_COPIES:
        said.append(
            f"{found.geometry.copies:.0%} of the samples have a near copy: label one of each, and "
            "split by what they were made from when you measure."
        )
    if found.geometry.hubness > SKEWED:
        said.append(
            "A few samples are neighbors of very many: density and votes lean on them, so look at "
            "some before you trust them."
        )
    if found.labels is not None and found.labels.largest > IMBALANCED * found.labels.smallest:
        said.append(
            "Classes are imbalanced: watch balanced accuracy, and prefer default to uniform."
        )
    if found.trial is None and found.labels is not None:
        said.append("The known labels are too few for a trial run; they are only counted here.")
    return said


def _numbers(found: Preflight) -> Iterator[str]:
    shape, labels = found.geometry, found.labels
    measured = "" if found.n_measured == found.n_samples else f", measured on {found.n_measured:,}"
    yield f"{found.name}: {found.n_samples:,} samples, {found.n_features} features{measured}"
    yield _row("near copies", f"{shape.copies:.1%}", "have another at a distance of 0.01 or less")
    yield _row("unevenness", f"{shape.unevenness:.2f}", "crowds and gaps; noise is below 0.12")
    yield _row("contrast", f"{shape.contrast:.2f}", "tenth neighbor against random pairs")
    yield _row("dimension", f"{shape.dimension:.1f}", "intrinsic, by two neighbors")
    yield _row("hubness", f"{shape.hubness:.2f}", "skewness; above 2 few samples dominate")
    if labels is None:
        yield _row("labels", "none", "purity and balance cannot be told")
        return
    yield _row("labels", f"{labels.n_labeled:,}", f"known, of {labels.n_classes} classes")
    yield _row("balance", f"1:{labels.largest / labels.smallest:.1f}", "rarest to largest class")
    yield _row(
        "purity",
        f"{labels.purity:.2f}",
        f"of the {K} nearest have the same label; by chance {labels.by_chance:.2f}",
    )
    if found.trial is not None:
        random, ours = found.trial.final
        yield _row(
            "trial",
            f"{ours:.1%}",
            f"accuracy of default after {found.trial.budget} labels, random {random:.1%}; "
            f"{found.trial.n_repeats} runs on {found.trial.n_samples:,} samples",
        )


def _row(name: str, value: str, meaning: str) -> str:
    return f"  {name:12}{value:>8}  {meaning}"


def _race(found: Preflight) -> Iterator[str]:
    yield (
        f"The first {found.budget} picks of each method, without labels (uniform: the mean of "
        f"{N_DRAWS} draws):"
    )
    with_classes = found.labels is not None
    header = ["method", "covered", "mean distance", "radius", "copies"]
    rows = [[*header, *(["classes"] if with_classes else [])]]
    rows += [_cells(one, with_classes) for one in sorted(found.race, key=lambda one: -one.covered)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        first, *others = zip(row, widths, strict=True)
        yield "  " + "  ".join([first[0].ljust(first[1]), *(text.rjust(n) for text, n in others)])
    yield (
        f"covered: share of the pool nearer than {found.reach:.3f} to a pick, where half of all "
        "samples have their tenth neighbor; radius: the farthest sample; copies: picks near another"
    )


def _cells(runner: Runner, with_classes: bool) -> list[str]:
    cells = [
        runner.method,
        f"{runner.covered:.1%}",
        f"{runner.mean_distance:.3f}",
        f"{runner.radius:.3f}",
        f"{runner.copies:.3g}",
    ]
    return [*cells, f"{runner.n_classes:.3g}"] if with_classes else cells


def _points(gain: Estimate) -> str:
    mean, low, high = (100 * one for one in gain)
    return f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"


def _interval(ratio: Estimate) -> str:
    return f"{ratio.mean:.2f} ({ratio.low:.2f}-{ratio.high:.2f})"


def as_plain(found: Preflight) -> dict[str, Any]:
    """Return what was found as JSON wants it: names, lists, null for what cannot be told."""
    plain: dict[str, Any] = _plain(found)
    return {"verdict": verdict(found), "advice": advice(found), **plain}


def _plain(value: Any) -> Any:
    if hasattr(value, "_asdict"):
        return {name: _plain(one) for name, one in value._asdict().items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def write(found: Preflight, folder: Path) -> None:
    """Write `preflight.txt` and `preflight.json`.

    Raises
    ------
    BadInput
        If the folder cannot be written to.
    """
    from al_server.errors import BadInput

    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "preflight.txt").write_text(text_of(found) + "\n", "utf-8")
        text = json.dumps(as_plain(found), indent=1, allow_nan=False)
        (folder / "preflight.json").write_text(text + "\n", "utf-8")
    except OSError as error:
        raise BadInput(f"{folder} cannot be written: {error.strerror}", "name another") from error
