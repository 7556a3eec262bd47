"""Labeling in a real browser, against the real server."""

import pytest
from playwright.sync_api import Page, expect

from al_server.models import AnswerIn
from tests.web.browser import ANNOTATOR, annotate, press, sample_on
from tests.web.serving import Served, answers, texts, vectors

pytestmark = pytest.mark.browser


def test_a_key_labels_the_sample_and_brings_the_next(served: Served, page: Page) -> None:
    campaign = served.make()
    annotate(page, campaign.spec.name)
    first = press(page, "3")
    second = press(page, "7")
    assert first != second
    assert answers(campaign) == {(first, ANNOTATOR): "3", (second, ANNOTATOR): "7"}
    (row, _) = campaign.answer_rows()
    assert row.lead_time_s is not None and 0 < row.lead_time_s < 60
    expect(page.locator("#status")).to_have_text("Saved: 7")
    expect(page.locator("#session-rate")).to_contain_text("2 this session")


def test_enter_accepts_the_prediction_that_is_shown(served: Served, page: Page) -> None:
    campaign = served.make(n_answers=12)
    annotate(page, campaign.spec.name)
    predicted = page.locator(".class.predicted").inner_text().split()[0]
    expect(page.locator("#accept-label")).to_contain_text(f"Accept {predicted}")
    sample_id = press(page, "Enter")
    assert answers(campaign)[(sample_id, ANNOTATOR)] == predicted


def test_a_class_can_be_clicked_and_enter_still_means_accept(served: Served, page: Page) -> None:
    campaign = served.make(n_answers=5)
    annotate(page, campaign.spec.name)
    clicked = sample_on(page)
    page.locator(".class", has_text="8").click()
    page.wait_for_selector(f"main:not([data-sample='{clicked}'])[data-state=ready]")
    predicted = page.locator(".class.predicted").inner_text().split()[0]
    accepted = press(page, "Enter")
    assert answers(campaign)[(clicked, ANNOTATOR)] == "8"
    assert answers(campaign)[(accepted, ANNOTATOR)] == predicted


def test_a_key_pressed_twice_labels_one_sample(served: Served, page: Page) -> None:
    campaign = served.make()
    annotate(page, campaign.spec.name)
    first = sample_on(page)
    # both presses arrive in one turn of the page's event loop
    page.evaluate(
        "for (const n of [1, 2]) dispatchEvent.call(document.body,"
        " new KeyboardEvent('keydown', {key: '5', bubbles: true}))"
    )
    page.wait_for_selector(f"main:not([data-sample='{first}'])[data-state=ready]")
    assert answers(campaign) == {(first, ANNOTATOR): "5"}


def test_undo_takes_the_answer_back_and_brings_the_sample_back(served: Served, page: Page) -> None:
    campaign = served.make()
    annotate(page, campaign.spec.name)
    expect(page.locator("[data-command=undo]")).to_be_disabled()
    first = press(page, "3")
    second = press(page, "4")
    press(page, "u")
    assert sample_on(page) == second
    press(page, "Backspace")
    assert sample_on(page) == first
    assert answers(campaign) == {}
    expect(page.locator("#status")).to_have_text("Taken back: 3")
    assert press(page, "6") == first
    assert answers(campaign) == {(first, ANNOTATOR): "6"}


def test_undo_works_after_the_page_was_loaded_again(served: Served, page: Page) -> None:
    campaign = served.make()
    annotate(page, campaign.spec.name)
    first = press(page, "3")
    annotate(page, campaign.spec.name)
    press(page, "u")
    assert sample_on(page) == first


def test_a_skipped_sample_does_not_come_back(served: Served, page: Page) -> None:
    campaign = served.make(budget=2)
    annotate(page, campaign.spec.name)
    skipped = [press(page, "s"), press(page, "Space")]
    shown = [press(page, "1"), press(page, "1")]
    assert not set(skipped) & set(shown)
    assert campaign.info().n_skipped == 2
    assert campaign.info().n_answers == 2


def test_a_class_that_needs_the_key_of_a_command_gets_it(served: Served, page: Page) -> None:
    campaign = served.make(classes=["s", "U", "other"])
    annotate(page, campaign.spec.name)
    expect(page.locator("[data-command=skip] kbd")).to_have_text("Space")
    expect(page.locator("[data-command=undo] kbd")).to_have_text("Backspace")
    given = [press(page, key) for key in ("s", "u", "1")]
    assert [answers(campaign)[(sample_id, ANNOTATOR)] for sample_id in given] == ["s", "U", "other"]


def test_thirty_classes_are_found_by_typing(served: Served, page: Page) -> None:
    names = [f"{color} {thing}" for color in ("red", "green", "blue") for thing in "abcdefghij"]
    campaign = served.make(classes=[*names, "Überraschung"])
    annotate(page, campaign.spec.name)
    keyed = press(page, "2")  # the first ten have digits
    sample_on(page)
    page.keyboard.type("blue f")
    expect(page.locator("#accept-label")).to_have_text("Take blue f")
    typed = press(page, "Enter")
    sample_on(page)
    page.keyboard.press("/")
    page.keyboard.type("uber")
    accented = press(page, "Enter")
    expect(page.locator("#filter")).to_have_value("")
    given = {sample_id: label for (sample_id, _), label in answers(campaign).items()}
    assert given == {keyed: "red b", typed: "blue f", accented: "Überraschung"}


