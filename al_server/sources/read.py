"""The one door to samples: from a source's description to a listing."""

from collections.abc import Callable, Sequence
from pathlib import Path

from al_server.errors import BadSource
from al_server.models import Source
from al_server.sources.arrays import read_npy, read_npz
from al_server.sources.fetch import Fetcher
from al_server.sources.images import read_images
from al_server.sources.listing import Listing
from al_server.sources.named import only_named, read_names
from al_server.sources.objects import read_objects
from al_server.sources.paths import resolve
from al_server.sources.table import read_table
from al_server.sources.video import read_videos


def read_source(
    source: Source,
    *,
    roots: Sequence[Path],
    fetch: Fetcher,
    multi: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Listing:
    """List the samples of a source; images are not opened, unless samples are parts of them.

    Parameters
    ----------
    source : what to read
    roots : folders that files may lie in
    fetch : what downloads the URLs of a table; frames and objects go into its folder
    multi : whether known labels become lists of names (a multi-label campaign)
    progress : called with how many downloads, videos or images are done, and how many there are;
        what it raises ends the work

    Raises
    ------
    OutsideRoots
        If the path leads out of the roots.
    BadSource
        If nothing can be taken in; what can be left out is listed in `Listing.failures` instead.
    """
    real_roots = [root.resolve() for root in roots]
    # looked for first: a wrong path should not cost a download
    names = None if source.only is None else read_names(resolve(source.only, real_roots))
    listing = _read(source, real_roots, fetch, multi, progress)
    return listing if names is None else only_named(listing, names, where=str(source.only))


def _read(
    source: Source,
    real_roots: Sequence[Path],
    fetch: Fetcher,
    multi: bool,
    progress: Callable[[int, int], None] | None,
) -> Listing:
    path = resolve(source.path, real_roots)
    if source.kind == "images":
        return read_images(path, roots=real_roots, labels=source.labels, multi=multi)
    if source.kind == "videos":
        return read_videos(
            path, source, roots=real_roots, media=fetch.folder, multi=multi, progress=progress
        )
    if source.kind == "objects":
        return read_objects(
            path, source, roots=real_roots, media=fetch.folder, multi=multi, progress=progress
        )
    if not path.is_file():
        raise BadSource(f"{path} is not a file", f"kind {source.kind} is read from one file")
    if source.kind == "npz":
        return read_npz(path, labels=source.labels, multi=multi)
    if source.kind == "npy":
        if source.labels:
            raise BadSource(f"{path}: an .npy file holds no labels", "use an .npz with X and y")
        return read_npy(path)
    return read_table(path, source, roots=real_roots, fetch=fetch, multi=multi, progress=progress)
