"""A registry shared by all tests of the HTTP side, and fresh apps over it for each."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from al_server.app import create_app
from al_server.campaigns import CampaignRegistry
from al_server.config import Settings
from al_server.models import CampaignSpec, Source

SAMPLE_IDS = [
    "plain",
    "a",
    "a/media",
    "a/similar",
    "media",
    "train/x y/ü%.jpg",
    "..",
    "../../etc/passwd",
    "a//b",
    "/absolute",
    "ends/",
    "100%2F",
    "q?x=1#y",
    "line\nbreak",
    "a+b&c",
    "後藤/😀",
]
CLASSES = ["apple", "pear"]
PREPARED_WITHIN_S = 60

MakeApp = Callable[..., Flask]
MakeCampaign = Callable[..., str]


class BufferedClient(FlaskClient):
    """Reads every answer to its end, so that files behind it are closed."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        return super().open(*args, **{"buffered": True, **kwargs})


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CampaignRegistry]:
    """Holds the campaign `fruits`: the texts "text of ID", one for each of SAMPLE_IDS."""
    folder = tmp_path_factory.mktemp("data")
    lines = [json.dumps({"id": one, "text": f"text of {one}"}) for one in SAMPLE_IDS]
    (folder / "texts.jsonl").write_text("\n".join(lines), "utf-8")
    registry = CampaignRegistry(Settings(data=folder, roots=(folder.parent,)))
    source = Source(
        kind="table",
        path=f"{folder.name}/texts.jsonl",
        column="text",
        id_column="id",
        content="text",
    )
    prepare(registry, CampaignSpec(name="fruits", classes=CLASSES, source=source))
    yield registry
    registry.close()


def prepare(registry: CampaignRegistry, spec: CampaignSpec) -> None:
    """Make a campaign and wait until it can be labeled."""
    registry.create(spec)
    give_up = time.monotonic() + PREPARED_WITHIN_S
    while (info := registry.info(spec.name)).state == "preparing" and time.monotonic() < give_up:
        time.sleep(0.005)
    assert info.state == "ready", info.error


@pytest.fixture(scope="session")
def make_campaign(
    registry: CampaignRegistry, tmp_path_factory: pytest.TempPathFactory
) -> MakeCampaign:
    """A campaign of a test's own: vectors with the ids of SAMPLE_IDS; gives its name."""
    numbers = count()

    def make(*, known: Sequence[str] | None = None, **changes: Any) -> str:
        name = f"own-{next(numbers)}"
        arrays = {
            "X": np.random.default_rng(5).normal(size=(len(SAMPLE_IDS), 3)).astype(np.float32),
            "ids": np.array(SAMPLE_IDS),
        }
        if known is not None:
            arrays |= {"y": np.array([CLASSES.index(one) for one in known])}
            arrays |= {"classes": np.array(CLASSES)}
        folder = tmp_path_factory.mktemp("vectors")
        np.savez(folder / "vectors.npz", **arrays)
        source = Source(kind="npz", path=f"{folder.name}/vectors.npz", labels=known is not None)
        prepare(registry, CampaignSpec(name=name, classes=CLASSES, source=source, **changes))
        return name

    return make


@pytest.fixture
def make_app(tmp_path: Path, registry: CampaignRegistry) -> MakeApp:
    """An app by settings; its data folder is the test's own."""

    def make(**settings: Any) -> Flask:
        app = create_app(Settings(data=tmp_path, **settings), registry)
        app.test_client_class = BufferedClient
        return app

    return make


@pytest.fixture
def client(make_app: MakeApp) -> FlaskClient:
    """Of a server on loopback without a token."""
    return make_app().test_client()
