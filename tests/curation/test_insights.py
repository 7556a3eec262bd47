"""The page of a curation: what it says is true, whatever samples are called, and nothing leaves."""

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from al_server.curation import insights_pictures
from al_server.curation.curated import Curated, Step
from al_server.curation.insights import gather, write
from al_server.curation.insights_page import render
from al_server.curation.insights_pictures import MOST_BYTES, thumbnails
from al_server.curation.projection import project
from al_server.errors import BadInput

HOSTILE = "</script><script>alert(1)</script>"
STEPS = (Step("outliers", "outlier", 2), Step("similars", "similar", 3))


def _curated(n: int = 30) -> Curated:
    """Two outliers, and three samples beside the rows 0, 0 and 1."""
    return Curated(
        sample_ids=[HOSTILE, *(f"s{row}\u2028'\"&" for row in range(1, n))],
        kept=np.arange(n - 5),
        removed=np.arange(n - 5, n),
        steps=STEPS,
        step_of=np.array([0, 0, 1, 1, 1], np.int8),
        because_of=np.array([-1, -1, 0, 0, 1]),
        distances=np.array([np.nan, np.nan, 0.2, 0.1, 0.3], np.float32),
        scores=np.array([0.9, 0.8, *[np.nan] * 3], np.float32),
    )


def _vectors(n: int = 30) -> NDArray[np.float32]:
    return np.random.default_rng(3).standard_normal((n, 5)).astype(np.float32)


def _data(page: str) -> dict[str, Any]:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.fixture
def page(tmp_path: Path) -> str:
    classes = np.arange(30) % 2
    names = [HOSTILE, '" onload="alert(1)']
    texts = [f"{HOSTILE} {row}" for row in range(30)]
    file = tmp_path / "insights.html"
    write(
        _curated(), _vectors(), file, classes=classes, class_names=names, texts=texts, title=HOSTILE
    )
    return file.read_text("utf-8")


def test_hostile_names_stay_text(page: str) -> None:
    own = page.replace("/**", "", 1)
    assert HOSTILE not in own
    # the data, plotly and our own script, each closed once
    assert len(re.findall(r"<script[ >]", page.split('id="data"')[0])) == 1
    assert page.rstrip().endswith("</html>") and "</script>\n</body>" in page
    assert _data(page)["ids"][0] == HOSTILE
    assert "&lt;/script&gt;" in page and 'onload="alert' not in page


def test_only_its_own_scripts_run_and_nothing_is_fetched(page: str) -> None:
    policy = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)[0]
    assert policy.startswith("default-src &#39;none&#39;; script-src &#39;sha256-")
    assert "unsafe-inline" not in policy.partition("style-src")[0]
    head = page.partition('id="data"')[0]
    assert not re.findall(r'(?:src|href)="(?!data:)', head)


def test_the_map_tells_of_every_sample_what_became_of_it(page: str) -> None:
    data = _data(page)
    assert data["state"] == [0] * 25 + [1, 1, 2, 2, 2]
    assert data["because_of"][25:] == [-1, -1, 0, 0, 1]
    assert data["distance"][24:] == [None, None, None, 0.2, 0.1, 0.3]
    assert [len(axis) for axis in data["flat"] + data["solid"]] == [30] * 5


def test_kept_samples_stand_beside_the_nearest_removed(page: str) -> None:
    found = gather(_curated(), _vectors())
    assert [(kept, [one.row for one in beside]) for kept, beside in found.pairs] == [
        (0, [28, 27]),
        (1, [29]),
    ]
    assert found.outliers == [25, 26]


def test_a_kept_sample_that_is_not_drawn_is_told_all_the_same() -> None:
    from al_server.curation.insights_page import _map

    found = gather(_curated(), _vectors())
    less = replace(found, drawn=np.array([27, 29]), flat=found.flat[:2], solid=found.solid[:2])
    data = _map(less)
    assert data["ids"] == [found.curated.sample_ids[row] for row in (27, 29, 0, 1)]
    assert data["because_of"] == [2, 3]


def test_large_sets_are_drawn_in_part_and_rare_kinds_are_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("al_server.curation.insights.MOST_ROWS", {"pca": 100})
    found = gather(_curated(2000), _vectors(2000))
    assert 50 < len(found.drawn) <= 100
    assert set(range(1995, 2000)) <= set(found.drawn.tolist())
    again = gather(_curated(2000), _vectors(2000))
    assert np.array_equal(found.drawn, again.drawn)


def test_pictures_are_small_and_bounded_and_broken_ones_passed_over(tmp_path: Path) -> None:
    paths = [tmp_path / f"{row}.png" for row in range(6)]
    for path in paths[1:]:
        Image.new("RGB", (640, 480), "red").save(path)
    paths[0].write_bytes(b"not a picture")
    found = thumbnails([0, 1, 1, 2], lambda row: paths[row])
    assert (list(found.uris), found.ended_by) == ([1, 2], None)
    assert all(uri.startswith("data:image/webp;base64,") for uri in found.uris.values())
    assert sum(map(len, found.uris.values())) < 4_000 < MOST_BYTES


