"""The page that replays what has been labeled so far, in a real Chromium; one real comparison."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.end_to_end.test_pages import SCREENSHOTS
from tests.web.browser import LAPTOP, TABLET, chromium, opened, overflow
from tests.web.serving import Served, digits, serving

pytestmark = pytest.mark.browser
WITHIN_MS = 240_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("data")) as running:
        yield running


def _shoot(page: Page, name: str) -> None:
    assert overflow(page) <= 0, f"{name} is wider than the window"
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


def test_strategies_are_compared_on_the_labels_so_far_by_keyboard(
    served: Served, browser: Browser
) -> None:
    served.make(name="digits", source=digits(served.folder, n=300), n_answers=150)
    with opened(browser, served.url) as (page, troubles):
        page.goto("/campaigns/digits/progress")
        page.get_by_role("link", name="Compare strategies").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text(
            "Would active learning have saved labels?"
        )
        page.fill("#repeats", "60")
        page.fill("#budget", "1000")
        page.keyboard.press("Enter")
        expect(page.locator("#repeats-error")).to_contain_text("60 repeats of 3 strategies")
        assert troubles.pop().endswith("422 (UNPROCESSABLE ENTITY)")
        _compare(page, repeats="30", budget="60")
        expect(page.locator("#running progress")).to_be_visible()
        stop = page.get_by_role("button", name="Stop")
        stop.focus()
        page.keyboard.press("Enter")
        expect(page.locator("#compare-status")).to_have_text("Stopped.")
        expect(page.locator("#running progress")).to_have_count(0)
        assert troubles == []


@pytest.mark.slow
def test_the_verdict_is_on_the_page_and_the_report_one_step_away(
    served: Served, browser: Browser
) -> None:
    served.make(name="more-digits", source=digits(served.folder, n=500), n_answers=240)
    with opened(browser, served.url) as (page, troubles):
        page.goto("/campaigns/more-digits/compare")
        _compare(page, repeats="20", budget="60")
        expect(page.locator("#running")).to_contain_text("left", timeout=WITHIN_MS)
        _shoot(page, "compare-running-light-laptop")
        expect(page.locator("#ended h2")).to_be_visible(timeout=WITHIN_MS)
        expect(page.locator("#compare-status")).to_have_text("The comparison has ended.")
        assert troubles == []
    for scheme, size in (("light", LAPTOP), ("dark", TABLET)):
        # nobody's name is kept: a sandboxed document has no storage
        visitor = opened(browser, served.url, size=size, scheme=scheme, annotator=None)
        suffix = f"{scheme}-{'laptop' if size is LAPTOP else 'tablet'}"
        with visitor as (page, troubles):
            page.goto("/campaigns/more-digits/compare")
            headline = page.locator("#ended h2").inner_text()
            _shoot(page, f"compare-{suffix}")
            page.get_by_role("link", name="Report").click()
            expect(page.get_by_role("heading", level=1)).to_have_text(headline)
            # its own style holds, that of single elements too
            line = page.locator(".chart .line").first
            assert line.evaluate("e => getComputedStyle(e).stroke") not in ("none", "")
            assert page.locator(".wins td span").first.evaluate("e => e.style.length") == 1
            _shoot(page, f"report-{suffix}")
            assert troubles == []


def _compare(page: Page, *, repeats: str, budget: str) -> None:
    page.fill("#repeats", repeats)
    page.fill("#budget", budget)
    page.keyboard.press("Enter")
    expect(page.locator("#compare-status")).to_have_text("Comparing in the background.")
