"""Connections that end, that are cut short, and that somebody else goes on with."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from al_server.errors import AlreadyExists, BadInput
from integrations.label_studio import hub as hubs
from integrations.label_studio.errors import LabelStudioDown, LabelStudioRefused
from tests.integrations.label_studio.house import WANTED, WITHIN_S, House, house
from tests.integrations.label_studio.small_label_studio import SmallClient, SmallLabelStudio

__all__ = ["house"]
NAME = "label-studio-7"
RENEWED = WANTED.model_copy(update={"token": "renewed"})


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "RETRY_S", 0.02)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "PATIENCE_S", 0.05)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Reading the tasks waits for it."""
    gate, tasks = threading.Event(), SmallClient.tasks

    def wait(self: SmallClient, project: int, *, after: int = 0) -> Any:
        gate.wait(WITHIN_S)
        return tasks(self, project, after=after)

    monkeypatch.setattr(SmallClient, "tasks", wait)
    yield gate
    gate.set()


def until(is_so: Callable[[], bool]) -> None:
    give_up = time.monotonic() + WITHIN_S
    while not is_so():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def is_untouched(theirs: SmallLabelStudio) -> bool:
    return (theirs.webhooks, theirs.backends, theirs.queued()) == ({}, {}, [])


def test_a_connected_project_goes_on_with_another_token(
    house: House, theirs: SmallLabelStudio
) -> None:
    before = dict(theirs.settings)
    theirs.annotate(103, "cat")
    house.connect()
    theirs.token = RENEWED.token
    info = house.connect(RENEWED)
    assert (info.state, info.campaign, info.n_annotations) == ("connected", NAME, 1)
    assert (len(theirs.webhooks), len(theirs.backends)) == (1, 1)
    assert info.queue is not None
    assert info.queue.next == theirs.queued()
    assert json.loads(house.record)["token"] == "renewed"
    house.hub.disconnect(NAME)
    assert theirs.settings == before
    assert is_untouched(theirs)


def test_the_same_token_and_other_options_do_not_replace_a_connection(house: House) -> None:
    house.connect()
    for wanted in (WANTED, RENEWED.model_copy(update={"budget": 5})):
        with pytest.raises(AlreadyExists, match="is connected as"):
            house.hub.connect(wanted)
    assert house.hub.info(NAME).state == "connected"


def test_a_token_that_is_not_accepted_any_more_does_not_keep_from_disconnecting(
    house: House, theirs: SmallLabelStudio
) -> None:
    before = dict(theirs.settings)
    house.connect()
    theirs.token = RENEWED.token
    info = house.hub.disconnect(NAME)
    assert info.state == "disconnected"
    assert info.message == "what was set in the project stays there: the token is not accepted"
    assert "tok-en" not in house.record
    # what was found is known still
    assert house.connect(RENEWED).state == "connected"
    assert house.hub.disconnect(NAME).message is None
    assert theirs.settings == before
    assert is_untouched(theirs)


def test_a_project_that_is_gone_has_nothing_to_be_taken_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any) -> Any:
        raise LabelStudioRefused("nothing there", http_status=404)

    house.connect()
    for name in ("model_versions", "update_project"):
        monkeypatch.setattr(SmallClient, name, gone)
    info = house.hub.disconnect(NAME)
    assert (info.state, info.message) == ("disconnected", None)


def test_disconnecting_goes_on_when_label_studio_is_back(
    house: House, theirs: SmallLabelStudio, impatient: None
) -> None:
    before = dict(theirs.settings)
    house.connect()
    theirs.is_down = True
    house.hub.disconnect(NAME)
    until(lambda: house.hub.info(NAME).error == "Label Studio is down")
    assert house.hub.info(NAME).state == "disconnecting"
    with pytest.raises(AlreadyExists, match="is disconnecting as"):
        theirs.is_down = False
        house.hub.connect(WANTED)
    info = house.wait(NAME, "disconnecting")
    assert (info.state, info.error) == ("disconnected", None)
    assert theirs.settings == before
    assert is_untouched(theirs)


def test_a_restart_goes_on_with_disconnecting(
    house: House, theirs: SmallLabelStudio, impatient: None
) -> None:
    house.connect()
    theirs.is_down = True
    house.hub.disconnect(NAME)
    until(lambda: house.hub.info(NAME).error is not None)
    house.stop()
    theirs.is_down = False
    house.start()
    assert house.wait(NAME, "disconnecting").state == "disconnected"
    assert is_untouched(theirs)


