"""What an annotator sees in Label Studio's own pages, in a real browser."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Response, expect

from integrations.label_studio.local_server import USER
from tests.conftest import ROOT
from tests.end_to_end.label_studio_link import Ours
from tests.end_to_end.label_studio_server import Host, choice
from tests.web.browser import chromium, opened
from tests.web.serving import truth

pytestmark = [pytest.mark.slow, pytest.mark.browser]
PICTURE = ROOT / "tests" / "screenshots" / "label-studio.png"
_CONTENT = """async () => {
    const answer = await fetch(document.querySelector("img[alt=image]").src);
    return Array.from(new Uint8Array(await answer.arrayBuffer()));
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def test_a_person_sees_the_picked_image_pre_filled_submits_with_the_keyboard_and_sees_the_next(
    theirs: Host, ours: Ours, browser: Browser
) -> None:
    project = theirs.owner.make_digits(theirs.digits, n=60)
    name = ours.connect(theirs, project)
    for _ in range(12):
        task = theirs.owner.next_task(project)
        label = truth(Path(task["data"]["image"]).name)
        theirs.owner.annotate(task["id"], choice("digit", "image", label))
    picked = ours.info(name)["queue"]["next"][0]
    with opened(browser, theirs.server.url, size={"width": 1400, "height": 900}) as (page, _):
        _log_in(page, theirs.server.password)
        page.goto(f"/projects/{project}/data")
        with page.expect_response(_is_next_task) as answer:
            page.get_by_text("Label All Tasks").first.click()
        first = answer.value.json()
        assert first["id"] == picked
        chosen = ours.believed(name, first["id"])
        _shows(page, theirs.digits / Path(first["data"]["image"]).name, chosen)
        PICTURE.parent.mkdir(exist_ok=True)
        page.screenshot(path=PICTURE)
        with page.expect_response(_is_next_task) as answer:
            page.keyboard.press("Control+Enter")
        second = answer.value.json()
        chosen_next = ours.believed(name, second["id"])
        _shows(page, theirs.digits / Path(second["data"]["image"]).name, chosen_next)
    # opened, and not answered: still the first of the queue
    assert second["id"] == ours.info(name)["queue"]["next"][0] != first["id"]
    assert ours.answers(name)[str(first["id"]), theirs.owner.annotator] == chosen


def _is_next_task(response: Response) -> bool:
    return "next_task" in response.url


def _shows(page: Page, picture: Path, chosen: str | None) -> None:
    """Wait until a picture is shown with one choice made."""
    boxes = page.locator("input[type=checkbox]:checked")
    expect(boxes).to_have_count(1)
    expect(boxes).to_have_attribute("name", str(chosen))
    shown = page.locator("img[alt=image]")
    expect(shown).to_be_visible()
    assert bytes(page.evaluate(_CONTENT)) == picture.read_bytes()


def _log_in(page: Page, password: str) -> None:
    page.goto("/user/login")
    page.fill("input[name=email]", USER)
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")
    page.wait_for_url(re.compile("/projects|/$"))
