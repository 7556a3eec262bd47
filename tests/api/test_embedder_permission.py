"""A client of the server cannot have code run, or files read, that the operator has not named."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image

from al_server.app import create_app
from al_server.campaigns import CampaignRegistry
from al_server.config import Settings, load_settings
from tests.api.conftest import PREPARED_WITHIN_S

SPEC = {"name": "c", "classes": ["a", "b"], "source": {"kind": "images", "path": "images"}}
REFUSED = (
    "layer:{outside}/own.py:make",
    "layer:os.path:join",
    "text:{outside}",
    "ssl:{outside}",
    "text:owner/name",
)


@contextmanager
def serving(folder: Path, networks: tuple[str, ...] = ()) -> Iterator[FlaskClient]:
    data = folder / "data"
    (data / "images").mkdir(parents=True, exist_ok=True)
    for number in range(4):
        pixels = np.full((40, 40, 3), 60 * number, np.uint8)
        Image.fromarray(pixels).save(data / "images" / f"{number}.png")
    settings = Settings(data=data, networks=networks)
    with closing(CampaignRegistry(settings)) as registry:
        yield create_app(settings, registry).test_client()


def wait_for_ready(client: FlaskClient, name: str) -> dict[str, Any]:
    give_up = time.monotonic() + PREPARED_WITHIN_S
    path = f"/api/v1/campaigns/{name}"
    while (info := client.get(path).get_json())["state"] in ("preparing", "opening"):
        assert time.monotonic() < give_up
        time.sleep(0.01)
    assert info["state"] == "ready", info
    found: dict[str, Any] = info
    return found


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that no root covers; its code leaves a trace."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "own.py").write_text(
        "from pathlib import Path\n"
        "Path(__file__).with_name('was_run').touch()\n"
        "import torch\n"
        "def make():\n"
        "    network = torch.nn.Conv2d(3, 4, 8)\n"
        "    [one.data.fill_(0.1) for one in network.parameters()]\n"
        "    return network\n"
    )
    return folder


@pytest.mark.parametrize("embedder", REFUSED)
@pytest.mark.parametrize("way", ["create", "reembed"])
def test_what_is_not_allowed_is_refused_and_nothing_is_run(
    tmp_path: Path, outside: Path, embedder: str, way: str
) -> None:
    asked: dict[str, Any] = {"embedder": embedder.format(outside=outside)}
    with serving(tmp_path) as client:
        path = "/api/v1/campaigns"
        if way == "reembed":
            assert client.post(path, json=SPEC).status_code == 201
            wait_for_ready(client, "c")
            answer = client.post(f"{path}/c/reembed", json=asked)
        else:
            answer = client.post(path, json=SPEC | asked)
        assert 400 <= answer.status_code < 500
        assert answer.get_json()["error"]["remedy"]
    assert not (outside / "was_run").exists()


def test_weights_outside_the_roots_are_refused_at_once(tmp_path: Path, outside: Path) -> None:
    asked = {"embedder": "timm:test_resnet", "checkpoint": f"{outside}/own.py"}
    with serving(tmp_path) as client:
        path = "/api/v1/campaigns"
        assert client.post(path, json=SPEC | asked).status_code in (403, 422)
        assert client.post(path, json=SPEC).status_code == 201
        wait_for_ready(client, "c")
        for checkpoint in (f"{outside}/own.py", "../outside/own.py", "none.pth"):
            answer = client.post(f"{path}/c/reembed", json=asked | {"checkpoint": checkpoint})
            assert 400 <= answer.status_code < 500 and answer.get_json()["error"]["remedy"]


def test_code_in_a_folder_that_the_operator_named_is_run(tmp_path: Path, outside: Path) -> None:
    with serving(tmp_path, networks=(str(outside),)) as client:
        asked = SPEC | {"embedder": f"layer:{outside}/own.py:make?input_size=32"}
        assert client.post("/api/v1/campaigns", json=asked).status_code == 201
        assert wait_for_ready(client, "c")["n_features"] == 4
    assert (outside / "was_run").exists()


def test_a_campaign_that_was_made_when_it_was_allowed_is_asked_again(
    tmp_path: Path, outside: Path
) -> None:
    with serving(tmp_path, networks=(str(outside),)) as client:
        asked = SPEC | {"embedder": f"layer:{outside}/own.py:make?input_size=32"}
        client.post("/api/v1/campaigns", json=asked)
        wait_for_ready(client, "c")
    (outside / "was_run").unlink()
    with serving(tmp_path) as client:
        wait_for_ready(client, "c")
        (tmp_path / "data" / "more").mkdir()
        Image.fromarray(np.full((40, 40, 3), 7, np.uint8)).save(
            tmp_path / "data" / "more" / "m.png"
        )
        more = {"kind": "images", "path": "more"}
        assert client.post("/api/v1/campaigns/c/samples", json={"source": more}).status_code == 202
        give_up = time.monotonic() + 10
        while "AL_NETWORKS" not in str(info := wait_for_ready(client, "c")):
            assert time.monotonic() < give_up, info
            time.sleep(0.01)
    assert not (outside / "was_run").exists()


def test_networks_are_a_list_in_a_variable(tmp_path: Path) -> None:
    variable = {"AL_NETWORKS": "/nets, module:mine", "AL_DATA": str(tmp_path)}
    assert load_settings({}, environ=variable).networks == ("/nets", "module:mine")
