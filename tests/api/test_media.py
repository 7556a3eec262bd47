"""Samples as a browser can show them."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image

from al_server.api import media
from tests.api.toy_registry import ToyCampaign, ToyMedia

BASE = "/api/v1/campaigns/fruits/samples"


def picture(tmp_path: Path, name: str, *, side: int = 8, **options: object) -> Path:
    path = tmp_path / name
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **options)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("one.jpg", "image/jpeg"),
        ("one.png", "image/png"),
        ("one.webp", "image/webp"),
        ("one.bmp", "image/bmp"),
    ],
)
def test_images_that_browsers_know_are_sent_as_they_are(
    client: FlaskClient, campaign: ToyCampaign, tmp_path: Path, name: str, kind: str
) -> None:
    path = picture(tmp_path, name)
    campaign.samples["a"] = ToyMedia(path, None)
    answer = client.get(f"{BASE}/a/media")
    assert answer.content_type == kind
    assert answer.data == path.read_bytes()


def test_the_content_decides_over_the_name(
    client: FlaskClient, campaign: ToyCampaign, tmp_path: Path
) -> None:
    path = picture(tmp_path, "named.jpg", format="PNG")
    campaign.samples["a"] = ToyMedia(path, None)
    assert client.get(f"{BASE}/a/media").content_type == "image/png"


@pytest.mark.parametrize("options", [{}, {"compression": "tiff_lzw"}])
def test_tiff_is_shown_as_png_with_the_same_pixels(
    client: FlaskClient, campaign: ToyCampaign, tmp_path: Path, options: dict[str, str]
) -> None:
    path = picture(tmp_path, "one.tif", **options)
    campaign.samples["a"] = ToyMedia(path, None)
    answer = client.get(f"{BASE}/a/media")
    assert answer.content_type == "image/png"
    with Image.open(BytesIO(answer.data)) as shown, Image.open(path) as stored:
        np.testing.assert_array_equal(shown, stored)


def test_large_bitmaps_are_shown_as_png(
    client: FlaskClient, campaign: ToyCampaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "LARGE_BITMAP", 100)
    campaign.samples["a"] = ToyMedia(picture(tmp_path, "one.bmp"), None)
    assert client.get(f"{BASE}/a/media").content_type == "image/png"


def test_a_converted_image_has_a_bounded_side(
    client: FlaskClient, campaign: ToyCampaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "CONVERTED_SIDE", 16)
    campaign.samples["a"] = ToyMedia(picture(tmp_path, "one.tif", side=40), None)
    with Image.open(BytesIO(client.get(f"{BASE}/a/media").data)) as shown:
        assert shown.size == (16, 16)


@pytest.mark.parametrize("name", ["one.jpg", "one.tif", None])
def test_what_the_browser_has_is_not_sent_again(
    client: FlaskClient, campaign: ToyCampaign, tmp_path: Path, name: str | None
) -> None:
    if name is not None:
        campaign.samples["a"] = ToyMedia(picture(tmp_path, name), None)
    first = client.get(f"{BASE}/a/media")
    assert first.headers["Cache-Control"].startswith("private, max-age=")
    again = client.get(f"{BASE}/a/media", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    other = client.get(f"{BASE}/a/media", headers={"If-None-Match": '"other"'})
    assert other.data == first.data


def test_a_changed_file_has_another_etag(
    client: FlaskClient, campaign: ToyCampaign, tmp_path: Path
) -> None:
    campaign.samples["a"] = ToyMedia(picture(tmp_path, "one.tif"), None)
    before = client.get(f"{BASE}/a/media").headers["ETag"]
    picture(tmp_path, "one.tif", side=9)
    assert client.get(f"{BASE}/a/media").headers["ETag"] != before


def test_text_is_sent_as_plain_text_and_nothing_in_it_runs(
    client: FlaskClient, campaign: ToyCampaign
) -> None:
    campaign.samples["a"] = ToyMedia(None, "<script>alert(1)</script> ü")
    answer = client.get(f"{BASE}/a/media")
    assert answer.content_type == "text/plain; charset=utf-8"
    assert answer.data.decode() == "<script>alert(1)</script> ü"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("content", [None, b"", b"II*\0 cut off", b"<html>", b"\x89PN"])
def test_a_file_that_has_gone_or_is_damaged_is_an_error_with_a_reason(
    client: FlaskClient, campaign: ToyCampaign, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "one.tif"
    if content is not None:
        path.write_bytes(content)
    campaign.samples["a"] = ToyMedia(path, None)
    answer = client.get(f"{BASE}/a/media")
    assert answer.status_code == 404
    assert "'a' cannot be shown" in answer.json["error"]["message"]
    assert str(tmp_path) not in answer.text


def test_parts_of_an_image_can_be_asked_for(
    client: FlaskClient, campaign: ToyCampaign, tmp_path: Path
) -> None:
    path = picture(tmp_path, "one.jpg")
    campaign.samples["a"] = ToyMedia(path, None)
    part = client.get(f"{BASE}/a/media", headers={"Range": "bytes=0-9"})
    assert (part.status_code, part.data) == (206, path.read_bytes()[:10])
    beyond = client.get(f"{BASE}/a/media", headers={"Range": "bytes=999999-"})
    assert beyond.status_code == 416
    assert beyond.json["error"]["code"] == "range_not_satisfiable"
