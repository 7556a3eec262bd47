"""The form that makes a campaign, and what it says when it cannot."""

import pytest
from playwright.sync_api import Page, expect

from tests.web.serving import Served, digits, texts

pytestmark = pytest.mark.browser


def _fill(page: Page, **fields: str) -> None:
    page.goto("/new")
    for name, value in fields.items():
        page.fill(f"#{name}", value)


def test_a_campaign_is_made_shown_getting_ready_and_can_be_labeled(
    served: Served, page: Page
) -> None:
    source = digits(served.folder)
    _fill(page, name="from-the-form", path=source.path, classes="zero\none\nmore", budget="5")
    page.locator("#advanced summary").click()
    page.select_option("#strategy", "margin")
    page.select_option("#classifier", "knn")
    page.fill("#k", "5")
    page.fill("#lease_min", "2.5")
    page.fill("#random_percent", "25")
    page.get_by_role("button", name="Make the campaign").click()
    page.wait_for_url("**/campaigns/from-the-form/progress")
    page.get_by_role("link", name="Start labeling").click()
    page.wait_for_selector("main[data-state=ready]")
    expect(page.locator(".class")).to_have_text(["1zero", "2one", "3more"])
    spec = served.registry.campaign("from-the-form").spec
    assert (spec.budget, spec.strategy, spec.lease_s) == (5, "margin", 150)
    assert (spec.random_share, spec.classifier, spec.k) == (0.25, "knn", 5)
    assert spec.source == source


def test_a_table_brings_its_own_fields(served: Served, page: Page) -> None:
    source = texts(served.folder, ["one text", "another", "a third one"])
    page.goto("/new")
    expect(page.locator("#column")).to_be_hidden()
    page.get_by_label("Table").check()
    page.fill("#column", "text")
    page.select_option("#content", "text")
    page.fill("#name", "table-form")
    page.fill("#path", source.path)
    page.fill("#classes", "good, bad")
    page.get_by_label("any number of classes").check()
    page.get_by_role("button", name="Make the campaign").click()
    page.wait_for_url("**/campaigns/table-form/progress")
    served.wait("table-form")
    spec = served.registry.campaign("table-form").spec
    assert (spec.source, spec.task, spec.classes) == (source, "multi", ["good", "bad"])


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"name": ""}, "name", "fill out this field"),
        ({"name": "no spaces please"}, "name", "letters, digits"),
        ({"classes": "cat, dog, cat"}, "classes", "“cat” is there twice"),
        ({"path": ""}, "path", "fill out this field"),
        ({"budget": "-1"}, "budget", "greater than or equal to 0"),
    ],
)
def test_a_mistake_is_told_at_its_field_before_anything_is_sent(
    page: Page, fields: dict[str, str], field: str, said: str
) -> None:
    page.route("**/api/**", lambda route: pytest.fail("sent"))
    _fill(page, **{"name": "fine", "path": "somewhere", "classes": "a\nb", **fields})
    page.get_by_role("button", name="Make the campaign").click()
    expect(page.locator(f"#{field}-error")).to_contain_text(said)
    expect(page.locator(f"#{field}")).to_be_focused()
    expect(page.locator(f"#{field}")).to_have_attribute("aria-invalid", "true")


@pytest.mark.parametrize(
    ("fields", "field", "status"),
    [
        ({"name": "taken"}, "name", 409),
        ({"path": "/etc"}, "path", 403),
        ({"path": "not-there"}, "path", 422),
        ({"embedder": "nonsense"}, "embedder", 422),
        ({"holdout": "/etc"}, "holdout", 403),
    ],
)
def test_what_the_server_refuses_is_told_at_its_field(
    served: Served,
    page: Page,
    troubles: list[str],
    fields: dict[str, str],
    field: str,
    status: int,
) -> None:
    if all(info.name != "taken" for info in served.registry.infos()):
        served.make(name="taken")
    page.goto("/new")
    page.locator("#advanced summary").click()
    path = digits(served.folder).path
    for name, value in {
        "name": f"refused-{field}",
        "path": path,
        "classes": "a\nb",
        **fields,
    }.items():
        page.fill(f"#{name}", value)
    page.get_by_role("button", name="Make the campaign").click()
    expect(page.locator(f"#{field}-error")).not_to_be_empty()
    assert page.url.endswith("/new")
    troubles[:] = [said for said in troubles if f"status of {status}" not in said]


def test_the_keys_that_classes_will_have_are_shown_while_they_are_typed(page: Page) -> None:
    _fill(page, classes="cat, x, dog")
    expect(page.locator("#classes-preview li")).to_have_text(["1cat", "x", "2dog"])
