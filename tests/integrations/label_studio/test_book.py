from itertools import permutations

import numpy as np

from integrations.label_studio.answers import Annotation
from integrations.label_studio.book import Book

PAIR = ("101", "ls:1")


def annotation(number: int, label: str | None, at: int, *, sample: str = "101") -> Annotation:
    time = f"2026-01-01T00:00:{at:02d}.000000+00:00"
    return Annotation(number, sample, "ls:1", label, time, time, None)


def told(book: Book) -> str | None:
    answer = book.answer(PAIR)
    return None if answer is None else str(answer.label)


def test_whatever_the_order_the_newest_version_is_the_answer() -> None:
    versions = [annotation(1, "cat", 1), annotation(1, "dog", 2), annotation(1, "bird", 3)]
    for order in permutations(versions):
        book = Book()
        for one in (*order, order[0]):
            book.write(one)
        assert told(book) == "bird"


def test_a_deletion_counts_for_good_also_when_it_comes_first() -> None:
    book = Book()
    assert book.erase(1) is None
    assert book.write(annotation(1, "cat", 1)) == set()
    assert told(book) is None


def test_of_several_annotations_by_one_user_the_last_changed_counts() -> None:
    book = Book()
    book.write(annotation(1, "cat", 1))
    book.write(annotation(2, "dog", 2))
    assert told(book) == "dog"
    assert book.erase(2) == {PAIR}
    assert told(book) == "cat"


def test_a_listing_brings_what_was_missed_and_takes_what_is_gone() -> None:
    book = Book()
    book.write(annotation(1, "cat", 1))
    other = annotation(3, "dog", 3, sample="102")
    assert book.replace([other], since=book.clock) == {PAIR, ("102", "ls:1")}
    assert (told(book), len(book)) == (None, 1)


def test_news_that_came_while_the_listing_was_made_stands() -> None:
    book = Book()
    book.write(annotation(1, "cat", 1))
    since = book.clock
    listing = [annotation(1, "cat", 1)]
    book.erase(1)
    book.write(annotation(2, "dog", 2))
    book.replace(listing, since=since)
    assert told(book) == "dog"
    assert len(book) == 1


def test_a_listing_of_some_samples_says_nothing_about_the_others() -> None:
    book = Book()
    book.write(annotation(1, "cat", 1))
    assert book.replace([], since=book.clock, samples={"102"}) == set()
    assert told(book) == "cat"


def test_any_shuffled_and_doubled_history_ends_the_same() -> None:
    rng = np.random.default_rng(3)
    news = [annotation(i % 7, f"l{i}", i + 1) for i in range(30)]
    ends = set()
    for _ in range(50):
        book = Book()
        for place in rng.integers(len(news), size=20):
            book.write(news[place])
        for place in rng.permutation(len(news)):
            book.write(news[place])
        book.erase(5)
        ends.add((told(book), len(book)))
    assert len(ends) == 1
