"""Which key does what: the page's own module, asked in the browser."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.web.serving import Served

pytestmark = pytest.mark.browser
Ask = Callable[..., Any]
MODULE = "/static/keys.js"


@pytest.fixture
def assign(page: Page) -> Ask:
    page.goto("/new")
    ask = "async ([url, classes]) => (await import(url)).assignKeys(classes)"
    return lambda classes: page.evaluate(ask, [MODULE, classes])


@pytest.fixture
def meaning(page: Page) -> Ask:
    page.goto("/new")
    ask = (
        "async ([url, classes, key]) => { const m = await import(url);"
        " return m.meaning(key, m.assignKeys(classes)); }"
    )
    return lambda classes, key: page.evaluate(ask, [MODULE, classes, key])


@pytest.fixture
def matching(page: Page) -> Ask:
    page.goto("/new")
    ask = "async ([url, typed, classes]) => (await import(url)).matching(typed, classes)"
    return lambda typed, classes: [
        classes[position] for position in page.evaluate(ask, [MODULE, typed, classes])
    ]


def test_single_characters_are_their_own_key_and_the_others_get_digits(assign: Ask) -> None:
    assert assign(["cat", "x", "dog", "é"])["ofClass"] == ["1", "x", "2", "é"]


def test_digits_that_are_classes_are_not_given_to_others(assign: Ask) -> None:
    assert assign(["1", "two", "3", "four"])["ofClass"] == ["1", "2", "3", "4"]


def test_the_tenth_class_has_zero(assign: Ask) -> None:
    names = [f"class {n}" for n in range(10)]
    assigned = assign(names)
    assert assigned["ofClass"] == list("1234567890")
    assert not assigned["filtering"]


def test_the_eleventh_class_brings_the_filter(assign: Ask) -> None:
    assigned = assign([f"class {letter}" for letter in "abcdefghijk"])
    assert assigned["filtering"]
    assert assigned["ofClass"] == [*"1234567890", None]
    assert all(
        not key.isalpha()
        for keys in assigned["ofCommand"].values()
        for key in keys
        if len(key) == 1
    )


def test_ten_digits_need_no_filter(assign: Ask) -> None:
    assert not assign(list("0123456789"))["filtering"]


def test_no_key_has_two_meanings(assign: Ask) -> None:
    for classes in (["s", "u", "w", "m", "?"], list("abcdefghijklmnopqrstuvwxyz0123456789.,/ ")):
        assigned = assign(classes)
        given = [key for key in assigned["ofClass"] if key]
        given += [key for keys in assigned["ofCommand"].values() for key in keys]
        assert len(given) == len(set(given))


def test_commands_yield_to_classes_and_show_another_key(assign: Ask) -> None:
    commands = assign(["s", "U"])["ofCommand"]
    assert commands["skip"] == [" "]
    assert commands["undo"] == ["Backspace"]
    assert commands["why"] == ["w", ","]


def test_case_matters_only_where_classes_differ_in_it(meaning: Ask) -> None:
    assert meaning(["A", "b"], "a") == {"position": 0}
    assert meaning(["A", "a"], "a") == {"position": 1}
    assert meaning(["b"], "S") == {"command": "skip"}


def test_with_a_filter_letters_are_typed_unless_they_are_a_class_of_their_own(
    meaning: Ask,
) -> None:
    classes = ["x", "q", "xylophone", *(f"class {letter}" for letter in "abcdefghijk")]
    assert meaning(classes, "s") == {"typed": "s"}
    assert meaning(classes, "q") == {"position": 1}
    # "x" might be the beginning of "xylophone": it must not label at once
    assert meaning(classes, "x") == {"typed": "x"}
    assert meaning(classes, "/") == {"command": "filter"}
    assert meaning(classes, " ") == {"command": "skip"}


def test_who_types_a_number_has_not_labeled_by_its_first_digit(meaning: Ask) -> None:
    classes = [f"species {n}" for n in range(200)]
    assert meaning(classes, "9") == {"typed": "9"}
    # some digits would be free, but a few keys out of order help nobody
    assert meaning(classes[:15], "2") == {"typed": "2"}


def test_a_key_that_is_nobody_s_means_nothing(meaning: Ask) -> None:
    assert meaning(["cat"], "z") is None
    assert meaning(["cat"], "ArrowLeft") is None


def test_the_filter_ranks_exact_then_start_then_word_then_inside(matching: Ask) -> None:
    classes = ["scarlet", "red car", "carpet", "car", "dog"]
    assert matching("car", classes) == ["car", "carpet", "red car", "scarlet"]
    assert matching("  CAR ", classes)[0] == "car"
    assert matching("", classes) == classes
    assert matching("zebra", classes) == []


def test_the_filter_does_not_mind_accents(matching: Ask) -> None:
    assert matching("uber", ["Überraschung", "tuber"]) == ["Überraschung", "tuber"]


def test_the_server_serves_what_is_tested(served: Served, page: Page) -> None:
    answer = page.request.get(f"{served.url}{MODULE}")
    assert answer.headers["content-type"].startswith("text/javascript")
