"""The page of insights, opened from a file as a person would."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from al_server.curation import insights, insights_pictures
from al_server.curation.curated import Curated, Step
from tests.web.browser import opened, overflow

pytestmark = pytest.mark.browser
PHONE = {"width": 390, "height": 844}


def _curated(n: int, n_similar: int) -> Curated:
    """One outlier in the last row, and before it samples that the rows 0, 1, ... stand for."""
    n_removed = n_similar + 1
    return Curated(
        sample_ids=[f"train/apples/Screen Shot 2018-06-08 at {row}.jpg" for row in range(n)],
        kept=np.arange(n - n_removed),
        removed=np.arange(n - n_removed, n)[::-1],
        steps=(Step("outliers", "outlier", 1), Step("similars", "similar", n_similar)),
        step_of=np.array([0, *[1] * n_similar], np.int8),
        because_of=np.array([-1, *range(n_similar)]),
        distances=np.array([np.nan, 4e-5, *[0.2] * (n_similar - 1)], np.float32),
        scores=np.array([0.461, *[np.nan] * n_similar], np.float32),
    )


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Write a page, and open it."""
    leave: list[Callable[..., object]] = []

    def shown(n: int, n_similar: int, *, size: dict[str, int] | None = None, **content) -> Page:
        vectors = np.random.default_rng(0).standard_normal((n, 6)).astype(np.float32)
        insights.write(_curated(n, n_similar), vectors, tmp_path / "page.html", **content)
        visitor = opened(browser, "", annotator=None, **({"size": size} if size else {}))
        page, troubles = visitor.__enter__()
        leave.append(lambda: (visitor.__exit__(None, None, None), _none(troubles)))
        page.goto((tmp_path / "page.html").as_uri())
        page.wait_for_selector(f"#map[data-drawn='{n}']")
        return page

    yield shown
    for one in leave:
        one()


def _none(troubles: list[str]) -> None:
    assert troubles == []


def _pictures(folder: Path, n: int) -> list[Path]:
    files = [folder / f"{row}.png" for row in range(n)]
    for row, file in enumerate(files):
        Image.new("RGB", (40, 40), (row, 90, 90)).save(file)
    return files


def test_next_goes_through_samples_that_have_a_picture_first(
    show: Callable[..., Page], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(insights_pictures, "MOST_PICTURES", 12)
    monkeypatch.setattr(insights, "_N_SIDE_BY_SIDE", 2)
    page = show(60, 20, image_paths=_pictures(tmp_path, 60))
    expect(page.locator("body")).to_contain_text("12 of 60 samples have their picture")
    page.locator("#walk").select_option(label="similar (similars)")
    for _ in range(5):  # 12 are an outlier, and five that went with what stands for each
        page.get_by_role("button", name="Next").press("Enter")
        expect(page.locator("#sample img")).to_have_count(2)
        expect(page.locator("#sample .blank")).to_have_count(0)
    page.get_by_role("button", name="Next").press("Enter")
    expect(page.locator("#sample .blank").first).to_be_visible()


def _drawn(page: Page) -> list[int]:
    """Points of each trace of the map: all lines first, the chosen one's lines and ring last."""
    return page.evaluate("document.getElementById('map').data.map(({ x }) => x.length)")


def test_lines_are_drawn_where_they_are_few_and_always_for_the_chosen_one(
    show: Callable[..., Page],
) -> None:
    page = show(60, 20)
    button = page.get_by_role("button", name="Lines")
    expect(button).to_have_attribute("aria-pressed", "true")
    assert _drawn(page)[0] == 3 * 20, "from, to, gap"
    button.press("Enter")
    expect(button).to_have_attribute("aria-pressed", "false")
    assert _drawn(page)[0] == 0
    page.locator("#walk").select_option(label="similar (similars)")
    page.get_by_role("button", name="Next").press("Enter")
    expect(page.locator("#sample")).to_contain_text("stands for it")
    assert _drawn(page)[-2:] == [3, 2]
    page.locator("#walk").select_option(label="kept")
    page.get_by_role("button", name="Next").press("Enter")
    expect(page.locator("#sample")).to_contain_text("Kept.")
    assert _drawn(page)[-2:] == [3, 1], "to what it stands for"
    many = show(800, 390)
    expect(many.get_by_role("button", name="Lines")).to_have_attribute("aria-pressed", "false")


@pytest.mark.parametrize("view", ["2-D", "3-D"])
def test_the_map_fills_its_frame(show: Callable[..., Page], view: str) -> None:
    page = show(60, 20)
    page.get_by_role("button", name=view).press("Enter")
    page.wait_for_selector("#map .main-svg")
    inner, frame = page.evaluate(
        "[document.querySelector('#map .main-svg').getBoundingClientRect().width,"
        " document.getElementById('map').clientWidth]"
    )
    assert abs(inner - frame) <= 2


def test_a_phone_shows_all_columns_names_by_their_ends_and_an_axis_to_read(
    show: Callable[..., Page], tmp_path: Path
) -> None:
    classes = np.arange(60) % 2
    names = ["a class with quite a long name", "b"]
    files = _pictures(tmp_path, 60)
    page = show(60, 20, size=PHONE, image_paths=files, classes=classes, class_names=names)
    assert overflow(page) <= 0
    for table in page.locator(".wide").all():
        assert table.evaluate("(one) => one.scrollWidth - one.clientWidth") <= 0
    tick = page.locator(".chart text").first.bounding_box()
    assert tick is not None and tick["height"] >= 11
    caption = page.locator("figcaption .code").first
    inside = caption.evaluate(
        "(one) => one.firstChild.getBoundingClientRect().right - one.getBoundingClientRect().right"
    )
    assert inside <= 1, "the end of the name is in sight, its beginning is cut"
    expect(page.locator(".pairs")).to_contain_text("similar <0.001")
    expect(page.locator("body")).to_contain_text("Are these broken pictures")


def test_of_texts_it_speaks_as_of_texts(show: Callable[..., Page]) -> None:
    page = show(60, 20, texts=[f"line {row}" for row in range(60)])
    expect(page.locator("body")).to_contain_text("Are these broken texts")
    expect(page.locator("dl.settings")).to_contain_text(
        re.compile(r"half of all samples\s*0\s*90%")
    )
    page.locator("#walk").select_option(label="similar (similars)")
    page.get_by_role("button", name="Previous").press("Enter")
    expect(page.locator("#sample")).to_contain_text("line 0")
