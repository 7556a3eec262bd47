"""Fixtures of the page tests: one browser and one server for all, a fresh visitor for each."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.web.browser import chromium, opened
from tests.web.serving import Served, serving


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("data")
    with serving(folder) as running:
        yield running


@pytest.fixture
def visit(browser: Browser, served: Served) -> Iterator[tuple[Page, list[str]]]:
    with opened(browser, served.url) as visitor:
        yield visitor


@pytest.fixture
def troubles(visit: tuple[Page, list[str]]) -> list[str]:
    """What the console complained of; a test that provokes some takes it away."""
    return visit[1]


@pytest.fixture
def page(visit: tuple[Page, list[str]]) -> Iterator[Page]:
    """A fresh visitor; errors on the console fail the test."""
    yield visit[0]
    assert visit[1] == []
