"""What the pages send, read without a browser."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient

from al_server.app import create_app
from al_server.campaigns import CampaignRegistry
from al_server.config import Settings
from al_server.models import Source
from al_server.web import pages
from tests.web.serving import Served, vectors

STATIC = Path(pages.__file__).parent / "static"
HOSTILE = ["<script>alert(1)</script>", '" onload="alert(1)', "{{ 7 * 7 }}", "‮right to left"]
VOID = {"meta", "link", "input", "br", "img", "hr"}


class Elements(HTMLParser):
    """All elements of a page with their attributes, and its texts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.texts: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes nothing that is open"

    def handle_data(self, data: str) -> None:
        self.texts.add(data)

    def named(self, *tags: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.found if tag in tags]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    folder = tmp_path_factory.mktemp("data")
    settings = Settings(data=folder)
    with closing(CampaignRegistry(settings)) as registry:
        served = Served("", registry, folder)
        served.make(name="hostile", classes=HOSTILE, source=vectors(folder))
        many = [f"class {n}" for n in range(500)]
        served.make(name="many", classes=many, source=vectors(folder))
        rows, labels = np.eye(60, dtype=np.float32), np.arange(60) % 2
        np.savez(folder / "labeled.npz", X=rows, y=labels, classes=np.array(["a", "b"]))
        known = Source(kind="npz", path="labeled.npz", labels=True)
        served.make(name="labeled", classes=["a", "b"], source=known, strategy="power?beta=2")
        yield create_app(settings, registry).test_client()


PAGES = [
    "/",
    "/new",
    "/campaigns/hostile/annotate",
    "/campaigns/hostile/progress",
    "/campaigns/many/progress",
    "/campaigns/many/compare",
    "/campaigns/labeled/compare",
    "/campaigns/hostile/curation",
    "/campaigns/nobody/progress",
]


@pytest.fixture(params=PAGES)
def html(request: pytest.FixtureRequest, client: FlaskClient) -> str:
    return client.get(request.param, headers={"Accept": "text/html"}).get_data(as_text=True)


def test_every_element_is_closed_and_every_id_is_there_once(html: str) -> None:
    elements = Elements(html)
    assert elements.open == []
    ids = Counter(attributes["id"] for _, attributes in elements.found if "id" in attributes)
    assert [name for name, n in ids.items() if n > 1] == []


def test_nothing_inline_that_the_content_security_policy_forbids(html: str) -> None:
    elements = Elements(html)
    for _, attributes in elements.found:
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
    assert elements.named("style") == []
    assert all(script.get("src", "").startswith("/static/") for script in elements.named("script"))


@pytest.mark.parametrize("page", ["/", "/campaigns/hostile/progress"])
def test_names_that_look_like_markup_stay_text(client: FlaskClient, page: str) -> None:
    assert set(HOSTILE) <= Elements(client.get(page).get_data(as_text=True)).texts


def test_names_that_look_like_markup_reach_the_script_whole(client: FlaskClient) -> None:
    (main,) = Elements(client.get("/campaigns/hostile/annotate").get_data(as_text=True)).named(
        "main"
    )
    assert json.loads(main["data-campaign"])["classes"] == HOSTILE


def test_every_field_has_a_label_and_its_descriptions_exist(html: str) -> None:
    elements = Elements(html)
    ids = {attributes["id"] for _, attributes in elements.found if "id" in attributes}
    labeled = {label["for"] for label in elements.named("label") if "for" in label}
    for field in elements.named("input", "select", "textarea"):
        wrapped = field.get("type") in ("radio", "checkbox", "hidden")
        assert wrapped or field["id"] in labeled, field
        assert set(field.get("aria-describedby", "").split()) <= ids, field


def test_every_page_says_where_one_is(html: str) -> None:
    assert re.search(r"<title>\S.* · al_server</title>", html)
    assert len(Elements(html).named("h1")) == 1
    assert len(Elements(html).named("main")) == 1
    assert any(meta.get("name") == "csrf-token" for meta in Elements(html).named("meta"))


def test_every_file_that_a_page_names_is_there(client: FlaskClient, html: str) -> None:
    elements = Elements(html)
    named = [script["src"] for script in elements.named("script")]
    named += [link["href"] for link in elements.named("link")]
    for address in named:
        with client.get(address) as answer:
            assert answer.status_code == 200, address


def test_the_labeling_page_preloads_every_module_that_it_imports(client: FlaskClient) -> None:
    page = client.get("/campaigns/hostile/annotate").get_data(as_text=True)
    preloaded = {
        link["href"].rsplit("/", 1)[1]
        for link in Elements(page).named("link")
        if link["rel"] == "modulepreload"
    }
    wanted, unread = set(), ["annotate.js"]
    while unread:
        module = unread.pop()
        wanted.add(module)
        imported = re.findall(r'from "\./([\w.]+)"', (STATIC / module).read_text(encoding="utf-8"))
        unread += [other for other in imported if other not in wanted]
    assert preloaded == wanted


def test_a_campaign_that_is_not_there_gets_a_page_that_names_the_others(
    client: FlaskClient,
) -> None:
    answer = client.get("/campaigns/nobody/annotate", headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert "hostile" in answer.get_data(as_text=True)


def test_all_that_a_page_loads_is_small(client: FlaskClient, html: str) -> None:
    elements = Elements(html)
    unread = [script["src"].rsplit("/", 1)[1] for script in elements.named("script")]
    named = [link["href"].rsplit("/", 1)[1] for link in elements.named("link")]
    wanted = set(named)
    while unread:
        module = unread.pop()
        wanted.add(module)
        imported = re.findall(r'from "\./([\w.]+)"', (STATIC / module).read_text(encoding="utf-8"))
        unread += [other for other in imported if other not in wanted]
    assert sum((STATIC / file).stat().st_size for file in wanted) < 100_000
    assert sum(file.stat().st_size for file in STATIC.iterdir()) < 150_000
