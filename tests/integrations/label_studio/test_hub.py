"""Connecting, resuming, ending: what is set in the project and what is remembered of it."""

import stat
import time
from pathlib import Path
from typing import Any

import pytest

from al_server.errors import AlreadyExists, BadInput, NotFound
from integrations.label_studio import hub as hubs
from integrations.label_studio.config_parser import UnsupportedConfig
from integrations.label_studio.errors import LabelStudioDown
from tests.integrations.label_studio.house import WANTED, WITHIN_S, House, house
from tests.integrations.label_studio.small_label_studio import SmallLabelStudio

__all__ = ["house"]


def test_connecting_sets_everything_that_serves_the_picks(
    house: House, theirs: SmallLabelStudio
) -> None:
    theirs.annotate(103, "cat")
    info = house.connect()
    assert (info.state, info.error, info.problems) == ("connected", None, [])
    assert (info.campaign, info.n_annotations) == ("label-studio-7", 1)
    assert theirs.settings["sampling"] == "Uncertainty sampling"
    assert theirs.settings["model_version"] == "al-queue"
    (backend,) = theirs.backends.values()
    assert (backend["title"], backend["auth_method"]) == ("al-queue", "BASIC_AUTH")
    assert backend["url"] == "http://127.0.0.1:9090/label-studio"
    (webhook,) = theirs.webhooks.values()
    assert webhook["url"] == f"{backend['url']}/webhook"
    assert webhook["headers"]["Authorization"].startswith("Basic ")
    secret = backend["basic_auth_pass"]
    assert house.hub.link_of("label-studio-7", secret)[0]
    assert info.queue is not None
    assert info.queue.next == theirs.queued()
    assert house.registry.campaign("label-studio-7").sample("103").label == "cat"


def test_disconnecting_leaves_the_project_as_it_was_found(
    house: House, theirs: SmallLabelStudio
) -> None:
    before = dict(theirs.settings)
    theirs.annotate(103, "cat")
    house.connect()
    link = house.hub.link("label-studio-7")
    link.predict([{"id": 104}])
    info = house.hub.disconnect("label-studio-7")
    assert info.state == "disconnected"
    assert theirs.settings == before
    assert theirs.queued() == []
    assert (theirs.webhooks, theirs.backends) == ({}, {})
    campaign = house.registry.campaign("label-studio-7").info()
    assert (campaign.n_labeled, campaign.n_pending) == (1, 0)
    assert not house.hub.link_of("label-studio-7", "")[0]


def test_disconnecting_leaves_the_predictions_of_others(
    house: House, theirs: SmallLabelStudio
) -> None:
    client = theirs.client()
    for version in ("live-demo", "baseline"):
        client.add_prediction({"task": 104, "model_version": version, "score": 0.5, "result": []})
    theirs.settings["model_version"] = "baseline"
    house.connect()
    house.hub.disconnect("label-studio-7")
    assert sorted(client.model_versions(7)) == ["baseline", "live-demo"]
    assert theirs.settings["model_version"] == "baseline"


def test_a_model_version_that_is_gone_does_not_keep_from_disconnecting(
    house: House, theirs: SmallLabelStudio
) -> None:
    theirs.settings |= {"model_version": "baseline", "sampling": "Uniform sampling"}
    house.connect()
    assert house.hub.disconnect("label-studio-7").state == "disconnected"
    assert theirs.settings["model_version"] == ""
    assert theirs.settings["sampling"] == "Uniform sampling"


def test_connecting_again_goes_on_with_the_same_campaign(
    house: House, theirs: SmallLabelStudio
) -> None:
    house.connect()
    house.hub.disconnect("label-studio-7")
    theirs.annotate(103, "cat")
    theirs.add_task("later")
    info = house.connect()
    assert (info.campaign, info.state) == ("label-studio-7", "connected")
    campaign = house.registry.campaign("label-studio-7").info()
    assert (campaign.n_labeled, campaign.n_samples) == (1, 31)


def test_a_project_is_connected_once(house: House) -> None:
    house.connect()
    with pytest.raises(AlreadyExists, match="is connected as 'label-studio-7'") as refused:
        house.hub.connect(WANTED)
    assert "disconnect label-studio-7" in refused.value.remedy


