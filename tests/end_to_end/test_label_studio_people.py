"""A real Label Studio: several people a task, their tokens, a spent budget, and the end of it."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager

import numpy as np
import pytest

from tests.end_to_end.label_studio_link import Answers, Ours
from tests.end_to_end.label_studio_server import (
    TEXT_CONFIG,
    Host,
    Json,
    Person,
    choice,
    label_in,
    texts,
    topic,
)
from tests.integrations.label_studio.answering import Answer, answering
from tests.web.serving import truth

pytestmark = pytest.mark.slow

# -- several people a task -----------------------------------------------------------------------


class Crowd:
    """People who open and answer tasks in turns by chance, two of them a task.

    Attributes
    ----------
    given : what each has said
    n_picked, n_begun : tasks that were opened from the queue, and after somebody else
    """

    def __init__(self, people: list[Person], project: int, ours: Ours, name: str) -> None:
        self.given: Answers = {}
        self.n_picked = self.n_begun = 0
        self._people = people
        self._project = project
        self._queue = lambda: {str(one) for one in ours.info(name)["queue"]["next"]}
        self._open: dict[str, Json] = {}
        self._tasks = [str(task["id"]) for task in people[0].tasks(project)]

    def work(self, rng: np.random.Generator) -> None:
        """Work until nobody is shown a task any more."""
        working = list(self._people)
        while working:
            person = working[rng.integers(len(working))]
            if person.annotator in self._open:
                self._answer(person, skips=rng.random() < 0.1)
            elif not self._opens(person) and not self._open:
                working.remove(person)

    def _answer(self, person: Person, *, skips: bool) -> None:
        task = self._open.pop(person.annotator)
        said = [label for (one, _), label in self.given.items() if one == str(task["id"])]
        skips = skips and None not in said  # of three people, two are needed
        label = None if skips else task["data"]["topic"]
        person.annotate(task["id"], topic(label) if label else [], was_cancelled=skips)
        self.given[str(task["id"]), person.annotator] = label

    def _opens(self, person: Person) -> bool:
        left = self._left_for(person)
        begun = [one for one in left if any(task == one for task, _ in self.given)]
        queued = self._queue()
        task = person.next_task_if_any(self._project)
        if task is None:
            assert not left, f"404 for {person.annotator}, who may answer {left}"
            return False
        number = str(task["id"])
        assert number in left
        if begun:
            assert number in begun
        elif queued & set(left):
            assert number in queued | self._queue()
            self.n_picked += 1
        self.n_begun += bool(begun)
        self._open[person.annotator] = task
        return True

    def _left_for(self, person: Person) -> list[str]:
        """The tasks that want one more answer, and not from those who have given one."""
        taken = Counter(task for (task, _), label in self.given.items() if label)
        others = [task for who, task in self._open.items() if who != person.annotator]
        taken.update(str(task["id"]) for task in others)
        return [
            one
            for one in self._tasks
            if taken[one] < 2 and (one, person.annotator) not in self.given
        ]


def test_where_two_answer_each_task_both_answers_are_kept_and_nobody_waits(
    theirs: Host, ours: Ours
) -> None:
    data = texts(16, seed=4)
    project = theirs.owner.make_project(TEXT_CONFIG, data, maximum_annotations=2)
    name = ours.connect(theirs, project)
    crowd = Crowd([theirs.owner, *theirs.annotators[:2]], project, ours, name)
    crowd.work(np.random.default_rng(0))
    there = theirs.owner.labels(project)
    assert there == crowd.given
    assert ours.wait_for(name, there) == there
    n_labels = Counter(task for (task, _), label in there.items() if label)
    assert set(n_labels.values()) == {2} and len(n_labels) == len(data)
    n_skips = sum(label is None for label in there.values())
    print(f"{crowd.n_picked} picked, {crowd.n_begun} begun by others, {n_skips} skips")
    n_missed = ours.info(name)["n_missed"]
    assert ours.reconcile(name)["n_missed"] == n_missed
    ours.disconnect(name)


# -- tokens --------------------------------------------------------------------------------------


@contextmanager
def personal_tokens_only(host: Host) -> Iterator[tuple[str, Person]]:
    """Let Label Studio refuse legacy tokens, as a new one does.

    Gives a personal token of the owner, and the owner at work by what it is traded for.
    """
    token = host.owner.ask("POST", "/api/token/")["token"]
    access = host.owner.ask("POST", "/api/token/refresh/", json={"refresh": token})["access"]
    where, accepted = "/api/jwt/settings", {"api_tokens_enabled": True}
    with closing(Person(host.server.url, access, scheme="Bearer")) as owner:
        owner.ask("POST", where, json={**accepted, "legacy_api_tokens_enabled": False})
        try:
            yield token, owner
        finally:
            owner.ask("POST", where, json={**accepted, "legacy_api_tokens_enabled": True})
            owner.ask("POST", "/api/token/blacklist/", json={"refresh": token})


def test_with_a_personal_token_a_project_is_connected_answered_and_disconnected(
    theirs: Host, ours: Ours
) -> None:
    project = theirs.owner.make_digits(theirs.digits, n=20)
    with personal_tokens_only(theirs) as (token, owner):
        name = ours.connect(theirs, project, token=token)
        assert ours.info(name)["n_failures"] == 0  # the pictures are behind the token, too
        for _ in range(5):
            picked = ours.info(name)["queue"]["next"][0]
            task = owner.next_task(project)
            assert task["id"] == picked
            label = truth(task["data"]["image"].rpartition("/")[2])
            owner.annotate(task["id"], choice("digit", "image", label))
        there = owner.labels(project)
        assert len(there) == 5
        assert ours.wait_for(name, there) == there
        n_missed = ours.info(name)["n_missed"]
        assert ours.reconcile(name)["n_missed"] == n_missed
        ours.disconnect(name)
        assert owner.queued(project) == []


def test_a_legacy_token_that_is_no_longer_accepted_is_said_to_be_so(
    theirs: Host, ours: Ours
) -> None:
    project = theirs.owner.make_project(TEXT_CONFIG, texts(3, seed=11))
    where = ["--url", theirs.server.url, "--project", str(project)]
    with personal_tokens_only(theirs):
        refused = ours.command("connect", *where, "--token", theirs.owner.token)
    error, _ = refused.stderr.splitlines()
    assert "does not accept the token" in error
    assert "legacy token authentication has been disabled" in error


# -- a spent budget ------------------------------------------------------------------------------


def test_with_the_budget_spent_what_is_left_is_served_pre_filled_and_counts(
    theirs: Host, ours: Ours
) -> None:
    project = theirs.owner.make_project(TEXT_CONFIG, texts(12, seed=12))
    name = ours.connect(theirs, project, budget=4)
    picked = ours.info(name)["queue"]["next"]
    assert len(picked) == 4
    for number in range(12):
        task = theirs.owner.next_task(project)
        assert (task["id"] in picked) == (number < 4)
        filled = label_in(task["predictions"][0]["result"])
        assert filled == ours.believed(name, task["id"])
        theirs.owner.annotate(task["id"], topic(task["data"]["topic"]))
        if number == 4:
            (problem,) = ours.info(name)["problems"]
            assert problem.startswith("the queue is empty: the budget is spent")
    assert theirs.owner.next_task_if_any(project) is None
    there = theirs.owner.labels(project)
    assert ours.wait_for(name, there) == there
    assert len(there) == 12
    ours.disconnect(name)


def test_while_the_last_tasks_of_the_budget_are_open_others_are_served_the_rest(
    theirs: Host, ours: Ours
) -> None:
    project = theirs.owner.make_project(TEXT_CONFIG, texts(20, seed=13))
    name = ours.connect(theirs, project, budget=2)
    picked = theirs.owner.queued(project)
    first, second, *others = theirs.annotators
    opened = [person.next_task(project) for person in (first, second)]
    assert {str(task["id"]) for task in opened} == set(picked)
    deadline = time.monotonic() + 15
    while theirs.owner.queued(project) and time.monotonic() < deadline:
        time.sleep(0.1)
    rest = [person.next_task(project) for person in others]
    assert not {str(task["id"]) for task in rest} & set(picked)
    for person, task in zip((first, second, *others), opened + rest, strict=True):
        assert person.next_task(project)["id"] == task["id"]  # each keeps what is open
        person.annotate(task["id"], topic(task["data"]["topic"]))
    there = theirs.owner.labels(project)
    assert ours.wait_for(name, there) == there
    assert len(there) == 4
    ours.disconnect(name)


# -- the end -------------------------------------------------------------------------------------

_COUNTS = ("number", "queue", "tasks", "updated_at", "created_at", "state", "error_message")


def _as_it_is(owner: Person, project: int) -> Json:
    """Everything of a project but its annotations, and what counts them."""

    def kept(one: Json) -> Json:
        return {key: one[key] for key in one if not any(part in key for part in _COUNTS)}

    params = {"project": project}
    return {
        "project": kept(owner.ask("GET", f"/api/projects/{project}")),
        "backends": [kept(one) for one in owner.ask("GET", "/api/ml/", params=params)],
        "webhooks": [kept(one) for one in owner.ask("GET", "/api/webhooks/", params=params)],
        "predictions": [kept(one) for task in owner.tasks(project) for one in task["predictions"]],
    }


@pytest.mark.parametrize("is_furnished", [False, True], ids=["bare", "furnished"])
def test_disconnecting_leaves_a_project_as_it_was_found(
    theirs: Host, ours: Ours, is_furnished: bool
) -> None:
    owner = theirs.owner
    project = owner.make_project(TEXT_CONFIG, texts(20, seed=14))
    with answering(lambda _path: Answer(200, b'{"status": "UP", "model_version": "old"}')) as (
        elsewhere,
        _,
    ):
        if is_furnished:
            _furnish(owner, project, elsewhere)
        before = _as_it_is(owner, project)
        name = ours.connect(theirs, project)
        assert _as_it_is(owner, project) != before
        for _ in range(3):
            task = owner.next_task(project)
            owner.annotate(task["id"], topic(task["data"]["topic"]))
        owner.next_task(project)
        ours.disconnect(name)
        assert _as_it_is(owner, project) == before
    assert ours.answers(name) == owner.labels(project)
    assert len(ours.answers(name)) == 3


def _furnish(owner: Person, project: int, elsewhere: str) -> None:
    """Give a project a backend, a webhook, predictions and settings of its own."""
    for number, task in enumerate(owner.tasks(project)[:6]):
        prediction = {
            "task": task["id"],
            "project": project,
            "model_version": ("baseline", "live-demo")[number % 2],
            "score": 0.25 + number / 10,
            "result": topic("food"),
        }
        owner.ask("POST", "/api/predictions/", json=prediction)
    owner.ask("POST", "/api/ml/", json={"project": project, "url": elsewhere, "title": "theirs"})
    webhook = {"project": project, "url": f"{elsewhere}/news", "send_payload": False}
    owner.ask("POST", "/api/webhooks/", json=webhook)
    settings = {"sampling": "Uniform sampling", "model_version": "baseline"}
    owner.ask("PATCH", f"/api/projects/{project}", json=settings)
