"""A real Chromium, and what tests ask of a page in it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
REQUIRED = "AL_REQUIRE_BROWSER"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
LAPTOP = ViewportSize(width=1366, height=768)
TABLET = ViewportSize(width=820, height=1180)
ANNOTATOR = "Ada"
PATIENCE_MS = 60_000  # the first pick on a new machine compiles its kernels


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium; skips where there is none, unless AL_REQUIRE_BROWSER=1 asks for it."""
    if not CHROMIUM.exists():
        lacking = f"no Chromium at {CHROMIUM}: apt-get install chromium"
        if os.environ.get(REQUIRED) == "1":
            pytest.fail(f"{lacking} ({REQUIRED}=1)")
        pytest.skip(lacking)
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: Browser,
    url: str,
    *,
    size: ViewportSize = LAPTOP,
    scheme: str = "light",
    annotator: str | None = ANNOTATOR,
) -> Iterator[tuple[Page, list[str]]]:
    """A page of a fresh visitor, and the list that its console's errors go to."""
    context = browser.new_context(
        base_url=url,
        viewport=size,
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
        locale="en-US",
    )
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    if annotator is not None:
        page.add_init_script(
            f"localStorage.getItem('al-annotator') ?? "
            f"localStorage.setItem('al-annotator', '{annotator}')"
        )
    troubles: list[str] = []
    page.on("console", lambda said: troubles.extend([said.text] if said.type == "error" else []))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    yield page, troubles
    context.close()


def annotate(page: Page, campaign: str) -> None:
    """Go to a campaign's labeling page and wait for its first sample, or for its end."""
    page.goto(f"/campaigns/{campaign}/annotate")
    page.wait_for_selector("main[data-state=ready], main[data-state=over]")


def sample_on(page: Page) -> str:
    """The id of the sample on the stage, once it takes answers."""
    page.wait_for_selector("main[data-state=ready]")
    sample_id = page.locator("main").get_attribute("data-sample")
    assert sample_id is not None
    return sample_id


def press(page: Page, key: str) -> str:
    """Answer the sample on the stage with a key; returns its id when the next is there."""
    answered = sample_on(page)
    page.keyboard.press(key)
    page.wait_for_selector(
        f"main:not([data-sample='{answered}'])[data-state=ready], main[data-state=over]"
    )
    return answered


def overflow(page: Page) -> int:
    """How many pixels wider than the window a page is."""
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))
