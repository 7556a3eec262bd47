import io
import json
import tarfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from al_server.errors import BadSource, OutsideRoots
from al_server.sources import objects
from al_server.sources.annotations.boxes import Box
from al_server.sources.fetch import Fetcher
from al_server.sources.listing import Listing
from al_server.sources.objects import region_of
from al_server.sources.read import read_source
from tests.sources.descriptions import source

Read = Callable[..., Listing]
WIDTH, HEIGHT = 100, 80
# left, top, right, bottom in pixels, the last two not included
CAT, DOG = (10, 20, 30, 60), (50, 0, 100, 30)


@pytest.fixture
def photos(root: Path) -> Path:
    """Two photos of noise: every piece of them is told apart."""
    folder = root / "photos"
    rng = np.random.default_rng(0)
    for name in ("a.png", "deep/b.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
    return folder


def voc(image: str, *boxes: tuple[str, Any, Any, Any, Any]) -> str:
    """Write as VOC does: pixels count from 1, the last one is in."""
    said = "".join(
        f"<object><name>{name}</name><part><name>ear</name><bndbox><xmin>1</xmin></bndbox></part>"
        f"<bndbox><xmin>{left}</xmin><ymin>{top}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax>"
        "</bndbox></object>"
        for name, left, top, right, bottom in boxes
    )
    return f"<annotation><filename>{image}</filename>{said}</annotation>"


def write_voc(folder: Path) -> Path:
    (folder / "deep").mkdir(parents=True)
    (folder / "a.xml").write_text(voc("a.png", ("cat", 11, 21, 30, 60), ("dog", 51, 1, 100, 30)))
    (folder / "deep/b.xml").write_text(voc("b.png", ("cat", 11, 21, 30, 60)))
    return folder


def write_coco(folder: Path) -> Path:
    folder.mkdir()
    boxes = [(7, 2, [10, 20, 20, 40]), (7, 9, [50, 0, 50, 30]), (8, 2, [10, 20, 20, 40])]
    said = {
        "images": [
            {"id": 7, "file_name": "train2017/a.png"},
            {"id": 8, "file_name": "deep/b.png"},
        ],
        "annotations": [
            {"id": number, "image_id": image, "category_id": category, "bbox": bbox}
            for number, (image, category, bbox) in enumerate(boxes)
        ],
        "categories": [{"id": 2, "name": "cat"}, {"id": 9, "name": "dog"}],
    }
    (folder / "instances.json").write_text(json.dumps(said))
    return folder / "instances.json"


def write_yolo(folder: Path) -> Path:
    (folder / "deep").mkdir(parents=True)
    (folder / "classes.txt").write_text("cat\ndog\n")
    (folder / "a.txt").write_text("0 0.2 0.5 0.2 0.5\n1 0.75 0.1875 0.5 0.375 0.9\n")
    (folder / "deep/b.txt").write_text("0 0.2 0.5 0.2 0.5\n\n")
    return folder


def region(x: float, y: float, width: float, height: float, label: str, **more: Any) -> Any:
    value = {"x": x, "y": y, "width": width, "height": height, "rectanglelabels": [label]}
    return {"type": "rectanglelabels", "value": value | more}


def task(image: str, *regions: Any) -> Any:
    return {"data": {"image": image}, "annotations": [{"result": list(regions)}]}


def write_label_studio(folder: Path) -> Path:
    folder.mkdir()
    cat, dog = region(10, 25, 20, 50, "cat"), region(50, 0, 50, 37.5, "dog")
    whole = {"type": "choices", "value": {"choices": ["day"]}}
    first = task("/data/upload/3/1a2b3c4d-a.png", cat, whole, dog)
    # what was cancelled before, and what another annotator said, are not taken
    first["annotations"].insert(0, {"was_cancelled": True, "result": [dog]})
    first["annotations"].append({"result": [cat, cat]})
    tasks = [first, task("/data/local-files/?d=photos/deep/b.png", cat)]
    (folder / "export.json").write_text(json.dumps(tasks))
    return folder / "export.json"


FORMATS: dict[str, Callable[[Path], Path]] = {
    "voc": write_voc,
    "coco": write_coco,
    "yolo": write_yolo,
    "label-studio": write_label_studio,
}


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("boxes", FORMATS)
def test_every_format_gives_the_same_objects(root: Path, photos: Path, read: Read, boxes: str):
    where = FORMATS[boxes](root / "marks")
    found = read("objects", photos, boxes=boxes, annotations=str(where), margin=0, labels=True)
    assert found.sample_ids == ["a.png#0", "a.png#1", "deep/b.png#0"]
    assert found.labels == ["cat", "dog", "cat"] and found.classes == ["cat", "dog"]
    assert found.groups == ["a.png", "a.png", "deep/b.png"]
    assert found.failures == []
    wanted = (("a.png", CAT), ("a.png", DOG), ("deep/b.png", CAT))
    for path, (name, (left, top, right, bottom)) in zip(found.paths or [], wanted, strict=True):
        np.testing.assert_array_equal(pixels(path), pixels(photos / name)[top:bottom, left:right])


def test_annotations_may_lie_beside_the_images(photos: Path, read: Read):
    (photos / "deep/b.xml").write_text(voc("b.png", ("cat", 11, 21, 30, 60)))
    assert read("objects", photos, boxes="voc").sample_ids == ["deep/b.png#0"]


def test_the_margin_is_a_share_of_the_longer_side_and_ends_with_the_image():
    size = (WIDTH, HEIGHT)
    assert region_of(Box(10, 20, 30, 60, None), size, margin=0.1) == (6, 16, 34, 64)
    assert region_of(Box(50, 0, 100, 30, None), size, margin=0.1) == (45, 0, 100, 35)
    assert region_of(Box(-1e9, -1e9, 1e9, 1e9, None), size, margin=10) == (0, 0, WIDTH, HEIGHT)
    assert region_of(Box(0.1, 0.25, 0.3, 0.75, None, True), size, margin=0) == (10, 20, 30, 60)
    assert region_of(Box(99, 0, 120, 80, None), size, margin=1) is None
    assert region_of(Box(200, 200, 300, 300, None), size, margin=1) is None


def test_boxes_are_those_of_the_image_as_a_person_sees_it(root: Path, read: Read):
    image = Image.fromarray(np.arange(200, dtype=np.uint8).reshape(10, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    (root / "i").mkdir()
    image.save(root / "i/a.png", exif=exif)
    (root / "i/a.txt").write_text("0 0.5 0.25 1 0.5\n")
    (path,) = read("objects", root / "i", boxes="yolo", margin=0).paths or []
    upright = np.asarray(image.transpose(Image.Transpose.ROTATE_270))
    np.testing.assert_array_equal(pixels(path)[..., 0], upright[:10])


def test_nothing_is_cut_twice_and_moved_images_neither(
    root: Path, photos: Path, read: Read, monkeypatch: pytest.MonkeyPatch
):
    where = write_voc(root / "marks")
    first = read("objects", photos, boxes="voc", annotations=str(where))
    photos.rename(root / "moved")
    monkeypatch.setattr(objects, "decode_image", lambda data: pytest.fail("decoded"))
    again = read("objects", root / "moved", boxes="voc", annotations=str(where))
    assert again.paths == first.paths
    assert "0.0 MB written" in again.note


def test_another_margin_is_another_cut(root: Path, photos: Path, read: Read):
    where = str(write_voc(root / "marks"))
    cuts = [read("objects", photos, boxes="voc", annotations=where, margin=m) for m in (0, 0.5)]
    assert not set(cuts[0].paths or []) & set(cuts[1].paths or [])


def test_objects_without_a_class_have_no_label(root: Path, photos: Path, read: Read):
    said = task("a.png", {"type": "rectangle", "value": {"x": 1, "y": 1, "width": 9, "height": 9}})
    (root / "e.json").write_text(json.dumps([said]))
    found = read(
        "objects", photos, boxes="label-studio", annotations=str(root / "e.json"), labels=True
    )
    assert found.labels == [None] and found.classes == []


def test_in_a_multi_label_campaign_a_class_is_a_list_of_one(root: Path, photos: Path, read: Read):
    where = str(write_voc(root / "marks"))
    found = read("objects", photos, boxes="voc", annotations=where, labels=True, multi=True)
    assert found.labels == [["cat"], ["dog"], ["cat"]]


@pytest.mark.parametrize(
    ("corners", "reason"),
    [
        (("nan", 1, 9, 9), "not finite"),
        ((1, 1, "inf", 9), "not finite"),
        ((1, 1, "1e300", 9), "beyond all images"),
        ((1, 1, "wide", 9), "not numbers"),
        ((20, 1, 9, 9), "not above 0"),
        ((1, 20, 9, -5), "not above 0"),
        ((5, 5, 5, 30), "less than 2 pixels"),
        ((500, 5, 600, 30), "less than 2 pixels"),
    ],
)
def test_a_box_that_cannot_be_is_a_failure_and_keeps_its_number(
    root: Path, photos: Path, read: Read, corners: tuple[Any, ...], reason: str
):
    (root / "m").mkdir()
    good = ("cat", 11, 21, 30, 60)
    (root / "m/a.xml").write_text(voc("a.png", good, ("cat", *corners), good))
    found = read("objects", photos, boxes="voc", annotations=str(root / "m"))
    assert found.sample_ids == ["a.png#0", "a.png#2"]
    (failure,) = found.failures
    assert failure.sample == "a.png#1" and reason in failure.reason


@pytest.mark.parametrize(
    "line",
    ["0 0.5 0.5 0.1", "0 0.5 0.5 0.1 0.1 0.2 0.3", "0 nan 0.5 0.1 0.1", "0 50 50 10 10",
     "7 0.5 0.5 0.1 0.1", "-1 0.5 0.5 0.1 0.1", "cat 0.5 0.5 0.1 0.1", "0 0.5 0.5 -0.1 0.1"],
)  # fmt: skip
def test_a_bad_line_of_yolo_is_a_failure(root: Path, photos: Path, read: Read, line: str):
    (root / "y").mkdir()
    (root / "y/classes.txt").write_text("cat\n")
    (root / "y/a.txt").write_text(f"{line}\n0 0.5 0.5 0.5 0.5\n")
    found = read("objects", photos, boxes="yolo", annotations=str(root / "y"))
    assert found.sample_ids == ["a.png#1"]
    assert [one.sample for one in found.failures] == ["a.png#0"]


BAD_REGIONS = [
    None,
    7,
    {},
    {"type": "rectanglelabels"},
    {"type": "rectanglelabels", "value": []},
    {"type": "rectanglelabels", "value": {"x": "1", "y": 1, "width": 1, "height": 1}},
    {"type": "rectanglelabels", "value": {"x": True, "y": None, "width": [], "height": {}}},
    {"type": "polygonlabels", "value": {"points": [[1, 1], [2, 2], [3, 1]]}},
    region(1, 1, 50, 50, "cat", rotation=30),
    region(1, 1, -5, 50, "cat"),
    region(1, 1, 1e6, 50, "cat"),
    region(1, 1, 50, 50, "c" * 1000),
]


@pytest.mark.parametrize("bad", BAD_REGIONS)
def test_a_bad_region_of_label_studio_is_a_failure(root: Path, photos: Path, read: Read, bad: Any):
    said = [task("a.png", bad, region(1, 1, 50, 50, "cat"))]
    (root / "e.json").write_text(json.dumps(said))
    found = read("objects", photos, boxes="label-studio", annotations=str(root / "e.json"))
    assert found.sample_ids == ["a.png#1"]
    assert [one.sample for one in found.failures] == ["a.png#0"]


BAD_ANNOTATIONS = [
    None,
    [],
    {"image_id": 1},
    {"image_id": 1, "bbox": "all"},
    {"image_id": 1, "bbox": [1, 2, 3]},
    {"image_id": 1, "bbox": [1, 2, None, 3]},
    {"image_id": 1, "bbox": [1, 2, 30, True]},
    {"image_id": 1, "bbox": [1, 2, -3, 9]},
    {"image_id": 1, "bbox": [1, 2, 10**400, 9]},
    {"image_id": 1, "bbox": [1, 2, 9, 9], "iscrowd": 1},
    {"image_id": [1], "bbox": [1, 2, 9, 9]},
    {"image_id": 3, "bbox": [1, 2, 9, 9]},
]


@pytest.mark.parametrize("bad", BAD_ANNOTATIONS)
def test_a_bad_entry_of_coco_is_a_failure(root: Path, photos: Path, read: Read, bad: Any):
    said = {
        "images": [{"id": 1, "file_name": "a.png"}, {"id": {}, "file_name": 3}, 4],
        "annotations": [bad, {"image_id": 1, "bbox": [1, 2, 9, 9], "category_id": [0]}],
        "categories": [None, {"id": 0}],
    }
    (root / "c.json").write_text(json.dumps(said))
    try:
        found = read("objects", photos, boxes="coco", annotations=str(root / "c.json"))
    except BadSource as error:  # numbers too large for the JSON reader
        assert "cannot be read" in error.message
        return
    assert len(found.sample_ids) == 1 and len(found.failures) == 1


@pytest.mark.parametrize(
    ("boxes", "text"),
    [
        ("coco", "no json"),
        ("coco", "[]"),
        ("coco", '{"images": {}, "annotations": 3}'),
        ("coco", '{"images": []}'),
        ("label-studio", '{"data": 1}'),
        ("label-studio", "[" * 100_000),
        ("label-studio", '[{"data": {"image": "a.png"}, "annotations": 4}]'),
        ("label-studio", '[{"data": {"text": "a"}, "annotations": []}, 3, null]'),
        ("label-studio", "[]"),
    ],
)
def test_a_file_of_another_kind_is_refused(
    root: Path, photos: Path, read: Read, boxes: str, text: str
):
    (root / "x.json").write_text(text)
    with pytest.raises(BadSource):
        read("objects", photos, boxes=boxes, annotations=str(root / "x.json"))


BOMB = """<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<annotation><filename>&b;</filename></annotation>"""
THIEF = """<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>
<annotation><filename>a.png</filename><object><name>&a;</name></object></annotation>"""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BOMB, "DTD"),
        (THIEF, "DTD"),
        ("<annotation><object>", "no element found"),
        ("<a>" * 100, "deep"),
        ("", "no element found"),
        ('<?xml version="1.0" encoding="nonsense"?><annotation/>', "encoding"),
        ("<annotation>" + " " * 5_000_000 + "</annotation>", "longer than"),
    ],
)
def test_hostile_xml_is_a_failure_and_the_others_go_on(
    root: Path, photos: Path, read: Read, text: str, reason: str
):
    where = write_voc(root / "marks")
    (where / "a.xml").write_text(text)
    found = read("objects", photos, boxes="voc", annotations=str(where))
    assert found.sample_ids == ["deep/b.png#0"]
    (failure,) = found.failures
    assert failure.sample == "a.xml" and reason in failure.reason


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "../secret.png", "..\\secret.png", "deep/../../secret.png"]
)
def test_an_image_outside_the_folder_is_refused(root: Path, photos: Path, read: Read, name: str):
    Image.new("RGB", (WIDTH, HEIGHT)).save(root / "secret.png")
    where = write_voc(root / "marks")
    (where / "a.xml").write_text(voc(name, ("cat", 1, 1, 50, 50)))
    found = read("objects", photos, boxes="voc", annotations=str(where))
    assert found.sample_ids == ["deep/b.png#0"]
    (failure,) = found.failures
    assert failure.reason == "the name of its image leads out of the folder"


