"""Near-duplicates: the same picture again, cropped, mirrored, recompressed or lighter.

Embeddings do not tell them from pictures of the same kind: by what a network was trained for, two
frogs are alike, and strong JPEG artefacts are not. So pixels are compared. Candidates are pairs
that look alike at 8 x 8 pixels, whole or cropped, mirrored or not. Each is then laid over the other
at 32 x 32 pixels, at every size from 78% of the side and at every place. Their similarity is the
mean of two normalised cross-correlations, that of the colors, which is high for the same shapes,
and that of what is left without light and shade, which is high for the same details.

Not found: rotated and upside-down copies, crops below 78% of the side, crops of another aspect
ratio than that of the picture.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from al_server.curation.near_duplicates_pictures import (
    Picture,
    Pictures,
    read_pictures,
    without_shade,
)
from al_server.errors import BadInput

if TYPE_CHECKING:
    from al_server.curation.near_duplicates_candidates import Candidates
    from strategies.filters.points import Points, Removed

THRESHOLD: Final = 0.93
"""The highest, in steps of .01, that found 95% of the copies planted among 10,000 CIFAR-10 training
images; see `tests.benchmarks.near_duplicates --choose`."""

_BLOCK = 4096  # pairs whose pictures are in memory as floats at a time
_COARSE_SHARE = 0.3  # of the time, about

Progress = Callable[[float], None]


class NearDuplicatePairs(NamedTuple):
    """Pairs, the most similar first, equal ones by row.

    Attributes
    ----------
    rows : int64 array of shape (n_pairs, 2), the lower row first
    similarities : float32 array of shape (n_pairs,), in [0, 1]
    """

    rows: NDArray[np.int64]
    similarities: NDArray[np.float32]


def near_duplicates(
    pictures: Sequence[Picture] | Pictures,
    *,
    threshold: float = THRESHOLD,
    progress: Progress | None = None,
) -> NearDuplicatePairs:
    """Find the pairs of pictures that show the same.

    Parameters
    ----------
    pictures : paths, uint8 arrays, or what `read_pictures` made of them; those that cannot be read
        are like nothing (`Pictures.unreadable` names them)
    threshold : in (0, 1], of the similarity
    progress : called with the share done, in [0, 1]

    Raises
    ------
    BadInput
        If the threshold is out of range, or an array is no picture.

    Notes
    -----
    Of many copies of one picture each is paired with some of the others, not with all. Time O(n^2)
    for candidates, by matrix products, and 0.3 ms of a core for each; memory 3 kB a picture.
    """
    if not 0 < threshold <= 1:
        raise BadInput(f"threshold={threshold} is no similarity", "give a number in (0, 1]")
    if not isinstance(pictures, Pictures):
        pictures = read_pictures(pictures)
    from al_server.curation.near_duplicates_candidates import find_candidates

    told = progress or _nobody
    thumbnails = pictures.thumbnails
    found = find_candidates(thumbnails, progress=lambda share: told(share * _COARSE_SHARE))
    similarities = _similarities(thumbnails, found, threshold, told)
    return _best_of_each_pair(found, similarities, threshold)


def _similarities(
    thumbnails: NDArray[np.uint8], pairs: "Candidates", threshold: float, told: Progress
) -> NDArray[np.float32]:
    """Return the similarity of each pair; 0 where it cannot reach the threshold."""
    from al_server.curation.near_duplicates_alignment import best_fits
    from strategies.kernels.threads import threads_for

    similarities = np.zeros(len(pairs.parts), np.float32)
    for start in range(0, len(similarities), _BLOCK):
        some = slice(start, start + _BLOCK)
        both = np.concatenate([pairs.parts[some], pairs.wholes[some]])
        used, position = np.unique(both, return_inverse=True)
        parts, wholes = position.reshape(2, -1)
        mirrored = pairs.mirrored[some]
        colors = thumbnails[used].astype(np.float32)
        # around its mean, so that sums of squares lose no digits
        colors -= colors.mean(axis=(2, 3), keepdims=True)
        with threads_for(len(parts) * 2**18):
            by_color = best_fits(colors, parts, wholes, mirrored)
            good = np.flatnonzero(by_color >= 2 * threshold - 1)  # the other is 1 at most
            detail = without_shade(colors)
            by_detail = best_fits(detail, parts[good], wholes[good], mirrored[good])
        similarities[start + good] = np.maximum((by_color[good] + by_detail) / 2, 0)
        told(_COARSE_SHARE + (1 - _COARSE_SHARE) * min(1.0, (start + _BLOCK) / len(similarities)))
    return similarities


def _best_of_each_pair(
    pairs: "Candidates", similarities: NDArray[np.float32], threshold: float
) -> NearDuplicatePairs:
    """Keep the best of part and whole, whole and part, mirrored or not."""
    good = np.flatnonzero(similarities >= np.float32(threshold))
    rows = np.sort(np.stack([pairs.parts[good], pairs.wholes[good]], axis=1), axis=1)
    order = np.lexsort((rows[:, 1], rows[:, 0], -similarities[good]))
    rows, similarities = rows[order], similarities[good][order]
    _, first = np.unique(rows, axis=0, return_index=True)
    first.sort()
    return NearDuplicatePairs(rows[first], similarities[first])


def _nobody(share: float) -> None:
    pass


@dataclass(frozen=True)
class NearDuplicates:
    """Filter: of pictures that show the same the best stays, the others go because of it.

    The best has most pixels, of as many it is the sharpest, of equally sharp the lower row. The
    most similar go first; their score is the similarity. Nothing goes because of a picture that
    goes itself, so that of a chain of likenesses more than one may stay.

    Attributes
    ----------
    pictures : in the order of the rows that were given to `points_from` or to the `Pipeline`
    threshold : in (0, 1], of the similarity
    """

    reason: ClassVar[str] = "near_duplicate"
    pictures: Sequence[Picture] | Pictures = field(repr=False)
    threshold: float = THRESHOLD

    def build(self, points: "Points", *, progress: Progress | None = None) -> "NearDuplicatesTree":
        """Compare all pictures.

        Raises
        ------
        ValueError
            If there is not a picture for each point.
        """
        given = self.pictures
        n = len(given.n_pixels if isinstance(given, Pictures) else given)
        if n != len(points.order):
            raise ValueError(
                f"near_duplicates has {n} pictures for {len(points.order)} points; give one for "
                "each, in the order of their vectors"
            )
        placed = _placed(given, points.order)
        pairs = near_duplicates(placed, threshold=self.threshold, progress=progress)
        return NearDuplicatesTree(points, placed, pairs)


def _placed(given: Sequence[Picture] | Pictures, order: NDArray[np.int64]) -> Pictures:
    """Return the pictures in the order of the points, reading them first where needed."""
    read = given if isinstance(given, Pictures) else read_pictures(given)
    place = np.argsort(order).tolist()
    return Pictures(
        read.thumbnails[order],
        read.n_pixels[order],
        read.sharpness[order],
        {place[row]: reason for row, reason in read.unreadable.items()},
    )


@dataclass(frozen=True)
class NearDuplicatesTree:
    """The pairs, in rows of the points, and which of two is better."""

    points: "Points"
    pictures: Pictures
    pairs: NearDuplicatePairs

    @cached_property
    def rank(self) -> NDArray[np.int64]:
        """int64 array of shape (n,), 0 for the best picture of all."""
        n = len(self.pictures.n_pixels)
        order = np.lexsort((np.arange(n), -self.pictures.sharpness, -self.pictures.n_pixels))
        rank = np.empty(n, np.int64)
        rank[order] = np.arange(n)
        return rank

    def remove(self, alive: NDArray[np.bool_], n_remove: int | None) -> "Removed":
        """Remove all living near-duplicates of the living, or so many of the most similar.

        Raises
        ------
        ValueError
            If more are to go than there are near-duplicates.
        """
        from strategies.filters.nearest import distances_between
        from strategies.filters.points import Removed

        because_of, similarity = self._stand_ins(alive)
        gone = np.flatnonzero(because_of >= 0)
        if n_remove is not None and not 0 <= n_remove <= len(gone):
            raise ValueError(
                f"near_duplicates cannot remove {n_remove} samples, for {len(gone)} are "
                "near-duplicates; leave the number out, or use similars for the rest"
            )
        gone = gone[np.lexsort((-gone, -similarity[gone]))][:n_remove]
        stand_ins = because_of[gone]
        distances: NDArray[np.float32] = np.zeros(len(gone), np.float32)
        if self.points.metric != "geodesic":  # paths between two are not at hand
            distances = distances_between(self.points, gone, stand_ins)
        return Removed(gone, stand_ins, distances, similarity[gone])

    def _stand_ins(self, alive: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Go through the pictures, the best first, and let each stay unless one like it stays."""
        because_of = np.full(len(alive), -1)
        similarity = np.full(len(alive), np.nan, np.float32)
        rows = self.pairs.rows
        living = np.flatnonzero(alive[rows].all(axis=1))
        ranks = self.rank[rows[living]]
        better = rows[living, ranks.argmin(axis=1)]
        worse = rows[living, ranks.argmax(axis=1)]
        values = self.pairs.similarities[living]
        # all that is better than a picture is decided before it; of those the most similar counts
        for at in np.lexsort((self.rank[better], -values, self.rank[worse])).tolist():
            row, stand_in = worse[at], better[at]
            if because_of[row] < 0 and because_of[stand_in] < 0:
                because_of[row], similarity[row] = stand_in, values[at]
        return because_of, similarity
