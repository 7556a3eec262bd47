"""An answer given is an answer kept, whatever happens between the page and the server."""

import pytest
from playwright.sync_api import Dialog, Page, Route, expect

from tests.web.browser import ANNOTATOR, annotate, press, sample_on
from tests.web.serving import Served, answers

pytestmark = pytest.mark.browser
LABELS = "**/labels"


def _forgive(troubles: list[str], *words: str) -> None:
    """Take away what the test itself provoked."""
    troubles[:] = [said for said in troubles if not any(word in said for word in words)]


def test_an_answer_is_sent_again_until_the_server_is_back(
    served: Served, page: Page, troubles: list[str]
) -> None:
    campaign = served.make()
    annotate(page, campaign.spec.name)
    sample_id = sample_on(page)
    page.route(LABELS, lambda route: route.abort())
    page.keyboard.press("4")
    expect(page.locator("#banner")).to_contain_text("Not saved yet")
    page.keyboard.press("5")  # ignored: one answer is under way
    page.unroute(LABELS)
    page.locator("#banner button").click()
    page.wait_for_selector(f"main:not([data-sample='{sample_id}'])[data-state=ready]")
    expect(page.locator("#banner")).to_be_hidden()
    assert answers(campaign) == {(sample_id, ANNOTATOR): "4"}
    _forgive(troubles, "ERR_FAILED")


def test_an_answer_whose_receipt_was_lost_counts_once(
    served: Served, page: Page, troubles: list[str]
) -> None:
    campaign = served.make()
    annotate(page, campaign.spec.name)
    sample_id = sample_on(page)
    n_sent = 0

    def lose_the_first_receipt(route: Route) -> None:
        nonlocal n_sent
        n_sent += 1
        if n_sent > 1:
            return route.continue_()
        route.fetch()
        return route.abort()

    page.route(LABELS, lose_the_first_receipt)
    press(page, "4")
    assert n_sent == 2
    assert answers(campaign) == {(sample_id, ANNOTATOR): "4"}
    assert campaign.info().n_answers == 1
    _forgive(troubles, "ERR_FAILED")


def test_leaving_with_an_unsaved_answer_is_warned_of(
    served: Served, page: Page, troubles: list[str]
) -> None:
    campaign = served.make()
    annotate(page, campaign.spec.name)
    page.route(LABELS, lambda route: route.abort())
    page.keyboard.press("4")
    expect(page.locator("#banner")).to_be_visible()
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.once("dialog", stay)
    page.close(run_before_unload=True)
    expect(page.locator("#banner")).to_be_visible()
    assert asked == ["beforeunload"]
    _forgive(troubles, "ERR_FAILED")


def test_an_answer_unsaved_when_the_page_closed_is_sent_on_the_next_visit(
    served: Served, page: Page, troubles: list[str]
) -> None:
    campaign = served.make()
    annotate(page, campaign.spec.name)
    sample_id = sample_on(page)
    page.route(LABELS, lambda route: route.abort())
    page.keyboard.press("4")
    expect(page.locator("#banner")).to_be_visible()
    page.on("dialog", lambda dialog: dialog.accept())
    page.unroute(LABELS)
    page.goto("/new")
    annotate(page, campaign.spec.name)
    assert answers(campaign) == {(sample_id, ANNOTATOR): "4"}
    _forgive(troubles, "ERR_FAILED")


def test_a_refused_answer_is_shown_and_can_be_given_anew(
    served: Served, page: Page, troubles: list[str]
) -> None:
    campaign = served.make()
    annotate(page, campaign.spec.name)
    sample_id = sample_on(page)
    error = {"code": "unknown_class", "message": "no class '4'", "remedy": "known: 0, 1"}
    page.route(LABELS, lambda route: route.fulfill(status=422, json={"error": error}))
    page.keyboard.press("4")
    expect(page.locator("#banner")).to_contain_text("No class '4'. Known: 0, 1.")
    page.unroute(LABELS)
    assert press(page, "1") == sample_id
    assert answers(campaign) == {(sample_id, ANNOTATOR): "1"}
    _forgive(troubles, "422")


def test_a_full_disk_is_told_and_the_answer_waits(
    served: Served, page: Page, troubles: list[str]
) -> None:
    campaign = served.make()
    annotate(page, campaign.spec.name)
    sample_id = sample_on(page)
    error = {"code": "storage_full", "message": "the disk is full", "remedy": "make room"}
    page.route(LABELS, lambda route: route.fulfill(status=507, json={"error": error}))
    page.keyboard.press("4")
    expect(page.locator("#banner")).to_contain_text("Not saved yet. The disk is full. Make room")
    page.unroute(LABELS)
    page.locator("#banner button").click()
    page.wait_for_selector(f"main:not([data-sample='{sample_id}'])[data-state=ready]")
    assert answers(campaign) == {(sample_id, ANNOTATOR): "4"}
    _forgive(troubles, "507")


def test_an_undo_whose_receipt_was_lost_is_not_an_error(
    served: Served, page: Page, troubles: list[str]
) -> None:
    campaign = served.make()
    annotate(page, campaign.spec.name)
    sample_id = press(page, "4")
    n_sent = 0

    def lose_the_first_receipt(route: Route) -> None:
        nonlocal n_sent
        n_sent += route.request.method == "DELETE"
        if n_sent > 1:
            return route.continue_()
        route.fetch()
        return route.abort()

    page.route("**/labels/**", lose_the_first_receipt)
    press(page, "u")
    assert sample_on(page) == sample_id
    assert answers(campaign) == {}
    expect(page.locator("#banner")).to_be_hidden()
    _forgive(troubles, "ERR_FAILED", "409")


def test_the_server_away_while_the_next_sample_is_asked_for(
    served: Served, page: Page, troubles: list[str]
) -> None:
    campaign = served.make()
    annotate(page, campaign.spec.name)
    sample_id = sample_on(page)
    page.route("**/next?**", lambda route: route.abort())
    page.keyboard.press("4")
    expect(page.locator("#banner")).to_contain_text("The server cannot be reached")
    page.unroute("**/next?**")
    page.wait_for_selector(f"main:not([data-sample='{sample_id}'])[data-state=ready]")
    assert answers(campaign) == {(sample_id, ANNOTATOR): "4"}
    _forgive(troubles, "ERR_FAILED")
