"""Objects in images as samples: boxes of annotations, cut out with a margin.

The cuts become PNG files in the media folder, under the hash of the image's content, the box and
the margin. A second reading finds them there.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from math import ceil, floor
from pathlib import Path
from typing import TYPE_CHECKING

from al_server.answers import Failure
from al_server.errors import BadSource
from al_server.models import Source
from al_server.sources.annotations.boxes import Annotations, Box, Unusable
from al_server.sources.annotations.coco import read_coco
from al_server.sources.annotations.label_studio import read_label_studio
from al_server.sources.annotations.voc import read_voc
from al_server.sources.annotations.yolo import CLASSES_FILE, read_yolo
from al_server.sources.folder import find_files
from al_server.sources.image_names import ImageNames
from al_server.sources.images import read_images
from al_server.sources.listing import MAX_ID_LENGTH, KnownLabel, Listing, class_names
from al_server.sources.paths import is_inside, real_path, resolve
from al_server.sources.whole_file import write_media
from embeddings.errors import Unreadable
from embeddings.images import decode_image, read_file

if TYPE_CHECKING:
    from PIL import Image

MARGIN = 0.1
"""Share of a box's longer side that is added around it where a source says nothing."""
MIN_SIDE = 2
"""Boxes of fewer pixels on a side, within the image, are refused."""
MAX_BOXES = 1_000_000
MAX_IMAGE_BOXES = 10_000
FOLDER = Path("objects")
RULE = 1
"""Counts up when the same box would be cut out otherwise than before."""
N_SHOWN_NAME = 200


@dataclass
class _Cuts:
    """What was cut out so far; position i is the same object in the first four lists."""

    ids: list[str] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    labels: list[str | None] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    n_bytes: int = 0

    def fail(self, sample: str, reason: str) -> None:
        self.failures.append(Failure(sample=sample[:N_SHOWN_NAME], reason=reason))


def read_objects(
    folder: Path,
    source: Source,
    *,
    roots: Sequence[Path],
    media: Path,
    multi: bool,
    progress: Callable[[int, int], None] | None = None,
) -> Listing:
    """Cut the objects out of the images of a folder.

    A sample_id is the image's path within the folder, `#`, and the number of the box among those of
    the image, from 0, as in `street/1.jpg#3`; boxes that are left out keep their number. A group is
    an image, a label the class of a box. Boxes are those of the image as a person sees it, turned
    as its EXIF says; what they have outside of it is cut off. `progress` is called with how many
    images are done, and how many there are.

    Raises
    ------
    BadSource
        If there is no image or no usable box, there are too many, the annotations are not of the
        format that the source says, or the media folder cannot be written.
    OutsideRoots
        If the annotations lie outside of the roots.
    """
    images = read_images(folder, roots=roots, labels=False, multi=False)
    annotations = _annotations(folder, source, roots)
    cuts = _Cuts(failures=[*images.failures, *annotations.failures])
    boxes = _boxes_of_images(annotations, ImageNames(images.sample_ids), cuts)
    files = dict(zip(images.sample_ids, images.paths or [], strict=True))
    margin = MARGIN if source.margin is None else source.margin
    place = media.resolve() / FOLDER
    for position, name in enumerate(name for name in images.sample_ids if name in boxes):
        if progress is not None:
            progress(position, len(boxes))
        _cut_out(name, files[name], boxes[name], margin, place, cuts)
    if progress is not None:
        progress(len(boxes), len(boxes))
    if not cuts.ids:
        first = cuts.failures[0] if cuts.failures else None
        why = f"; {first.sample}: {first.reason}" if first else ""
        raise BadSource(f"{folder}: no box of an object can be used{why}", "see --annotations")
    note = (
        f"{len(cuts.ids):,} objects in {len(boxes):,} of {len(files):,} images; "
        f"{cuts.n_bytes / 10**6:.1f} MB written to {media / FOLDER}"
    )
    return _listing(cuts, labels=source.labels, multi=multi, note=note)


def _listing(cuts: _Cuts, *, labels: bool, multi: bool, note: str) -> Listing:
    known: list[KnownLabel] | None = None
    if labels:
        known = [[one] if multi and one is not None else one for one in cuts.labels]
    return Listing(
        kind="image",
        sample_ids=cuts.ids,
        paths=cuts.paths,
        labels=known,
        classes=class_names(known),
        groups=cuts.groups,
        failures=cuts.failures,
        note=note,
    )


