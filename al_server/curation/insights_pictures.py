"""Small pictures that a page carries inside of it, no more of them than it can bear."""

import os
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Literal, NamedTuple

MOST_PICTURES = 4_000
MOST_BYTES = 3 * 2**20
"""Drawing code takes 5 MB of the page: with it and with what is known of the samples about 8."""
MOST_S = 14.0
LARGE, SMALL = 112, 72
_QUALITY = 60
_METHOD = 2  # half the time of the usual 4, and a tenth more bytes
_AT_ONCE = 32
_N_THREADS = 4
Read = Callable[[int], Path | None]


class Pictures(NamedTuple):
    """Pictures of some samples.

    Attributes
    ----------
    uris : data URI by row
    ended_by : what kept more from being made; None where all that can be read are there
    """

    uris: dict[int, str]
    ended_by: Literal["room", "time"] | None


def thumbnails(rows: Iterable[int], path_of: Read | None, *, large: Iterable[int] = ()) -> Pictures:
    """Make small WebP pictures of the first of some samples, a kilobyte each.

    Looks at the first `MOST_PICTURES`, and ends where all together would pass `MOST_BYTES`, or
    after `MOST_S`. Files that cannot be read are passed over: the page shows the names of their
    samples.

    Parameters
    ----------
    rows : samples, the most wanted first; doubled ones count once
    path_of : gives the file of a sample, or None; None where there are no pictures
    large : those of them that are shown larger
    """
    found: dict[int, str] = {}
    if path_of is None:
        return Pictures(found, None)
    everyone, great = list(dict.fromkeys(rows)), set(large)
    # files that cannot be read count, too: a folder full of them would take minutes
    wanted = everyone[:MOST_PICTURES]
    n_bytes, ends = 0, time.monotonic() + MOST_S
    with ThreadPoolExecutor(min(_N_THREADS, os.cpu_count() or 1)) as pool:
        for start in range(0, len(wanted), _AT_ONCE):
            if time.monotonic() > ends:
                return Pictures(found, "time")
            some = wanted[start : start + _AT_ONCE]
            # who says where files are may be no friend of threads: it is asked here
            paths = [path_of(row) for row in some]
            sides = [LARGE if row in great else SMALL for row in some]
            for row, uri in zip(some, pool.map(_thumbnail, paths, sides), strict=True):
                n_bytes += len(uri or "")
                if n_bytes > MOST_BYTES:
                    return Pictures(found, "room")
                if uri is not None:
                    found[row] = uri
    return Pictures(found, "room" if len(everyone) > len(wanted) else None)


def reader(paths: Sequence[str | Path | None]) -> Read:
    """Look paths up in a list, one for each sample."""

    def read(row: int) -> Path | None:
        path = paths[row]
        return None if path is None else Path(path)

    return read


def _thumbnail(path: Path | None, side: int) -> str | None:
    from embeddings.errors import Unreadable
    from embeddings.images import load_small

    if path is None:
        return None
    try:
        image = load_small(path, side=side)
    except Unreadable:
        return None
    image.thumbnail((side, side))
    written = BytesIO()
    image.save(written, format="WEBP", quality=_QUALITY, method=_METHOD)
    return f"data:image/webp;base64,{b64encode(written.getvalue()).decode()}"