def test_an_absolute_name_finds_only_images_of_the_folder(root: Path, photos: Path, read: Read):
    Image.new("RGB", (WIDTH, HEIGHT)).save(root / "secret.png")
    box = region(1, 1, 50, 50, "cat")
    said = [task(str(root / "secret.png"), box), task("/home/me/set/deep/b.png", box)]
    (root / "e.json").write_text(json.dumps(said))
    found = read("objects", photos, boxes="label-studio", annotations=str(root / "e.json"))
    assert found.sample_ids == ["deep/b.png#0"]
    assert [one.reason for one in found.failures] == ["no such image in the folder"]


def test_a_bare_name_that_several_images_have_is_a_failure(root: Path, photos: Path, read: Read):
    (photos / "other").mkdir()
    (photos / "other/b.png").write_bytes((photos / "a.png").read_bytes())
    said = [task("b.png", region(1, 1, 50, 50, "x")), task("a.png", region(1, 1, 50, 50, "x"))]
    (root / "e.json").write_text(json.dumps(said))
    found = read("objects", photos, boxes="label-studio", annotations=str(root / "e.json"))
    assert found.sample_ids == ["a.png#0"]
    assert [one.reason for one in found.failures] == ["2 images of the folder are called so"]


def test_annotations_outside_the_roots_are_not_read(
    root: Path, photos: Path, read: Read, tmp_path: Path
):
    where = write_voc(tmp_path / "out")
    with pytest.raises(OutsideRoots):
        read("objects", photos, boxes="voc", annotations=str(where))
    (root / "m").mkdir()
    (root / "m/a.xml").symlink_to(where / "a.xml")
    with pytest.raises(BadSource):
        read("objects", photos, boxes="voc", annotations=str(root / "m"))
    (root / "m/a.txt").write_text("0 0.5 0.5 0.5 0.5")
    (root / "m/classes.txt").symlink_to(where / "a.xml")
    found = read("objects", photos, boxes="yolo", annotations=str(root / "m"), labels=True)
    assert found.labels == ["0"]