def _annotations(folder: Path, source: Source, roots: Sequence[Path]) -> Annotations:
    where = folder if source.annotations is None else resolve(source.annotations, roots)
    if source.boxes == "coco":
        return read_coco(where)
    if source.boxes == "label-studio":
        return read_label_studio(where)
    suffix = ".xml" if source.boxes == "voc" else ".txt"
    if where.is_file():
        raise BadSource(f"{where} is a file", f"{source.boxes} has a folder of {suffix} files")
    files, failures = find_files(where, roots=roots, suffixes={suffix})
    if not files:
        raise BadSource(f"{where} holds no {suffix} files", "name the folder of the annotations")
    if source.boxes == "voc":
        found = read_voc(files)
    else:
        found = read_yolo(files, _classes_file((where, where.parent, folder), roots))
    return Annotations(found.images, [*failures, *found.failures])


def _classes_file(folders: Sequence[Path], roots: Sequence[Path]) -> Path | None:
    for one in folders:
        real = real_path(one / CLASSES_FILE)
        if real is not None and is_inside(real, roots) and real.is_file():
            return real
    return None


def _boxes_of_images(
    annotations: Annotations, names: ImageNames, cuts: _Cuts
) -> dict[str, list[Box | Unusable]]:
    n_boxes = sum(len(one.boxes) for one in annotations.images)
    if n_boxes > MAX_BOXES:
        raise BadSource(
            f"{n_boxes:,} boxes; at most {MAX_BOXES:,} are taken at once", "cut them into parts"
        )
    found: dict[str, list[Box | Unusable]] = {}
    for one in annotations.images:
        match = names.find(one.names)
        if match.name is not None:
            if one.boxes:
                found.setdefault(match.name, []).extend(one.boxes)
        elif one.boxes:
            cuts.fail(one.names[0], match.reason)
    for name, boxes in found.items():
        if len(boxes) > MAX_IMAGE_BOXES:
            cuts.fail(name, f"{len(boxes):,} boxes; the first {MAX_IMAGE_BOXES:,} are taken")
            del boxes[MAX_IMAGE_BOXES:]
    return found


def _cut_out(
    name: str,
    file: Path,
    boxes: Sequence[Box | Unusable],
    margin: float,
    place: Path,
    cuts: _Cuts,
) -> None:
    """Cut the objects of one image out, or find the cuts of an earlier run."""
    try:
        data = read_file(file)
    except Unreadable as error:
        cuts.fail(name, error.message)
        return
    content = hashlib.sha256(data).hexdigest()
    image: Image.Image | None = None
    for number, box in enumerate(boxes):
        sample_id = f"{name}#{number}"
        if isinstance(box, Unusable):
            cuts.fail(sample_id, box.reason)
            continue
        if len(sample_id) > MAX_ID_LENGTH:
            cuts.fail(sample_id, "its path is too long")
            continue
        path = _place(place, content, box, margin)
        if not path.is_file():
            try:
                image = image or decode_image(data)
            except Unreadable as error:
                cuts.fail(name, error.message)
                return
            region = region_of(box, image.size, margin=margin)
            if region is None:
                cuts.fail(sample_id, f"less than {MIN_SIDE} pixels of it lie within the image")
                continue
            cuts.n_bytes += _save(image.crop(region), path)
        cuts.ids.append(sample_id)
        cuts.paths.append(path)
        cuts.labels.append(box.label)
        cuts.groups.append(name)


def _place(place: Path, content: str, box: Box, margin: float) -> Path:
    said = f"{RULE} {content} {box[:4]!r} {box.is_share} {margin!r}"
    key = hashlib.sha256(said.encode()).hexdigest()
    return place / key[:2] / f"{key}.png"


def region_of(
    box: Box, size: tuple[int, int], *, margin: float
) -> tuple[int, int, int, int] | None:
    """Tell which pixels are cut out: left, top, right, bottom, the last two not included.

    None where less than `MIN_SIDE` pixels of the box lie within an image of that size, (width,
    height). The margin is the same on all sides, and ends with the image.
    """
    width, height = size
    across, down = (width, height) if box.is_share else (1, 1)
    left, right = max(0.0, box.left * across), min(float(width), box.right * across)
    top, bottom = max(0.0, box.top * down), min(float(height), box.bottom * down)
    if right - left < MIN_SIDE or bottom - top < MIN_SIDE:
        return None
    around = margin * max(right - left, bottom - top)
    # a share of 0.5 of 3 pixels is 1.5: pixels that a box touches belong to it, those that rounding
    # errors touch do not
    return (
        max(0, floor(left - around + 1e-6)),
        max(0, floor(top - around + 1e-6)),
        min(width, ceil(right + around - 1e-6)),
        min(height, ceil(bottom + around - 1e-6)),
    )


def _save(cut: "Image.Image", path: Path) -> int:
    written = BytesIO()
    # PNG: a second JPEG would lose again, and cuts are small
    cut.save(written, format="PNG", compress_level=3)
    write_media(path, written.getvalue())
    return len(written.getvalue())
