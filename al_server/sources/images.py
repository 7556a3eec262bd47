"""A folder of images, searched to the bottom."""

from collections.abc import Sequence
from pathlib import Path

from al_server.errors import BadSource
from al_server.sources.folder import find_files, folder_label
from al_server.sources.listing import Listing, class_names
from embeddings.images import IMAGE_SUFFIXES


def read_images(folder: Path, *, roots: Sequence[Path], labels: bool, multi: bool) -> Listing:
    """List the images of a folder.

    A sample_id is the path relative to the folder, with forward slashes; samples come in that
    order. A label is the name of the folder that the image lies in; images directly in the source
    folder have none. Names that begin with a dot are passed over, and so is what has no image's
    suffix. Links are followed as long as they stay under the roots.

    Raises
    ------
    BadSource
        If the folder holds no image.
    """
    if not folder.is_dir():
        raise BadSource(
            f"{folder} is not a folder",
            "kind images is a folder; a file has kind videos, table, npz or npy",
        )
    found = find_files(folder, roots=roots, suffixes=IMAGE_SUFFIXES)
    if not found.files:
        first = found.failures[0] if found.failures else None
        reasons = f"; left out: {first.sample}: {first.reason}" if first else ""
        raise BadSource(
            f"{folder} holds no images{reasons}",
            f"images end in {', '.join(sorted(IMAGE_SUFFIXES))}",
        )
    known = [folder_label(name, multi=multi) for name, _ in found.files] if labels else None
    return Listing(
        kind="image",
        sample_ids=[name for name, _ in found.files],
        paths=[real for _, real in found.files],
        labels=known,
        classes=class_names(known),
        failures=found.failures,
    )
