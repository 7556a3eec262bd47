"""Fresh apps for each test."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from al_server.app import create_app
from al_server.config import Settings
from al_server.models import CampaignSpec, Source
from tests.api.toy_registry import ToyCampaign, ToyMedia, ToyRegistry

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


class BufferedClient(FlaskClient):
    """Reads every answer to its end, so that files behind it are closed."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        return super().open(*args, **{"buffered": True, **kwargs})


MakeApp = Callable[..., Flask]


def toy_campaign(name: str = "fruits", **changes: Any) -> ToyCampaign:
    spec = CampaignSpec(
        name=name, classes=["apple", "pear"], source=Source(kind="npz", path="x.npz"), **changes
    )
    return ToyCampaign(spec, {one: ToyMedia(None, f"text of {one}") for one in SAMPLE_IDS})


@pytest.fixture
def campaign() -> ToyCampaign:
    return toy_campaign()


@pytest.fixture
def toys(campaign: ToyCampaign) -> ToyRegistry:
    return ToyRegistry({campaign.spec.name: campaign})


@pytest.fixture
def make_app(tmp_path: Path, toys: ToyRegistry) -> MakeApp:
    """An app by settings; its data folder is the test's own."""

    def make(**settings: Any) -> Flask:
        app = create_app(Settings(data=tmp_path, **settings), toys)  # type: ignore[arg-type]
        app.test_client_class = BufferedClient
        return app

    return make


@pytest.fixture
def client(make_app: MakeApp) -> FlaskClient:
    """Of a server on loopback without a token."""
    return make_app().test_client()
