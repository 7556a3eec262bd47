"""A server whose Label Studio is the small one."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from al_server.campaigns import CampaignRegistry
from al_server.config import Settings
from integrations.label_studio import admission
from integrations.label_studio import hub as hubs
from integrations.label_studio.hub import Hub
from integrations.label_studio.models import ConnectIn, ConnectionInfo
from tests.integrations.label_studio.small_label_studio import SmallLabelStudio

WITHIN_S = 30
WANTED = ConnectIn(url="http://ls/", token="tok-en", project=7)


class House:
    """A server's campaigns and connections on one data folder, over several starts."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(data=folder / "data", roots=(folder / "nowhere",))
        self.start()

    def start(self) -> None:
        self.registry = CampaignRegistry(self.settings)
        self.hub = Hub(self.settings, self.registry)
        self.hub.start()

    def stop(self) -> None:
        self.hub.close()
        self.registry.close()

    def connect(self, wanted: ConnectIn = WANTED) -> ConnectionInfo:
        return self.wait(self.hub.connect(wanted).campaign, "connecting")

    @property
    def record(self) -> str:
        """What is kept of the only connection."""
        (file,) = self.settings.data.rglob("connection.json")
        return file.read_text()

    def wait(self, name: str, state: str) -> ConnectionInfo:
        give_up = time.monotonic() + WITHIN_S
        while (info := self.hub.info(name)).state == state and time.monotonic() < give_up:
            time.sleep(0.01)
        return info


@pytest.fixture
def house(tmp_path: Path, theirs: SmallLabelStudio, monkeypatch: Any) -> Iterator[House]:
    for module in (admission, hubs):
        monkeypatch.setattr(module, "Client", lambda _url, token: theirs.client(token))
    house = House(tmp_path)
    yield house
    house.stop()
