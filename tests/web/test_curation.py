"""The page that asks which samples are worth keeping, and the page of insights, in a Chromium."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from al_server.curation import desk
from tests.web.browser import LAPTOP, TABLET, opened, overflow
from tests.web.serving import Served, digits, texts

pytestmark = pytest.mark.browser
SCREENSHOTS = Path(__file__).resolve().parents[1] / "screenshots"
SIZES = {"laptop": LAPTOP, "tablet": TABLET}


@pytest.fixture(scope="module")
def campaign(served: Served) -> str:
    served.make(name="worth", source=digits(served.folder, n=400), n_answers=40)
    return "worth"


def _shoot(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    assert overflow(page) <= 0, f"{name} is wider than the window"
    # not wait_for_function: it evaluates, which the pages' policy forbids
    page.evaluate("for (const one of document.images) one.loading = 'eager'")
    page.wait_for_load_state("networkidle")
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


def _ready(page: Page, campaign: str) -> None:
    page.goto(f"/campaigns/{campaign}/curation")
    page.wait_for_selector("main[data-state=ready], main[data-state=not_built]")
    if page.locator("main").get_attribute("data-state") == "not_built":
        page.get_by_role("button", name="Build").click()
    page.wait_for_selector("main[data-answered]")


def test_built_and_slid_by_keyboard_alone(page: Page, served: Served, campaign: str) -> None:
    page.goto(f"/campaigns/{campaign}/progress")
    page.get_by_role("link", name="Curation").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("main[data-state]")
    button = page.get_by_role("button", name="Build")
    if button.is_visible():
        button.focus()
        page.keyboard.press("Enter")
    page.wait_for_selector("main[data-answered]")
    expect(page.locator("#n-kept")).to_have_text("340")
    page.locator("#outliers").focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    expect(page.locator("#outliers-number")).to_have_value("10")
    expect(page.locator("#keep-number")).to_have_value("80")
    expect(page.locator("#n-kept")).to_have_text("320")
    expect(page.locator("#parts")).to_contain_text("outliers")
    page.locator("#keep-number").fill("30")
    expect(page.locator("#n-kept")).to_have_text("120")
    page.locator("#keep_by").select_option("uniqueness")
    expect(page.locator("#parts")).to_contain_text("uniqueness")
    expect(page.locator(".receipt img").first).to_be_visible()


def test_the_three_never_come_to_more_than_all(page: Page, campaign: str) -> None:
    _ready(page, campaign)
    page.locator("#similars-number").fill("90")
    page.locator("#outliers-number").fill("50")
    expect(page.locator("#similars")).to_have_value("49")
    expect(page.locator("#keep")).to_have_value("1")
    expect(page.locator("#n-kept")).to_have_text("4")
    expect(page.locator("#trouble")).to_be_hidden()


def test_keep_comes_back_to_what_was_asked_for(page: Page, campaign: str) -> None:
    _ready(page, campaign)
    page.locator("#keep-number").fill("60")
    page.locator("#outliers-number").fill("30")
    page.locator("#similars-number").fill("20")
    expect(page.locator("#keep")).to_have_value("50")
    expect(page.locator("#n-kept")).to_have_text("200")
    expect(page.locator("#keep-note")).to_have_text(
        "60% was asked for; outliers and similars leave 50%."
    )
    page.locator("#outliers-number").fill("5")
    expect(page.locator("#keep")).to_have_value("60")
    expect(page.locator("#n-kept")).to_have_text("240")
    expect(page.locator("#keep-note")).to_have_text("")


def test_what_cannot_be_is_brought_to_what_can_and_that_is_told(page: Page, campaign: str) -> None:
    _ready(page, campaign)
    number, said = page.locator("#keep-number"), page.locator("#keep-note")
    for typed, told, used in (
        ("95", "95% was asked for; outliers and similars leave 85%.", "85"),
        ("500", "500% became 85%: 1 to 100, in steps of 0.5.", "85"),
        ("2.3", "2.3% became 2.5%: 1 to 100, in steps of 0.5.", "2.5"),
        ("40.5", "", "40.5"),
    ):
        number.fill(typed)
        expect(said).to_have_text(told)
        number.blur()
        expect(number).to_have_value(used)
        expect(said).to_have_text(told)
    expect(page.locator("#n-kept")).to_have_text("162")


def test_the_address_has_the_amounts(page: Page, campaign: str) -> None:
    _ready(page, campaign)
    page.locator("#outliers-number").fill("7.5")
    page.locator("#keep-number").fill("60")
    page.locator("#keep_by").select_option("uniqueness")
    expect(page).to_have_url(re.compile(r"\?outliers=7.5&similars=10&keep_by=uniqueness&keep=60$"))
    page.reload()
    expect(page.locator("#n-kept")).to_have_text("240")
    expect(page.locator("#outliers")).to_have_value("7.5")
    expect(page.locator("#keep_by")).to_have_value("uniqueness")
    page.goto(f"/campaigns/{campaign}/curation?outliers=1e9&similars=&keep=NaN&keep_by=<b>")
    expect(page.locator("#outliers")).to_have_value("50")
    expect(page.locator("#similars")).to_have_value("10")
    expect(page.locator("#keep")).to_have_value("40")
    expect(page.locator("#keep_by")).to_have_value("coreset")


def test_the_sliders_stay_in_sight_of_what_they_change(page: Page, campaign: str) -> None:
    _ready(page, campaign)
    page.locator(".receipt").last.scroll_into_view_if_needed()
    assert page.evaluate("scrollY") > 300
    expect(page.locator("#outliers")).to_be_in_viewport()


def test_downloads_follow_the_sliders(page: Page, campaign: str) -> None:
    _ready(page, campaign)
    page.locator("#outliers-number").fill("20")
    expect(page.locator("#n-kept")).to_have_text("280")
    with page.expect_download() as download:
        page.get_by_role("link", name="kept.txt").click()
    assert len(Path(download.value.path()).read_text("utf-8").splitlines()) == 280
    with page.expect_download() as download:
        page.get_by_role("link", name="removed.csv").click()
    assert len(Path(download.value.path()).read_text("utf-8").splitlines()) == 121


def test_the_command_for_what_is_kept_is_copied_or_marked(page: Page, campaign: str) -> None:
    _ready(page, campaign)
    command = page.locator("#command").text_content() or ""
    assert command.startswith(f"al-server campaign create {campaign}-kept /")
    assert f" --only {campaign}-kept.txt " in command
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#copy").click()
    expect(page.locator("#copy")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == command
    page.context.clear_permissions()
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')) }")
    page.locator("#copy").click()
    expect(page.locator("#command")).to_be_focused()
    assert page.evaluate("getSelection().toString()") == command


def test_a_build_shows_its_progress_and_can_be_stopped(
    page: Page, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(snapshot: object, job: desk._Job) -> None:
        job.progress, job.message = 0.4, "building similars"
        assert job.stop.wait(60)
        raise desk.Stopped

    monkeypatch.setattr(desk, "_build", endless)
    name = served.make(source=digits(served.folder)).spec.name
    page.goto(f"/campaigns/{name}/curation")
    page.get_by_role("button", name="Build").click()
    expect(page.locator("#share")).to_have_text("40%")
    expect(page.locator("#doing")).to_contain_text("building similars, ")
    _shoot(page, "curation-building-light-laptop")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Build", exact=True)).to_be_visible()


def test_a_failure_is_told_and_can_be_tried_again(
    page: Page, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("vectors hold rows of zeros")

    monkeypatch.setattr(desk, "_build", broken)
    name = served.make(source=digits(served.folder)).spec.name
    page.goto(f"/campaigns/{name}/curation")
    page.get_by_role("button", name="Build").click()
    expect(page.locator("#reason")).to_have_text("Vectors hold rows of zeros.")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_texts_and_names_like_markup_stay_text(page: Page, served: Served) -> None:
    lines = [f"<img src=x onerror=alert(1)> {row} {'ab' * (row % 7)}" for row in range(40)]
    source = texts(served.folder, lines)
    name = served.make(source=source, classes=["a", "b"]).spec.name
    _ready(page, name)
    expect(page.locator(".receipt .text").first).to_contain_text("<img src=x")


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_fit_in_light_and_dark(
    served: Served, browser: Browser, campaign: str, scheme: str, size: str
) -> None:
    with opened(browser, served.url, size=SIZES[size], scheme=scheme) as (page, troubles):
        _ready(page, campaign)
        page.locator("#keep-number").fill("50")
        expect(page.locator("#n-kept")).to_have_text("200")
        _shoot(page, f"curation-{scheme}-{size}")
        assert troubles == []
    visitor = opened(browser, served.url, size=SIZES[size], scheme=scheme, annotator=None)
    with visitor as (page, troubles):
        asked: list[str] = []
        page.on("request", lambda one: asked.append(one.url))
        query = "outliers=5&similars=10&keep=50"
        page.goto(f"/api/v1/campaigns/{campaign}/curation/insights.html?{query}")
        page.wait_for_selector("#map[data-drawn='400']")
        page.get_by_role("button", name="Next").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#sample")).to_contain_text("Removed: outlier, score")
        page.locator("#walk").select_option(label="similar (similars)")
        page.keyboard.press("Tab")
        page.get_by_role("button", name="Next").press("Enter")
        expect(page.locator("#sample")).to_contain_text("stands for it, at distance")
        expect(page.locator("#sample img")).to_have_count(2)
        _shoot(page, f"insights-{scheme}-{size}")
        page.get_by_role("button", name="3-D").press("Enter")
        page.wait_for_selector("#map .gl-container canvas, #map canvas")
        page.wait_for_timeout(1500)  # software WebGL draws when it can
        page.screenshot(path=SCREENSHOTS / f"insights-3d-{scheme}-{size}.png")
        assert len([url for url in asked if not url.startswith(("data:", "blob:"))]) == 1
        assert troubles == []