def test_a_photo_that_cannot_be_read_is_one_failure(root: Path, photos: Path, read: Read):
    where = write_voc(root / "marks")
    (photos / "a.png").write_bytes(b"not a picture")
    found = read("objects", photos, boxes="voc", annotations=str(where))
    assert found.sample_ids == ["deep/b.png#0"]
    assert [one.sample for one in found.failures] == ["a.png"]


def test_very_many_boxes_are_bounded(
    root: Path, photos: Path, read: Read, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(objects, "MAX_IMAGE_BOXES", 1000)
    (root / "y").mkdir()
    (root / "y/a.txt").write_text("0 0.5 0.5 0.0001 0.5\n" * 20_000)
    (root / "y/b.txt").write_text("0 0.5 0.5 0.5 0.5\n" * 1_000_000)
    (root / "y/deep").mkdir()
    (root / "y/deep/b.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    found = read("objects", photos, boxes="yolo", annotations=str(root / "y"))
    assert found.sample_ids == ["deep/b.png#0"]
    reasons = [one.reason for one in found.failures if "#" not in one.sample]
    assert reasons == ["longer than 4 MiB", "20,000 boxes; the first 1,000 are taken"]
    assert len(found.failures) == 2 + 1000


def test_a_million_boxes_in_one_file_are_refused_together(
    root: Path, photos: Path, read: Read, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(objects, "MAX_BOXES", 2)
    where = str(write_coco(root / "marks"))
    with pytest.raises(BadSource, match="3 boxes; at most 2"):
        read("objects", photos, boxes="coco", annotations=where)


def test_no_annotations_at_all_is_an_error(root: Path, photos: Path, read: Read):
    with pytest.raises(BadSource, match=r"holds no \.xml files"):
        read("objects", photos, boxes="voc")
    with pytest.raises(BadSource, match="is a file"):
        read("objects", photos, boxes="voc", annotations=str(photos / "a.png"))
    with pytest.raises(BadSource, match="not a file"):
        read("objects", photos, boxes="coco", annotations=str(photos))


@pytest.mark.parametrize(
    "options",
    [{}, {"boxes": "pascal"}, {"boxes": "coco"}, {"boxes": "voc", "margin": -1},
     {"boxes": "voc", "margin": float("inf")}, {"boxes": "voc", "every": 1},
     {"boxes": "voc", "annotations": ""}],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(options: dict[str, Any]):
    with pytest.raises(ValidationError):
        source("objects", "photos", **options)


def accuracy(vectors: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> float:
    """How often 5 nearest objects of the four fifths of other photos vote right."""
    held = groups % 5 == 0
    votes = np.argsort(-(vectors[held] @ vectors[~held].T), axis=1)[:, :5]
    n_classes = labels.max() + 1
    counts = np.stack([np.bincount(one, minlength=n_classes) for one in labels[~held][votes]])
    right = counts.argmax(axis=1) == labels[held]
    return float(np.mean([right[labels[held] == one].mean() for one in range(n_classes)]))


@pytest.mark.slow
def test_cells_of_real_photos_are_all_found_and_told_apart(shared_data: Path, tmp_path: Path):
    from al_server.campaign.embedding import make_embedder
    from embeddings.cache import VectorCache
    from embeddings.embedder import embed_all

    with tarfile.open(shared_data / "bccd" / "bccd.tar") as archive:
        archive.extractall(tmp_path, filter="data")
    asked = source(
        "objects",
        tmp_path / "BCCD/JPEGImages",
        boxes="voc",
        annotations=str(tmp_path / "BCCD/Annotations"),
        labels=True,
    )
    found = read_source(asked, roots=[tmp_path], fetch=Fetcher(tmp_path / "media"))
    # two of the red cells are marked by a box of one pixel
    assert Counter(found.labels or []) == {"RBC": 4155 - 2, "WBC": 372, "Platelets": 361}
    assert [one.sample for one in found.failures] == [
        "BloodImage_00338.jpg#12",
        "BloodImage_00343.jpg#3",
    ]
    assert len(set(found.groups or [])) == 364
    embedder = make_embedder("pixels", checkpoint=None, sample=found.paths or [], state_dir=None)
    with VectorCache(tmp_path / "vectors.db") as cache:
        embedded = embed_all(embedder, found.paths or [], cache=cache)
    assert len(embedded.positions) == len(found.sample_ids)
    classes = found.classes or []
    labels = np.array([classes.index(str(one)) for one in found.labels or []])
    _, groups = np.unique(found.groups or [], return_inverse=True)
    balanced = accuracy(np.asarray(embedded.vectors, np.float32), labels, groups)
    print(f"balanced accuracy of 5 nearest neighbours: {balanced:.3f}")
    assert balanced > 0.9  # chance is a third


def test_a_cut_is_a_png_of_the_media_folder(root: Path, photos: Path, read: Read, tmp_path: Path):
    found = read("objects", photos, boxes="voc", annotations=str(write_voc(root / "marks")))
    for path in found.paths or []:
        assert path.is_relative_to(tmp_path / "down" / "objects")
        assert io.BytesIO(path.read_bytes()).read(8) == b"\x89PNG\r\n\x1a\n"