def test_after_a_restart_what_was_missed_is_made_good(
    house: House, theirs: SmallLabelStudio
) -> None:
    house.connect()
    secret = next(iter(theirs.backends.values()))["basic_auth_pass"]
    house.stop()
    theirs.annotate(105, "dog")
    house.start()
    assert house.wait("label-studio-7", "waiting").state == "connected"
    link = house.hub.link("label-studio-7")
    give_up = time.monotonic() + WITHIN_S
    while link.reconciled_at is None and time.monotonic() < give_up:
        time.sleep(0.01)
    assert house.registry.campaign("label-studio-7").sample("105").label == "dog"
    assert theirs.queued() == [int(one) for one, _ in link.queue.listed()]
    assert house.hub.link_of("label-studio-7", secret) == (True, link)


def test_a_label_studio_that_is_down_at_the_start_is_waited_for(
    house: House, theirs: SmallLabelStudio, monkeypatch: Any
) -> None:
    monkeypatch.setattr(hubs, "RETRY_S", 0.05)
    house.connect()
    house.stop()
    theirs.is_down = True
    house.start()
    time.sleep(0.2)
    info = house.hub.info("label-studio-7")
    assert (info.state, info.error) == ("waiting", "Label Studio is down")
    theirs.is_down = False
    assert house.wait("label-studio-7", "waiting").state == "connected"


def test_what_was_set_is_taken_back_where_connecting_fails(
    house: House, theirs: SmallLabelStudio
) -> None:
    before = dict(theirs.settings)
    theirs.refuses_backends = True
    info = house.connect()
    assert (info.state, info.error) == ("failed", "reserved network address")
    assert (theirs.webhooks, theirs.backends, theirs.queued()) == ({}, {}, [])
    assert theirs.settings == before
    theirs.refuses_backends = False
    assert house.connect().state == "connected"


def test_what_can_be_told_at_once_is_told_at_once(house: House, theirs: SmallLabelStudio) -> None:
    theirs.is_down = True
    with pytest.raises(LabelStudioDown):
        house.hub.connect(WANTED)
    theirs.is_down = False
    theirs.config = "<View><Text name='text' value='$text'/></View>"
    with pytest.raises(UnsupportedConfig):
        house.hub.connect(WANTED)
    assert house.hub.infos() == []


def test_the_name_of_another_campaign_is_not_taken(house: House, theirs: SmallLabelStudio) -> None:
    house.connect()
    with pytest.raises(AlreadyExists, match="there is a campaign named"):
        house.hub.connect(WANTED.model_copy(update={"project": 8, "name": "label-studio-7"}))


@pytest.mark.parametrize("url", ["ftp://x", "nonsense", "http://unknown.example.org:9090"])
def test_an_address_that_label_studio_could_not_call_is_refused(house: House, url: str) -> None:
    with pytest.raises(BadInput):
        house.hub.connect(WANTED.model_copy(update={"backend_url": url}))


def test_a_project_without_tasks_says_so(house: House, theirs: SmallLabelStudio) -> None:
    for task in theirs.tasks():
        theirs.delete_task(task["id"])
    assert house.connect().error == "project 7 of http://ls has no tasks"


def test_the_connection_is_readable_by_its_owner_only(house: House, tmp_path: Path) -> None:
    house.connect()
    (file,) = (tmp_path / "data").rglob("connection.json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "tok-en" in file.read_text()
    house.hub.disconnect("label-studio-7")
    assert "tok-en" not in file.read_text()


def test_a_broken_connection_file_keeps_nothing_from_starting(
    house: House, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    house.connect()
    house.stop()
    (file,) = (tmp_path / "data").rglob("connection.json")
    file.write_text('{"token": "tok-en", ')
    house.start()
    assert house.hub.infos() == []
    assert "connect the project anew" in caplog.text
    assert "tok-en" not in caplog.text


def test_an_unknown_connection_lists_those_that_exist(house: House) -> None:
    house.connect()
    with pytest.raises(NotFound) as refused:
        house.hub.info("nix")
    assert "label-studio-7" in refused.value.remedy