def test_a_filter_that_fits_nothing_labels_nothing(served: Served, page: Page) -> None:
    campaign = served.make(classes=[f"class {n}" for n in range(20)])
    annotate(page, campaign.spec.name)
    sample_id = sample_on(page)
    page.keyboard.type("nonsense")
    page.keyboard.press("Enter")
    expect(page.locator("#classes")).to_contain_text("No class like “nonsense”")
    page.keyboard.press("Escape")
    expect(page.locator("#filter")).to_have_value("")
    expect(page.locator(".class")).to_have_count(20)
    assert sample_on(page) == sample_id
    assert answers(campaign) == {}


def test_several_classes_are_toggled_and_submitted(served: Served, page: Page) -> None:
    campaign = served.make(classes=["round", "straight", "thin"], task="multi")
    annotate(page, campaign.spec.name)
    sample_on(page)
    for key in ("1", "2", "3", "2"):
        page.keyboard.press(key)
    expect(page.locator("#accept-label")).to_have_text("Submit round, thin")
    expect(page.locator(".class[aria-pressed=true]")).to_have_count(2)
    some = press(page, "Enter")
    expect(page.locator(".class[aria-pressed=true]")).to_have_count(2)  # as predicted
    page.keyboard.press("1")
    page.keyboard.press("3")
    none = press(page, "Enter")
    assert answers(campaign) == {(some, ANNOTATOR): ["round", "thin"], (none, ANNOTATOR): []}
    press(page, "u")
    press(page, "u")
    assert sample_on(page) == some
    expect(page.locator("#accept-label")).to_have_text("Submit round, thin")  # as it was answered


def test_a_spent_budget_ends_kindly_and_can_be_undone(served: Served, page: Page) -> None:
    campaign = served.make(budget=2)
    annotate(page, campaign.spec.name)
    press(page, "1")
    last = press(page, "2")
    expect(page.locator(".end")).to_contain_text("The budget is spent")
    page.locator("[data-command=undo]").click()
    assert sample_on(page) == last
    assert campaign.info().n_answers == 1


def test_an_exhausted_pool_ends_kindly(served: Served, page: Page) -> None:
    campaign = served.make(source=vectors(served.folder, n=2), classes=["a", "b"])
    annotate(page, campaign.spec.name)
    expect(page.locator("#view")).to_contain_text("bare vector")
    press(page, "a")
    press(page, "b")
    expect(page.locator(".end")).to_contain_text("Nothing is left to label")


def test_a_sample_that_others_return_is_picked_up(served: Served, page: Page) -> None:
    campaign = served.make(source=vectors(served.folder, n=3), classes=["a", "b"])
    held = campaign.next_batch(annotator="Grace", n=3).samples
    page.clock.install()
    annotate(page, campaign.spec.name)
    expect(page.locator(".end")).to_contain_text("Others are at the last samples")
    campaign.record_labels([AnswerIn(sample_id=held[0].sample_id, label="a", annotator="Grace")])
    campaign.undo(held[0].sample_id, annotator="Grace")
    page.clock.fast_forward(5_000)  # the page looks again
    assert sample_on(page) == held[0].sample_id


def test_texts_are_read_and_labeled(served: Served, page: Page) -> None:
    lines = ["The soup was cold.", "<b>Never</b> again & again", "Wonderful evening, warm staff."]
    campaign = served.make(source=texts(served.folder, lines), classes=["good", "bad"])
    annotate(page, campaign.spec.name)
    seen = set()
    for _ in lines:
        sample_on(page)
        seen.add(page.locator("#view .text").inner_text())
        press(page, "1")
    assert seen == set(lines)


def test_no_picture_is_fetched_twice(served: Served, page: Page) -> None:
    campaign = served.make()
    fetched: list[str] = []
    page.on("request", lambda asked: fetched.extend([asked.url] if "/media" in asked.url else []))
    annotate(page, campaign.spec.name)
    shown = [press(page, "1") for _ in range(5)]
    assert len(fetched) >= len(shown)
    assert len(fetched) == len(set(fetched))


def test_the_page_stays_where_it_is_from_sample_to_sample(served: Served, page: Page) -> None:
    campaign = served.make(n_answers=6)
    annotate(page, campaign.spec.name)
    parts = ["#stage", "#classes .class:nth-child(4)", "[data-command=accept]", "#sample-id"]

    def places() -> list[tuple[float, float, float]]:
        boxes = [page.locator(part).bounding_box() for part in parts]
        return [(box["x"], box["y"], box["height"]) for box in boxes if box]

    before = places()
    for sample_id in (press(page, "1"), press(page, "Enter"), press(page, "s")):
        assert places() == before, sample_id
