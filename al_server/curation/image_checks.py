"""Pictures that are hardly of use: dark, bright, blurred, empty, or of an odd size or shape.

Every score is in [0, 1], and an issue where it is below its threshold. The definitions and
thresholds are those of cleanvision 0.3, but for `blurred`, which is ours: cleanvision's found none
of 15 fruits that a Gaussian of 12 pixels had blurred. Images are looked at with 256 pixels a side
at most, which hardly changes the scores.

dark : brightness that 1% of the pixels exceed; the brightness of a pixel is the root of 0.241 R^2 +
    0.691 G^2 + 0.068 B^2
bright : darkness that 95% of the pixels stay below
blurred : standard deviation of the picture's edges over that of its greys, at 64 pixels a side
low_information : entropy of the histogram of values, in tens of bits
odd_size : distance of sqrt(width x height) to the middle between q1 - 3 (q3 - q1) and q3 + 3
    (q3 - q1) of all, over what lies between the two; below 0.5 beyond them
odd_aspect : shorter side over longer side
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from al_server.answers import Failure
from al_server.curation.in_order import in_order
from embeddings.errors import Unreadable

if TYPE_CHECKING:
    from PIL.Image import Image

    from strategies.filters.points import Filter, Points, Progress, Removed

THRESHOLDS: Final = {
    "dark": 0.32,
    "bright": 0.05,
    "blurred": 0.3,
    "low_information": 0.3,
    "odd_size": 0.5,
    "odd_aspect": 0.35,
}
ISSUES: Final = tuple(THRESHOLDS)
DECODED_SIDE, BLUR_SIDE = 256, 64
_WEIGHTS: Final = np.array([0.241, 0.691, 0.068])
_PLAIN_MODES: Final = ("1", "L", "RGB", "CMYK", "YCbCr")


@dataclass(frozen=True)
class ImageChecks:
    """What was found about each image.

    Attributes
    ----------
    scores : float32 array of shape (n, 6), columns as in `ISSUES`, in [0, 1]; NaN where an image
        cannot be read
    issues : bool array of shape (n, 6)
    failures : images that cannot be read, by name
    """

    scores: NDArray[np.float32]
    issues: NDArray[np.bool_]
    failures: list[Failure]

    def told(self) -> Iterator[tuple[str, ...]]:
        """Give for each image its issues, separated by semicolons, and its scores as texts."""
        for issues, scores in zip(self.issues.tolist(), self.scores.tolist(), strict=True):
            names = [name for name, is_one in zip(ISSUES, issues, strict=True) if is_one]
            yield ";".join(names), *("" if one != one else f"{one:.4f}" for one in scores)

    def n_by_issue(self) -> dict[str, int]:
        """Count the images with each issue, in the order of `ISSUES`."""
        return dict(zip(ISSUES, self.issues.sum(axis=0).tolist(), strict=True))

    def filter_of(self, issue: str) -> "Filter":
        """Return a filter that removes the images with an issue, the worst first."""
        column = ISSUES.index(issue)
        kind = type(issue, (_Flagged,), {"reason": issue})
        made: Filter = kind(self.issues[:, column], 1 - self.scores[:, column])
        return made


@dataclass(frozen=True)
class _Flagged:
    """Knows beforehand what goes; a filter where a subclass says its reason.

    Arrays are in the order of the source.
    """

    reason: ClassVar[str]
    flagged: NDArray[np.bool_] = field(repr=False)
    badness: NDArray[np.float32] = field(repr=False)

    def build(self, points: "Points", *, progress: "Progress | None" = None) -> "_FlaggedTree":
        return _FlaggedTree(self.reason, self.flagged[points.order], self.badness[points.order])


class _FlaggedTree(NamedTuple):
    reason: str
    flagged: NDArray[np.bool_]
    badness: NDArray[np.float32]

    def remove(self, alive: NDArray[np.bool_], n_remove: int | None) -> "Removed":
        """Remove all living images with the issue, or so many of the worst.

        Raises
        ------
        ValueError
            If more are to go than have the issue.
        """
        from strategies.filters.points import Removed

        rows = np.flatnonzero(alive & self.flagged)
        if n_remove is not None and not 0 <= n_remove <= len(rows):
            raise ValueError(
                f"{self.reason} cannot remove {n_remove} samples, for {len(rows)} have that issue; "
                "leave the number out, or use outliers for the rest"
            )
        rows = rows[np.argsort(-self.badness[rows], kind="stable")][:n_remove]
        return Removed(
            rows,
            np.full(len(rows), -1),
            np.full(len(rows), np.nan, np.float32),
            self.badness[rows],
        )


class Measures(NamedTuple):
    """Of one image: its scores, and the root of its area in pixels instead of `odd_size`."""

    dark: float
    bright: float
    blurred: float
    low_information: float
    side: float
    odd_aspect: float


def check_images(
    names: Sequence[str],
    paths: Sequence[Path],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> ImageChecks:
    """Measure images in threads.

    Parameters
    ----------
    names : of the images, for the failures
    progress : called with how many are done, and how many there are
    """
    n = len(paths)
    scores = np.full((n, len(ISSUES)), np.nan)
    failures: list[Failure] = []
    for row, measured in enumerate(in_order(_measure, paths)):
        if isinstance(measured, Unreadable):
            failures.append(Failure(sample=names[row], reason=str(measured)))
        else:
            scores[row] = measured
        if progress is not None:
            progress(row + 1, n)
    column = ISSUES.index("odd_size")
    scores[:, column] = size_scores(scores[:, column])
    return ImageChecks(scores.astype(np.float32), scores < list(THRESHOLDS.values()), failures)


def measure(path: Path) -> Measures:
    """Measure one image.

    Raises
    ------
    Unreadable
        With the reason.
    """
    image, (width, height) = _small(path)
    pixels = np.asarray(image, dtype=np.float64)
    brightness = pixels if pixels.ndim == 2 else np.sqrt(pixels**2 @ _WEIGHTS)
    low, high = np.percentile(brightness / 255, [5, 99])
    counts = np.array(image.histogram(), dtype=np.float64)
    shares = counts[counts > 0] / counts.sum()
    return Measures(
        dark=min(1.0, float(high)),
        bright=float(np.clip(1 - low, 0, 1)),
        blurred=_sharpness(image),
        low_information=min(1.0, float(-(shares * np.log2(shares)).sum()) / 10),
        side=float(np.sqrt(width * height)),
        odd_aspect=min(width, height) / max(width, height),
    )


def size_scores(sides: NDArray[np.float64]) -> NDArray[np.float64]:
    """Score sizes against all others; NaN stays.

    Where more than half of the images are of one size, all others are odd.
    """
    known = sides[~np.isnan(sides)]
    if len(known) == 0:
        return sides
    q1, q3 = np.percentile(known, [25, 75])
    middle, between = (q1 + q3) / 2, 7 * (q3 - q1)
    if between == 0:
        return np.where(np.isnan(sides), np.nan, (sides == middle).astype(np.float64))
    scores: NDArray[np.float64] = 1 - np.clip(np.abs(sides - middle) / between, 0, 1)
    return scores


def _sharpness(image: "Image") -> float:
    from PIL import ImageFilter

    ratio = max(image.size) / BLUR_SIDE
    if ratio > 1:
        image = image.resize((max(1, int(image.width / ratio)), max(1, int(image.height / ratio))))
    grey = image.convert("L")
    edges = np.asarray(grey.filter(ImageFilter.FIND_EDGES), dtype=np.float64)
    if min(edges.shape) > 2:
        edges = edges[1:-1, 1:-1]  # the filter leaves the border as it was
    return float(min(1, edges.std() / max(1, np.asarray(grey, dtype=np.float64).std())))


def _small(path: Path) -> tuple["Image", tuple[int, int]]:
    """Decode an image, no larger than needed; return its real size, too."""
    from PIL import Image

    from embeddings.images import MAX_PIXELS, decode_image, open_image, read_file

    data = read_file(path)
    with open_image(data) as opened:
        size = opened.size
        if size[0] * size[1] > MAX_PIXELS or not _is_plain(opened):
            image = decode_image(data)  # says what is too large; knows transparency and depths
        else:
            opened.draft(None, (DECODED_SIDE, DECODED_SIDE))
            image = opened.convert("L" if opened.mode in ("1", "L") else "RGB")
    ratio = max(image.size) / DECODED_SIDE
    if ratio > 1:
        # whole pixels: an average would hide dark and bright ones
        small = (max(1, int(image.width / ratio)), max(1, int(image.height / ratio)))
        image = image.resize(small, Image.Resampling.NEAREST)
    return image, size


def _is_plain(image: "Image") -> bool:
    return image.mode in _PLAIN_MODES and not image.has_transparency_data


def _measure(path: Path) -> Measures | Unreadable:
    try:
        return measure(path)
    except Unreadable as error:
        return error
