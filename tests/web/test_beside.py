"""What the labeling page shows beside the sample: reasons, neighbours, names, keys."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.web.browser import ANNOTATOR, annotate, opened, press, sample_on
from tests.web.serving import Served, answers, digits

pytestmark = pytest.mark.browser


def test_why_shows_three_percentiles_and_the_nearest_labeled_samples(
    served: Served, page: Page
) -> None:
    campaign = served.make(n_answers=8)
    annotate(page, campaign.spec.name)
    page.keyboard.press("w")
    drawer = page.locator("#drawer")
    (sample,) = campaign.next_batch(annotator=ANNOTATOR).samples
    assert sample.receipt.parts is not None
    for name, share in sample.receipt.parts.items():
        part = drawer.locator(".parts li", has_text=name.capitalize())
        expect(part.locator(".figure")).to_have_text(f"{int(share * 100 + 1e-9)}%")
    nearest = [near.sample_id for near in sample.receipt.nearest_labeled]
    tiles = drawer.locator(".tile")
    expect(tiles).to_have_count(len(nearest))
    assert [tile.get_attribute("title") for tile in tiles.all()] == nearest
    for picture in drawer.locator(".tile img").all():
        expect(picture).to_have_js_property("naturalWidth", 32)


def test_the_reasons_follow_the_sample_and_close_with_escape(served: Served, page: Page) -> None:
    campaign = served.make(n_answers=8)
    annotate(page, campaign.spec.name)
    page.keyboard.press("w")
    press(page, "1")
    (sample,) = campaign.next_batch(annotator=ANNOTATOR).samples
    (first, *_) = sample.receipt.nearest_labeled
    expect(page.locator("#drawer .tile").first).to_have_attribute("title", first.sample_id)
    page.keyboard.press("Escape")
    expect(page.locator("#drawer")).to_be_hidden()


def test_similar_samples_come_nearest_first_and_an_own_answer_can_be_changed(
    served: Served, page: Page
) -> None:
    campaign = served.make(source=digits(served.folder, n=12))
    annotate(page, campaign.spec.name)
    labeled = press(page, "1")
    found = campaign.similar(sample_on(page), k=20).samples
    page.keyboard.press("m")
    tiles = page.locator("#drawer .tile")
    expect(tiles).to_have_count(11)
    assert [tile.get_attribute("title") for tile in tiles.all()] == [s.sample_id for s in found]

    page.locator(f"#drawer .tile[title='{labeled}']").click()
    detail = page.locator("#drawer .detail")
    expect(detail).to_contain_text("Labeled 1.")
    detail.locator(".class", has_text="8").click()
    expect(detail).to_contain_text("Labeled 8.")
    assert answers(campaign) == {(labeled, ANNOTATOR): "8"}
    page.locator("#drawer-back").click()
    expect(page.locator(f"#drawer .tile[title='{labeled}'] .tile-label")).to_have_text("8")


def test_an_answer_of_somebody_else_is_shown_but_not_changed(served: Served, page: Page) -> None:
    campaign = served.make(source=digits(served.folder, n=12), n_answers=1)
    ((sample_id, _),) = answers(campaign)
    annotate(page, campaign.spec.name)
    page.keyboard.press("m")
    page.locator(f"#drawer .tile[title='{sample_id}']").click()
    expect(page.locator("#drawer .detail .answers")).to_contain_text("Grace")
    expect(page.locator("#drawer .detail .class")).to_have_count(0)


def test_the_name_is_asked_once_and_can_be_changed(browser: Browser, served: Served) -> None:
    campaign = served.make()
    with opened(browser, served.url, annotator=None) as (page, troubles):
        page.goto(f"/campaigns/{campaign.spec.name}/annotate")
        page.locator("#who-dialog").wait_for()
        page.keyboard.type("Emmy Noether")
        page.keyboard.press("Enter")
        first = press(page, "1")
        annotate(page, campaign.spec.name)  # not asked again
        page.locator("#who").click()
        page.keyboard.type("Ada")
        page.keyboard.press("Enter")
        expect(page.locator("#who-name")).to_have_text("Ada")
        second = press(page, "2")
        assert answers(campaign) == {(first, "Emmy Noether"): "1", (second, "Ada"): "2"}
        assert troubles == []


def test_the_list_of_keys_opens_and_closes_and_can_turn_them_off(
    served: Served, page: Page
) -> None:
    campaign = served.make()
    annotate(page, campaign.spec.name)
    sample_id = sample_on(page)
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("1")  # no answer from behind a dialog
    page.locator("#keys-on").uncheck()
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_hidden()
    page.keyboard.press("1")
    assert sample_on(page) == sample_id
    assert answers(campaign) == {}


def test_everything_can_be_reached_and_pressed_with_tab(served: Served, page: Page) -> None:
    campaign = served.make(classes=["yes", "no"])
    annotate(page, campaign.spec.name)
    sample_id = sample_on(page)
    page.locator(".class", has_text="no").focus()
    page.keyboard.press("Space")  # presses the button; elsewhere it skips
    page.wait_for_selector(f"main:not([data-sample='{sample_id}'])[data-state=ready]")
    assert answers(campaign) == {(sample_id, ANNOTATOR): "no"}
    expect(page.locator(".class", has_text="no")).to_be_focused()


def test_classes_appended_meanwhile_are_taken_up_with_the_next_sample(
    served: Served, page: Page
) -> None:
    campaign = served.make(classes=["cat", "dog"])
    page.clock.install()
    annotate(page, campaign.spec.name)
    campaign.add_classes(["owl"])
    with page.expect_response(f"**/campaigns/{campaign.spec.name}"):
        page.clock.fast_forward(20_000)  # the page asks how things stand
    first = press(page, "1")
    expect(page.locator(".class")).to_have_count(3)
    second = press(page, "3")
    assert answers(campaign) == {(first, ANNOTATOR): "cat", (second, ANNOTATOR): "owl"}