def test_broken_pictures_are_not_tried_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    asked: list[int] = []

    def path_of(row: int) -> Path | None:
        asked.append(row)
        return None if row % 2 else tmp_path / "broken.png"

    monkeypatch.setattr("al_server.curation.insights_pictures.MOST_PICTURES", 3)
    assert thumbnails(range(9), path_of) == ({}, "room") and asked == [0, 1, 2]


def test_all_pictures_together_stay_below_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "one.png"
    Image.new("RGB", (50, 50)).save(file)
    one = len(thumbnails([0], lambda row: file).uris[0])
    monkeypatch.setattr("al_server.curation.insights_pictures.MOST_BYTES", 3 * one)
    found = thumbnails(range(9), lambda row: file)
    assert (list(found.uris), found.ended_by) == ([0, 1, 2], "room")
    monkeypatch.setattr("al_server.curation.insights_pictures.MOST_PICTURES", 2)
    assert list(thumbnails(range(9), lambda row: file).uris) == [0, 1]


def test_pictures_that_take_long_are_left_out_and_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "one.png"
    Image.new("RGB", (50, 50)).save(file)
    clock = iter(range(4))
    monkeypatch.setattr(insights_pictures, "_AT_ONCE", 2)
    monkeypatch.setattr(insights_pictures, "MOST_S", 2.5)
    monkeypatch.setattr(insights_pictures, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    found = thumbnails(range(9), lambda row: file)
    assert (list(found.uris), found.ended_by) == ([0, 1, 2, 3], "time")
    page = render(replace(gather(_curated(), _vectors()), pictures=found))
    assert "4 of 30 samples have their picture inside this file; to read more would" in page


def test_what_went_has_its_picture_first_and_who_stands_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    monkeypatch.setattr("al_server.curation.insights._N_SIDE_BY_SIDE", 1)
    gather(_curated(), _vectors(), path_of=asked.append)
    assert asked[:3] == [0, 28, 27], "side by side"
    assert asked[3:5] == [25, 26], "outliers"
    assert asked[5:7] == [29, 1], "removed, and kept instead of it"
    assert sorted(asked) == list(range(30))


def test_pca_finds_the_axes_by_their_spread() -> None:
    vectors = np.random.default_rng(0).standard_normal((500, 4)).astype(np.float32)
    vectors *= np.array([1, 9, 3, 0.1], np.float32)
    flat = project(vectors, np.arange(500), n_dimensions=2)
    assert abs(np.corrcoef(flat[:, 0], vectors[:, 1])[0, 1]) > 0.99
    assert abs(np.corrcoef(flat[:, 1], vectors[:, 2])[0, 1]) > 0.99
    assert np.abs(flat).max() == pytest.approx(1)


@pytest.mark.parametrize("method", ["tsne", pytest.param("umap", marks=pytest.mark.slow)])
def test_neighborhoods_are_kept_by_the_others(method: Any) -> None:
    pytest.importorskip("umap" if method == "umap" else "sklearn")
    rng = np.random.default_rng(0)
    vectors = (np.repeat(np.eye(3, 8) * 20, 40, 0) + rng.standard_normal((120, 8))).astype("f4")
    for n_dimensions in (2, 3):
        places = project(vectors, np.arange(120), n_dimensions=n_dimensions, method=method)
        apart = np.linalg.norm(places[:, None] - places, axis=2)
        np.fill_diagonal(apart, np.inf)
        assert (apart.argmin(axis=1) // 40 == np.arange(120) // 40).mean() > 0.9


@pytest.mark.parametrize("n", [1, 2, 12])
def test_small_and_equal_sets_have_a_page(tmp_path: Path, n: int) -> None:
    ids = [str(row) for row in range(n)]
    none = np.empty(0, np.float32)
    nobody = np.empty(0, np.int64)
    curated = Curated(ids, np.arange(n), nobody, (), nobody.astype(np.int8), nobody, none, none)
    write(curated, np.ones((n, 3), np.float32), tmp_path / "page.html")
    assert f"{n} of {n} samples stay" in (tmp_path / "page.html").read_text("utf-8")


def test_arrays_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    with pytest.raises(BadInput, match="vectors have shape"):
        write(_curated(), _vectors(29), file)
    with pytest.raises(BadInput, match="texts has 2 entries for 30"):
        write(_curated(), _vectors(), file, texts=["a", "b"])
    with pytest.raises(BadInput, match="NaN"):
        write(_curated(), np.full((30, 2), np.nan, np.float32), file)
    with pytest.raises(BadInput, match="no projection is called 'pcs'"):
        write(_curated(), _vectors(), file, projection="pcs")  # type: ignore[arg-type]
    assert not file.exists()