def test_what_a_crash_while_connecting_left_is_taken_back_at_the_next_start(
    house: House, theirs: SmallLabelStudio
) -> None:
    before = dict(theirs.settings)
    house.connect()
    house.stop()
    (file,) = house.settings.data.rglob("connection.json")
    file.write_text(file.read_text().replace('"state":"connected"', '"state":"connecting"'))
    house.start()
    assert house.wait(NAME, "disconnecting").state == "disconnected"
    assert theirs.settings == before
    assert is_untouched(theirs)
    assert "tok-en" not in house.record


def test_what_could_not_be_taken_back_at_once_is_later(
    house: House, theirs: SmallLabelStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends(*_: Any) -> int:
        theirs.is_down = True
        raise LabelStudioDown("Label Studio is down")

    monkeypatch.setattr(SmallClient, "add_backend", ends)
    info = house.connect()
    assert (info.state, info.error) == ("failed", "Label Studio is down")
    assert len(theirs.webhooks) == 1
    theirs.is_down = False
    until(lambda: is_untouched(theirs))
    until(lambda: "tok-en" not in house.record)
    assert house.hub.info(NAME).state == "failed"
    assert house.hub.disconnect(NAME).state == "disconnected"


def test_to_disconnect_while_connecting_ends_it_for_good(
    house: House,
    theirs: SmallLabelStudio,
    gate: threading.Event,
    impatient: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_up: list[Any] = []
    monkeypatch.setattr(SmallClient, "add_webhook", lambda _, one: set_up.append(one) or 1)
    before = dict(theirs.settings)
    house.hub.connect(WANTED)
    assert house.hub.disconnect(NAME).state == "disconnecting"
    gate.set()
    assert house.wait(NAME, "disconnecting").state == "disconnected"
    assert (theirs.settings, set_up) == (before, [])
    assert is_untouched(theirs)


def test_projects_of_one_number_on_two_hosts_get_names_of_their_own(
    house: House, gate: threading.Event
) -> None:
    elsewhere = WANTED.model_copy(update={"url": "http://other"})
    names = [house.hub.connect(one).campaign for one in (WANTED, elsewhere)]
    assert names == [NAME, f"{NAME}-2"]
    with pytest.raises(AlreadyExists):
        house.hub.connect(elsewhere.model_copy(update={"project": 8, "name": NAME}))


def test_other_options_make_another_campaign_and_options_left_out_do_not(house: House) -> None:
    def connected(**options: Any) -> str:
        wanted = WANTED.model_validate({**WANTED.model_dump(exclude_unset=True), **options})
        name = house.connect(wanted).campaign
        house.hub.disconnect(name)
        return name

    assert connected(strategy="uniform", budget=9) == NAME
    assert connected() == NAME
    assert connected(budget=9) == NAME
    assert connected(budget=8) == f"{NAME}-2"
    with pytest.raises(AlreadyExists, match="other options"):
        connected(budget=8, name=NAME)


def test_another_control_is_another_campaign(house: House, theirs: SmallLabelStudio) -> None:
    quality = '<Choices name="q" toName="text"><Choice value="bad"/></Choices></View>'
    theirs.config = theirs.config.replace("</View>", quality)
    names = []
    for control in ("label", "q", "label"):
        names.append(house.connect(WANTED.model_copy(update={"control": control})).campaign)
        house.hub.disconnect(names[-1])
    assert names == [NAME, f"{NAME}-2", NAME]
    assert house.registry.info(NAME).classes == ["cat", "dog", "bird"]


def test_what_no_campaign_can_be_is_told_at_once_in_one_line(
    house: House, theirs: SmallLabelStudio
) -> None:
    theirs.settings["maximum_annotations"] = 101
    with pytest.raises(BadInput, match="'101' cannot be taken over") as refused:
        house.hub.connect(WANTED)
    assert "annotations per task" in refused.value.remedy
    theirs.settings["maximum_annotations"] = 1
    theirs.config = theirs.config.replace("cat", "c" * 201)
    with pytest.raises(BadInput, match="at most 200 characters") as refused:
        house.hub.connect(WANTED)
    assert "\n" not in str(refused.value)
    assert len(refused.value.message) < 200


def test_an_error_that_nobody_foresaw_is_shown_and_tried_again(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    house.connect()
    house.stop()
    with monkeypatch.context() as broken:
        broken.setattr(hubs, "parse_config", lambda *_, **__: 1 / 0)
        house.start()
        until(lambda: house.hub.info(NAME).error is not None)
        assert "ZeroDivisionError" in str(house.hub.info(NAME).error)
    assert house.wait(NAME, "waiting").state == "connected"
    assert "Traceback" in caplog.text
