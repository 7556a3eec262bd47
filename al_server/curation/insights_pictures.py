"""Small pictures that a page carries inside of it, no more of them than it can bear."""

from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from io import BytesIO
from itertools import islice
from pathlib import Path

MOST_PICTURES = 500
MOST_BYTES = 3 * 2**20
SIDE = 112
_QUALITY = 72
Read = Callable[[int], Path | None]


def thumbnails(rows: Iterable[int], path_of: Read | None) -> dict[int, str]:
    """Make small JPEG pictures of the first of some samples.

    Looks at the first `MOST_PICTURES`, and stops where all together would pass `MOST_BYTES`. Files
    that cannot be read are passed over: the page shows the names of their samples.

    Parameters
    ----------
    rows : samples, the most wanted first; doubled ones count once
    path_of : gives the file of a sample, or None; None where there are no pictures

    Returns
    -------
    data URI by row
    """
    found: dict[int, str] = {}
    if path_of is None:
        return found
    n_bytes = 0
    # files that cannot be read count, too: a folder full of them would take minutes
    for row in islice(dict.fromkeys(rows), MOST_PICTURES):
        path = path_of(row)
        uri = None if path is None else _thumbnail(path)
        if uri is None:
            continue
        n_bytes += len(uri)
        if n_bytes > MOST_BYTES:
            break
        found[row] = uri
    return found


def reader(paths: Sequence[str | Path | None]) -> Read:
    """Look paths up in a list, one for each sample."""

    def read(row: int) -> Path | None:
        path = paths[row]
        return None if path is None else Path(path)

    return read


def _thumbnail(path: Path) -> str | None:
    from embeddings.errors import Unreadable
    from embeddings.images import load_small

    try:
        image = load_small(path, side=SIDE)
    except Unreadable:
        return None
    image.thumbnail((SIDE, SIDE))
    written = BytesIO()
    image.save(written, format="JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{b64encode(written.getvalue()).decode()}"
