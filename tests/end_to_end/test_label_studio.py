"""A real Label Studio and a real server: what annotators are shown, and that nothing is lost."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.end_to_end.label_studio_link import Ours
from tests.end_to_end.label_studio_server import (
    BOXES_CONFIG,
    TEXT_CONFIG,
    TOPICS,
    Host,
    Person,
    choice,
    label_in,
    texts,
    topic,
)
from tests.end_to_end.relay import Relay, relaying
from tests.end_to_end.server import free_port, running
from tests.web.serving import truth

pytestmark = pytest.mark.slow


def _digit(task: dict[str, Any]) -> str:
    return truth(str(task["data"]["image"]).rpartition("/")[2])


# -- one annotator -------------------------------------------------------------------------------


def test_a_hundred_times_the_task_served_is_the_one_picked_and_pre_filled_with_the_posterior(
    theirs: Host, ours: Ours
) -> None:
    project = theirs.owner.make_digits(theirs.digits, n=130)
    name = ours.connect(theirs, project)
    picked, served, filled, believed = [], [], [], []
    for _ in range(100):
        picked.append(ours.info(name)["queue"]["next"][0])
        task = theirs.owner.next_task(project)
        served.append(task["id"])
        # Label Studio shows the first
        filled.append(label_in(task["predictions"][0]["result"]))
        believed.append(ours.believed(name, task["id"]))
        theirs.owner.annotate(task["id"], choice("digit", "image", _digit(task)))
    assert served == picked
    assert filled == believed
    assert filled.count(None) < 5, "hardly anything was pre-filled"
    given = theirs.owner.labels(project)
    assert len(given) == 100
    assert ours.wait_for(name, given) == given


# -- four annotators -----------------------------------------------------------------------------


def test_of_four_annotators_at_once_no_answer_is_lost_or_doubled_and_nobody_runs_out_of_tasks(
    theirs: Host, ours: Ours
) -> None:
    project = theirs.owner.make_project(TEXT_CONFIG, texts(500))
    name = ours.connect(theirs, project)
    given, from_queue = _annotate_together(theirs.annotators, project, n=400)
    assert len(given) == 400
    # at random, 1 in 50 would be
    assert np.mean(from_queue) > 0.9
    assert theirs.owner.labels(project) == given
    assert ours.wait_for(name, given) == given
    # Label Studio itself, on SQLite, may hand one task to two at the same moment
    n_shared = sum(n > 1 for n in Counter(task for task, _ in given).values())
    print(f"{n_shared} tasks of 400 answers went to two annotators")


def _annotate_together(
    people: list[Person], project: int, *, n: int
) -> tuple[dict[tuple[str, str], str | None], list[bool]]:
    """Let all work at the same time; a 404 while tasks remain fails.

    Returns the answers, and of every fifth task whether it was in the queue.
    """
    given: dict[tuple[str, str], str | None] = {}
    from_queue: list[bool] = []
    places = threading.Semaphore(n)

    def work(person: Person) -> None:
        n_done = 0
        while places.acquire(blocking=False):
            task = person.next_task(project)
            n_done += 1
            if n_done % 5 == 0:
                from_queue.append("al-queue" in person.versions(task["id"]))
            label = task["data"]["topic"]
            person.annotate(task["id"], topic(label))
            given[str(task["id"]), person.annotator] = label

    with ThreadPoolExecutor(len(people)) as pool:
        list(pool.map(work, people))
    return given, from_queue


# -- webhooks that do not come -------------------------------------------------------------------


def test_after_reconciling_what_was_dropped_doubled_and_shuffled_all_is_as_in_a_fresh_connect(
    theirs: Host, tmp_path: Path
) -> None:
    project = theirs.owner.make_project(TEXT_CONFIG, texts(120, seed=1))
    crew = Crew([theirs.owner, theirs.annotators[0]], project)
    with running(tmp_path / "old") as server, relaying(server.url) as relay:
        with closing(Ours(server.url)) as ours:
            name = ours.connect(theirs, project, backend_url=relay.url, random_share=0)
            relay.holds_news = True
            crew.work(24, relay)
            server.stop()
            crew.work(8, relay)  # whose webhooks find nobody
            server.start()
            ours.wait_until_reconciled(name)
            crew.work(16, relay)
            assert relay.n_dropped > 5 and relay.n_doubled > 2
            assert ours.reconcile(name)["n_missed"] > 0
            mended = _state(theirs, ours, name, project)
            ours.disconnect(name)
    assert mended["answers"] == theirs.owner.labels(project)
    assert set(mended["answers"].values()) == {*TOPICS, None}
    with running(tmp_path / "new") as server, closing(Ours(server.url)) as ours:
        ours.connect(theirs, project, name=name, random_share=0)
        fresh = _state(theirs, ours, name, project)
        ours.disconnect(name)
    assert fresh == mended


def _state(theirs: Host, ours: Ours, name: str, project: int) -> dict[str, Any]:
    campaign = ours.campaign(name)
    return {
        "answers": ours.answers(name),
        "queue": theirs.owner.queued(project),
        **{key: campaign[key] for key in ("n_samples", "n_labeled", "n_skipped")},
    }


class Crew:
    """People who answer, skip, change their minds and delete, by chance."""

    def __init__(self, people: list[Person], project: int) -> None:
        self._people = people
        self._project = project
        self._given: list[tuple[Person, int]] = []
        self._rng = np.random.default_rng(0)

    def work(self, n: int, relay: Relay) -> None:
        """Do so many things; now and then webhooks arrive."""
        for number in range(n):
            person = self._people[number % len(self._people)]
            self._do_something(person)
            if number % 8 == 7:
                relay.deliver(self._rng)

    def _do_something(self, person: Person) -> None:
        chance = self._rng.random()
        if chance < 0.1 and self._given:
            author, annotation = self._given[self._rng.integers(len(self._given))]
            author.change(annotation, topic(str(self._rng.choice(list(TOPICS)))))
        elif chance < 0.2 and self._given:
            author, annotation = self._given.pop(self._rng.integers(len(self._given)))
            author.erase(annotation)
        else:
            task = person.next_task(self._project)
            if chance < 0.35:
                person.skip(task["id"])
            else:
                said = topic(task["data"]["topic"])
                self._given.append((person, person.annotate(task["id"], said)))


# -- what goes wrong -----------------------------------------------------------------------------


def test_what_cannot_be_connected_is_said_in_one_line(theirs: Host, ours: Ours) -> None:
    boxes = theirs.owner.make_project(BOXES_CONFIG, [{"image": "https://example.org/1.png"}])
    url, token = theirs.server.url, theirs.owner.token
    nobody = f"http://127.0.0.1:{free_port()}"
    wrong = {
        (url, "0" * 40, boxes): "does not accept the token",
        (url, token, 999_999): "has nothing at /api/projects/999999",
        (url, token, boxes): "box is a RectangleLabels tag, which cannot be answered",
        (nobody, token, boxes): f"no Label Studio answers at {nobody}",
    }
    for (at, by, project), said in wrong.items():
        _refused(ours, _connect(at, by, project), said)


def test_a_campaign_keeps_its_labels_while_label_studio_is_down_or_fails_or_is_slow(
    theirs: Host, ours: Ours
) -> None:
    project = theirs.owner.make_project(TEXT_CONFIG, texts(40, seed=2))
    other = theirs.owner.make_project(TEXT_CONFIG, texts(3, seed=3))
    token = theirs.owner.token
    with relaying(theirs.server.url) as relay:
        name = ours.connect(theirs, project, url=relay.url)

        def keeps_its_labels() -> None:
            # annotators go on: only what we ask of Label Studio passes the relay
            task = theirs.owner.next_task(project)
            theirs.owner.annotate(task["id"], topic(task["data"]["topic"]))
            given = theirs.owner.labels(project)
            assert ours.wait_for(name, given) == given

        keeps_its_labels()
        for status, delay_s, said in (
            (500, 0.0, "answers 500"),
            (None, 60.0, "does not answer in time"),
        ):
            relay.status, relay.delay_s = status, delay_s
            commands = [["reconcile", name], _connect(relay.url, token, other)]
            with ThreadPoolExecutor(2) as pool:
                refusals = [pool.submit(_refused, ours, one, said) for one in commands]
                keeps_its_labels()
                for one in refusals:
                    one.result()
        relay.status, relay.delay_s = None, 0.0
        relay.target = f"http://127.0.0.1:{free_port()}"
        keeps_its_labels()
        relay.target = theirs.server.url
        ours.reconcile(name)
        keeps_its_labels()
        assert len(ours.answers(name)) == 5
        ours.disconnect(name)


def _connect(url: str, token: str, project: int) -> list[str]:
    return ["connect", "--url", url, "--token", token, "--project", str(project)]


def _refused(ours: Ours, command: list[str], said: str) -> None:
    result = ours.command(*command)
    error, remedy = result.stderr.splitlines()
    assert result.returncode == 1
    assert error.startswith("error: ") and said in error
    assert remedy.startswith("remedy: ")
    assert not result.stdout
