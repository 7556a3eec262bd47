"""Samples as a browser can show them."""

import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image

from al_server.api import media
from al_server.campaigns import CampaignRegistry
from al_server.models import CampaignSpec, Source
from tests.api.conftest import prepare

BASE = "/api/v1/campaigns/pictures/samples"
NAMES = [
    "one.jpg",
    "one.png",
    "one.webp",
    "one.bmp",
    "plain.tif",
    "packed.tif",
    "wide.tif",
    "changed.tif",
    "gone.tif",
    "pipe.png",
    "linked.png",
    "loop.png",
]
DAMAGED = {
    "empty.tif": b"",
    "cut.tif": b"II*\0 cut off",
    "page.jpg": b"<html>",
    "few.png": b"\x89P",
}


def draw(path: Path, *, seed: int = 0, side: int = 8, format: str | None = None) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    options = {"compression": "tiff_lzw"} if path.name == "packed.tif" else {}
    Image.fromarray(pixels).save(path, format=format, **options)


@pytest.fixture(scope="module")
def folder(registry: CampaignRegistry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Of the campaign `pictures`; some of its files are damaged after they were taken in."""
    folder = tmp_path_factory.mktemp("pictures")
    for seed, name in enumerate([*NAMES, *DAMAGED]):
        draw(folder / name, seed=seed, side=40 if name == "wide.tif" else 8)
    draw(folder / "misnamed.jpg", seed=99, format="PNG")
    source = Source(kind="images", path=folder.name)
    prepare(
        registry,
        CampaignSpec(name="pictures", classes=["a"], source=source, embedder="pixels"),
    )
    for name, content in DAMAGED.items():
        (folder / name).write_bytes(content)
    (folder / "gone.tif").unlink()
    (folder / "pipe.png").unlink()
    os.mkfifo(folder / "pipe.png")
    yield folder


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("one.jpg", "image/jpeg"),
        ("one.png", "image/png"),
        ("one.webp", "image/webp"),
        ("one.bmp", "image/bmp"),
        ("misnamed.jpg", "image/png"),
    ],
)
def test_images_that_browsers_know_are_sent_as_they_are(
    client: FlaskClient, folder: Path, name: str, kind: str
) -> None:
    answer = client.get(f"{BASE}/{name}/media")
    assert answer.content_type == kind
    assert answer.data == (folder / name).read_bytes()


@pytest.mark.parametrize("name", ["plain.tif", "packed.tif"])
def test_tiff_is_shown_as_png_with_the_same_pixels(
    client: FlaskClient, folder: Path, name: str
) -> None:
    answer = client.get(f"{BASE}/{name}/media")
    assert answer.content_type == "image/png"
    with Image.open(BytesIO(answer.data)) as shown, Image.open(folder / name) as stored:
        np.testing.assert_array_equal(shown, stored)


def test_large_bitmaps_are_shown_as_png(
    client: FlaskClient, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "LARGE_BITMAP", 100)
    assert client.get(f"{BASE}/one.bmp/media").content_type == "image/png"


def test_a_converted_image_has_a_bounded_side(
    client: FlaskClient, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "CONVERTED_SIDE", 16)
    with Image.open(BytesIO(client.get(f"{BASE}/wide.tif/media").data)) as shown:
        assert shown.size == (16, 16)


@pytest.mark.parametrize("path", [f"{BASE}/one.jpg", f"{BASE}/plain.tif", "TEXT"])
def test_what_the_browser_has_is_not_sent_again(
    client: FlaskClient, folder: Path, path: str
) -> None:
    uri = f"{path}/media".replace("TEXT", "/api/v1/campaigns/fruits/samples/a")
    first = client.get(uri)
    assert first.headers["Cache-Control"].startswith("private, max-age=")
    again = client.get(uri, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    other = client.get(uri, headers={"If-None-Match": '"other"'})
    assert other.data == first.data


def test_a_changed_file_has_another_etag(client: FlaskClient, folder: Path) -> None:
    before = client.get(f"{BASE}/changed.tif/media").headers["ETag"]
    draw(folder / "changed.tif", side=9)
    assert client.get(f"{BASE}/changed.tif/media").headers["ETag"] != before


def test_text_is_sent_as_plain_text_and_nothing_in_it_runs(client: FlaskClient) -> None:
    segment = quote("train/x y/ü%.jpg", safe="")
    answer = client.get(f"/api/v1/campaigns/fruits/samples/{segment}/media")
    assert answer.content_type == "text/plain; charset=utf-8"
    assert answer.data.decode() == "text of train/x y/ü%.jpg"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", ["gone.tif", "pipe.png", *DAMAGED])
def test_a_file_that_has_gone_or_is_damaged_is_an_error_with_a_reason(
    client: FlaskClient, folder: Path, name: str
) -> None:
    answer = client.get(f"{BASE}/{name}/media")
    assert answer.status_code == 404
    assert f"{name!r} cannot be shown: " in answer.json["error"]["message"]
    assert str(folder) not in answer.text


def test_a_link_put_in_place_of_a_file_leads_nowhere_outside_the_roots(
    client: FlaskClient, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "private.png"
    draw(outside)
    (folder / "linked.png").unlink()
    (folder / "linked.png").symlink_to(outside)
    answer = client.get(f"{BASE}/linked.png/media")
    assert (answer.status_code, answer.json["error"]["code"]) == (403, "outside_roots")
    assert "private" not in answer.text
    (folder / "loop.png").unlink()
    (folder / "loop.png").symlink_to(folder / "loop.png")
    assert client.get(f"{BASE}/loop.png/media").status_code == 404


def test_parts_of_an_image_can_be_asked_for(client: FlaskClient, folder: Path) -> None:
    part = client.get(f"{BASE}/one.jpg/media", headers={"Range": "bytes=0-9"})
    assert (part.status_code, part.data) == (206, (folder / "one.jpg").read_bytes()[:10])
    beyond = client.get(f"{BASE}/one.jpg/media", headers={"Range": "bytes=999999-"})
    assert beyond.status_code == 416
    assert beyond.json["error"]["code"] == "range_not_satisfiable"
