"""The progress page and the list of campaigns, which follow the server by themselves."""

import pytest
from playwright.sync_api import Page, expect

from al_server.models import AnswerIn
from tests.web.serving import Served, digits, labeled_digits

pytestmark = pytest.mark.browser


def test_the_page_follows_the_labels_without_being_loaded_again(served: Served, page: Page) -> None:
    campaign = served.make(budget=20, n_answers=3)
    page.clock.install()
    page.goto(f"/campaigns/{campaign.spec.name}/progress")
    page.evaluate("window.loadedOnce = true")
    standing = page.locator("#standing")
    expect(standing).to_contain_text("3 of 20 answers")
    (sample,) = campaign.next_batch(annotator="Emmy").samples
    campaign.record_labels([AnswerIn(sample_id=sample.sample_id, label="9", annotator="Emmy")])
    page.clock.fast_forward(6_000)
    expect(standing).to_contain_text("4 of 20 answers")
    expect(page.locator("#annotators")).to_contain_text("Emmy")
    nine = page.locator("#class-counts tr", has=page.get_by_role("rowheader", name="9"))
    assert int(nine.locator("td.figure").inner_text()) >= 1
    assert page.evaluate("window.loadedOnce")


def test_the_curve_is_drawn_from_a_table_that_can_be_read(served: Served, page: Page) -> None:
    holdout = labeled_digits(served.folder, n=40, offset=1000)
    campaign = served.make(holdout=str(holdout), n_answers=12)
    curve = campaign.progress().curve
    assert len(curve) >= 2
    page.goto(f"/campaigns/{campaign.spec.name}/progress")
    points = page.locator("#curve polyline").get_attribute("points")
    assert points is not None and len(points.split()) == len(curve)
    last = f"{100 * curve[-1].accuracy:.1f}% after {curve[-1].n_labeled} labels"
    expect(page.locator(".curve-value")).to_have_text(last)
    page.get_by_text("Show as a table").click()
    expect(page.locator("#curve-table tbody tr")).to_have_count(len(curve))
    page.locator("#curve svg").focus()
    page.keyboard.press("ArrowLeft")
    before = f"{100 * curve[-2].accuracy:.1f}% after {curve[-2].n_labeled} labels"
    expect(page.locator(".curve-value")).to_have_text(before)


def test_labels_are_exported_from_the_page(served: Served, page: Page) -> None:
    campaign = served.make(n_answers=2)
    page.goto(f"/campaigns/{campaign.spec.name}/progress")
    page.locator(".menu summary").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV", exact=True).click()
    text = download.value.path().read_text(encoding="utf-8")
    assert all(row.sample_id in text for row in campaign.answer_rows())


def test_classes_are_appended_and_samples_added_while_a_campaign_runs(
    served: Served, page: Page
) -> None:
    campaign = served.make(classes=["cat", "dog"])
    before = campaign.info().n_samples
    page.goto(f"/campaigns/{campaign.spec.name}/progress")
    page.get_by_text("Append classes").click()
    page.fill("#new-classes", "owl, fox")
    page.get_by_role("button", name="Append").click()
    expect(page.locator("#settings-status")).to_contain_text("Appended owl, fox: 4 classes now")
    expect(page.locator("#class-counts th")).to_have_text(["cat", "dog", "owl", "fox"])

    page.locator("summary", has_text="Add samples").click()
    page.fill("#path", digits(served.folder, n=5, offset=200).path)
    page.get_by_role("button", name="Add samples").click()
    expect(page.locator("#settings-status")).to_contain_text("Adding samples")
    expect(page.locator(".tiles div", has_text="Samples").locator("dd")).to_have_text(
        str(before + 5)
    )


def test_a_source_that_cannot_be_added_is_told_at_its_field(
    served: Served, page: Page, troubles: list[str]
) -> None:
    campaign = served.make()
    page.goto(f"/campaigns/{campaign.spec.name}/progress")
    page.locator("summary", has_text="Add samples").click()
    page.fill("#path", "/etc")
    page.get_by_role("button", name="Add samples").click()
    expect(page.locator("#path-error")).to_contain_text("outside")
    troubles[:] = [said for said in troubles if "403" not in said]


def test_samples_left_out_are_listed_with_their_reasons(served: Served, page: Page) -> None:
    source = digits(served.folder, n=9, offset=300)
    (served.folder / "digits-300-9" / "broken.png").write_bytes(b"not a picture")
    campaign = served.make(source=source)
    page.goto("/")
    card = page.locator(f"#campaign-{campaign.spec.name}")
    card.get_by_text("1 sample left out").click()
    expect(card.locator("td").first).to_contain_text("broken.png")
    expect(card.locator("td").nth(1)).not_to_be_empty()


def test_a_server_that_is_away_is_told_of_and_found_again(
    served: Served, page: Page, troubles: list[str]
) -> None:
    served.make()
    page.clock.install()
    page.goto("/")
    page.route(f"{served.url}/", lambda route: route.abort())
    for _ in range(3):
        with page.expect_event("requestfailed"):
            page.clock.fast_forward(21_000)
    expect(page.locator("#offline")).to_contain_text("The server cannot be reached")
    page.unroute(f"{served.url}/")
    page.clock.fast_forward(21_000)
    expect(page.locator("#offline")).to_be_hidden()
    troubles[:] = [said for said in troubles if "ERR_FAILED" not in said]


def test_what_is_open_and_focused_stays_so_when_the_list_is_renewed(
    served: Served, page: Page
) -> None:
    source = digits(served.folder, n=9, offset=400)
    (served.folder / "digits-400-9" / "broken.png").write_bytes(b"not a picture")
    campaign = served.make(source=source)
    page.clock.install()
    page.goto("/")
    card = page.locator(f"#campaign-{campaign.spec.name}")
    card.get_by_text("1 sample left out").click()
    card.get_by_role("link", name="Annotate").focus()
    (sample,) = campaign.next_batch(annotator="Emmy").samples
    campaign.record_labels([AnswerIn(sample_id=sample.sample_id, label="9", annotator="Emmy")])
    page.clock.fast_forward(11_000)
    expect(card).to_contain_text("1 of 9 samples labeled")
    expect(card.locator("details.failures")).to_have_attribute("open", "")
    expect(card.get_by_role("link", name="Annotate")).to_be_focused()


def test_the_comparison_with_random_sampling_is_said_drawn_and_listed(
    served: Served, page: Page
) -> None:
    campaign = served.make(source=digits(served.folder, n=150), random_share=0.4, n_answers=90)
    found = campaign.progress().against_random
    assert found is not None
    page.goto(f"/campaigns/{campaign.spec.name}/progress")
    against = page.locator("#against")
    last = found.points[-1]
    expect(against).to_contain_text(
        f"With {last.n_labeled} labels a vote of the nearest was right on"
    )
    for line in against.locator("polyline").all():
        assert len((line.get_attribute("points") or "").split()) == len(found.points)
    against.get_by_text("Show as a table").click()
    rows = against.locator("tbody tr")
    expect(rows).to_have_count(len(found.points))
    expect(rows.last).to_contain_text(f"{100 * last.campaign:.1f}%")
    expect(page.locator(".tiles")).to_contain_text("Random picks right")


def test_a_campaign_without_random_picks_says_that_it_cannot_be_compared(
    served: Served, page: Page
) -> None:
    campaign = served.make(random_share=0, n_answers=2)
    page.goto(f"/campaigns/{campaign.spec.name}/progress")
    expect(page.locator("#against")).to_contain_text("no pick of this campaign is random")
