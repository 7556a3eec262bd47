"""All pages in a real Chromium against the real server; their pictures go to tests/screenshots."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from al_server.campaigns import CampaignRegistry
from al_server.config import Settings
from tests.web.browser import (
    ANNOTATOR,
    LAPTOP,
    TABLET,
    annotate,
    chromium,
    opened,
    overflow,
    press,
)
from tests.web.serving import Served, answers, digits, labeled_digits, serving, texts

pytestmark = pytest.mark.browser
SCREENSHOTS = Path(__file__).resolve().parents[1] / "screenshots"
TOKEN = "a token that nobody guesses"
SIZES = {"laptop": LAPTOP, "tablet": TABLET}
REVIEWS = [
    "The food was wonderful and the staff could not have been friendlier; we will be back.",
    "Waited an hour. Cold soup. Never again.",
    "It is fine, I suppose: nothing special, but the view makes up for a lot of it.",
    "Booked for six, seated at half past seven, and the kitchen had closed by then.",
]
SHAPES = ("circle", "square", "triangle", "star", "hexagon", "cross", "arrow", "heart", "moon")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def in_use(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that people have worked with."""
    with serving(tmp_path_factory.mktemp("data")) as served:
        pool = digits(served.folder, n=300)
        flawed = digits(served.folder, n=30, offset=500)
        (Path(flawed.path) / "broken.png").write_bytes(b"not a picture")
        served.make(name="flawed", source=flawed)
        reviews = texts(served.folder, REVIEWS)
        served.make(name="reviews", source=reviews, classes=["positive", "negative", "mixed"])
        colors = ("red", "green", "blue")
        named = [f"{color} {shape}" for color in colors for shape in SHAPES]
        served.make(name="shapes", source=pool, classes=named)
        traits = ["round", "straight", "closed loop", "slanted", "thin"]
        served.make(name="traits", source=pool, classes=traits, task="multi")
        holdout = str(labeled_digits(served.folder, n=150, offset=1000))
        served.make(name="digits", source=pool, holdout=holdout, budget=200, n_answers=64)
        yield served


def _shoot(page: Page, name: str, *, whole: bool = False) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    assert overflow(page) <= 0, f"{name} is wider than the window"
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=whole)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_laptop_and_tablet_in_light_and_dark(
    in_use: Served, browser: Browser, scheme: str, size: str
) -> None:
    suffix = f"{scheme}-{size}"
    visitor = opened(browser, in_use.url, size=SIZES[size], scheme=scheme)
    with visitor as (page, troubles):
        _show_lists(page, suffix)
        _show_labeling(page, suffix)
        _show_other_kinds(page, suffix)
        assert troubles == []
        page.goto("/campaigns/nobody/progress")
        expect(page.get_by_role("heading", level=1)).to_contain_text("nobody")
        _shoot(page, f"error-{suffix}")


def _show_lists(page: Page, suffix: str) -> None:
    page.goto("/")
    expect(page.locator(".card")).to_have_count(5)
    _shoot(page, f"campaigns-{suffix}")
    page.goto("/new")
    page.fill("#classes", "cat\ndog\nx\nelephant")
    page.locator("#advanced summary").click()
    _shoot(page, f"new-{suffix}", whole=True)
    page.goto("/campaigns/digits/progress")
    expect(page.locator("#curve polyline")).to_be_visible()
    _shoot(page, f"progress-{suffix}", whole=True)


def _show_labeling(page: Page, suffix: str) -> None:
    annotate(page, "digits")
    _shoot(page, f"annotate-{suffix}")
    page.keyboard.press("w")
    _wait_for_pictures(page)
    _shoot(page, f"annotate-why-{suffix}")
    page.keyboard.press("m")
    expect(page.locator("#drawer .tile")).to_have_count(20)
    _wait_for_pictures(page)
    _shoot(page, f"annotate-similar-{suffix}")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    _shoot(page, f"annotate-keys-{suffix}")
    page.keyboard.press("?")


def _wait_for_pictures(page: Page) -> None:
    # the rest is loaded when somebody scrolls there
    for picture in page.locator("#drawer .tile img").all()[:6]:
        expect(picture).to_have_js_property("complete", True)


def _show_other_kinds(page: Page, suffix: str) -> None:
    annotate(page, "reviews")
    _shoot(page, f"annotate-text-{suffix}")
    annotate(page, "traits")
    page.keyboard.press("1")
    page.keyboard.press("5")
    _shoot(page, f"annotate-multi-{suffix}")
    annotate(page, "shapes")
    page.keyboard.type("st")
    expect(page.locator("#accept-label")).to_have_text("Take red star")
    _shoot(page, f"annotate-filter-{suffix}")
    page.keyboard.press("Escape")


def test_a_label_given_by_keyboard_is_in_the_store_when_the_server_starts_anew(
    tmp_path: Path, browser: Browser
) -> None:
    with serving(tmp_path) as served:
        name = served.make().spec.name
        with opened(browser, served.url) as (page, troubles):
            annotate(page, name)
            sample_id = press(page, "7")
            skipped = press(page, "s")
            assert troubles == []
    with closing(CampaignRegistry(Settings(data=tmp_path))) as again:
        found = answers(again.campaign(name))
    assert found == {(sample_id, ANNOTATOR): "7", (skipped, ANNOTATOR): None}


def test_a_server_without_campaigns_says_what_to_do(tmp_path: Path, browser: Browser) -> None:
    with serving(tmp_path) as served, opened(browser, served.url) as (page, troubles):
        page.goto("/")
        _shoot(page, "empty-light-laptop")
        page.get_by_role("link", name="Make the first campaign").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("New campaign")
        assert troubles == []


def test_who_has_the_token_signs_in_labels_and_signs_out(tmp_path: Path, browser: Browser) -> None:
    with serving(tmp_path, token=TOKEN) as served:
        campaign = served.make()
        place = f"/campaigns/{campaign.spec.name}/annotate"
        with opened(browser, served.url) as (page, troubles):
            page.goto(place)
            expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
            _shoot(page, "sign-in-light-laptop")
            page.get_by_label("Token").fill("a guess")
            page.keyboard.press("Enter")
            expect(page.get_by_role("alert")).to_have_text("This is not the token.")
            assert troubles.pop().endswith("401 (UNAUTHORIZED)")
            page.get_by_label("Token").fill(TOKEN)
            page.keyboard.press("Enter")
            page.wait_for_url(f"**{place}")
            sample_id = press(page, "3")  # a request that needs the CSRF token
            assert answers(campaign) == {(sample_id, ANNOTATOR): "3"}
            page.get_by_role("button", name="Sign out").click()
            page.goto(place)
            expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
            assert troubles == []


def test_an_answer_given_after_the_session_ended_goes_when_signed_in_again(
    tmp_path: Path, browser: Browser
) -> None:
    with serving(tmp_path, token=TOKEN) as served:
        campaign = served.make()
        place = f"/campaigns/{campaign.spec.name}/annotate"
        with opened(browser, served.url) as (page, troubles):
            for step in ("before", "after"):
                page.goto(place)
                page.get_by_label("Token").fill(TOKEN)
                page.keyboard.press("Enter")
                page.wait_for_selector("main[data-state=ready]")
                if step == "before":
                    sample_id = page.locator("main").get_attribute("data-sample")
                    page.context.clear_cookies()
                    page.keyboard.press("8")
                    expect(page.locator("#banner")).to_contain_text("You are signed out")
                    assert troubles.pop().endswith("401 (UNAUTHORIZED)")
            assert answers(campaign) == {(sample_id, ANNOTATOR): "8"}
            assert troubles == []
