"""A real Label Studio: whatever happens to its answers and tasks, the campaign is equal to it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from label_studio_sdk.label_interface import LabelInterface

from tests.end_to_end.label_studio_link import Ours
from tests.end_to_end.label_studio_server import TEXT_CONFIG, Host, Json, Person, texts, topic

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Shop:
    """A connected project with people at work."""

    theirs: Host
    ours: Ours
    project: int
    name: str

    @property
    def owner(self) -> Person:
        return self.theirs.owner

    def answer(self, person: Person) -> tuple[int, int]:
        """Let somebody answer the next task; gives the task and the annotation."""
        task = person.next_task(self.project)
        return task["id"], person.annotate(task["id"], topic(task["data"]["topic"]))

    def is_equal(self) -> bool:
        """Whether the campaign soon says what Label Studio says."""
        there = self.owner.labels(self.project)
        assert self.ours.wait_for(self.name, there) == there
        self.ours.wait_until_well(self.name)
        assert self.ours.info(self.name)["n_failures"] == 0
        return True


@pytest.fixture(scope="module")
def shop(theirs: Host, ours: Ours) -> Iterator[Shop]:
    project = theirs.owner.make_project(TEXT_CONFIG, texts(50, seed=5))
    shop = Shop(theirs, ours, project, ours.connect(theirs, project))
    for person in (theirs.owner, theirs.owner, theirs.annotators[0], theirs.annotators[1]):
        shop.answer(person)
    yield shop
    ours.disconnect(shop.name)


# -- news ----------------------------------------------------------------------------------------


def test_answers_that_are_changed_made_the_ground_truth_or_deleted_are_so_at_once(
    shop: Shop,
) -> None:
    person = shop.theirs.annotators[0]
    task, annotation = shop.answer(person)
    person.change(annotation, topic("sport"))
    assert shop.is_equal()
    shop.owner.ask("PATCH", f"/api/annotations/{annotation}/", json={"ground_truth": True})
    assert shop.is_equal()
    sample = shop.ours.sample(shop.name, task)
    assert (sample["status"], sample["label"]) == ("labeled", "sport")
    shop.owner.erase(annotation)
    assert shop.is_equal()
    assert shop.ours.sample(shop.name, task)["label"] is None


def test_a_skip_that_becomes_an_answer_and_back_is_followed(shop: Shop) -> None:
    task = shop.owner.next_task(shop.project)["id"]
    annotation = shop.owner.skip(task)
    assert shop.is_equal()
    assert shop.ours.sample(shop.name, task)["status"] == "skipped"
    where = f"/api/annotations/{annotation}/"
    shop.owner.ask("PATCH", where, json={"result": topic("food"), "was_cancelled": False})
    assert shop.is_equal()
    assert shop.ours.sample(shop.name, task)["label"] == "food"


def test_tasks_that_are_imported_join_with_the_answers_that_come_with_them(shop: Shop) -> None:
    n_before = shop.ours.campaign(shop.name)["n_samples"]
    answered = [
        {"data": one, "annotations": [{"result": topic(one["topic"])}]} for one in texts(3, seed=6)
    ]
    shop.owner.import_tasks(shop.project, [*texts(4, seed=7), *answered])
    shop.ours.wait_until(shop.name, lambda campaign: campaign["n_samples"] == n_before + 7)
    assert shop.is_equal()
    shop.owner.ask("POST", "/api/tasks", json={"project": shop.project, "data": texts(1)[0]})
    shop.ours.wait_until(shop.name, lambda campaign: campaign["n_samples"] == n_before + 8)


def test_deleted_tasks_leave_with_their_answers_and_are_not_served(shop: Shop) -> None:
    answered, _ = shop.answer(shop.owner)
    queued = shop.ours.info(shop.name)["queue"]["next"][:2]
    gone = [answered, *queued]
    shop.owner.do_with_tasks("delete_tasks", shop.project, gone)
    assert shop.is_equal()
    assert {shop.ours.sample(shop.name, one)["status"] for one in gone} == {"skipped"}
    served, _ = shop.answer(shop.owner)
    assert served not in gone
    assert not {str(one) for one in gone} & set(shop.owner.queued(shop.project))


def test_the_answers_of_ticked_tasks_are_deleted_at_once(shop: Shop) -> None:
    tasks = [shop.answer(person)[0] for person in shop.theirs.annotators[:3]]
    assert shop.is_equal()
    shop.owner.do_with_tasks("delete_tasks_annotations", shop.project, tasks)
    assert shop.is_equal()
    assert {shop.ours.sample(shop.name, one)["label"] for one in tasks} == {None}


def _queued_beliefs(shop: Shop) -> dict[str, str]:
    """What the queue's predictions say, by task; those made before the first label say nothing."""
    queued = shop.ours.info(shop.name)["queue"]["next"]
    results = {
        str(task["id"]): task["predictions"][0]["result"]
        for task in shop.owner.tasks(shop.project)
        if task["id"] in queued and task["predictions"]
    }
    return {task: one[0]["value"]["choices"][0] for task, one in results.items() if one}


def test_predictions_that_are_made_into_annotations_are_answers(shop: Shop) -> None:
    for _ in range(20):
        if believed := dict(list(_queued_beliefs(shop).items())[:3]):
            break
        shop.answer(shop.owner)
        assert shop.is_equal()
    assert believed
    tasks = [int(task) for task in believed]
    shop.owner.do_with_tasks(
        "predictions_to_annotations", shop.project, tasks, model_version="al-queue"
    )
    assert shop.is_equal()
    given = shop.ours.answers(shop.name)
    assert {task: given[task, shop.owner.annotator] for task in believed} == believed
    served, _ = shop.answer(shop.owner)
    assert served not in tasks


def test_a_class_that_the_label_config_gains_can_be_answered_and_believed(shop: Shop) -> None:
    config = TEXT_CONFIG.replace("</Choices>", '<Choice value="art"/></Choices>')
    where = f"/api/projects/{shop.project}"
    shop.owner.ask("PATCH", where, json={"label_config": config})
    shop.ours.wait_until(shop.name, lambda campaign: campaign["classes"][-1] == "art")
    task = shop.owner.next_task(shop.project)["id"]
    shop.owner.annotate(task, topic("art"))
    assert shop.is_equal()
    assert shop.ours.sample(shop.name, task)["label"] == "art"


def test_after_all_this_reconciling_finds_nothing_that_was_missed(shop: Shop) -> None:
    shop.answer(shop.owner)
    assert shop.is_equal()
    n_missed = shop.ours.info(shop.name)["n_missed"]
    assert shop.ours.reconcile(shop.name)["n_missed"] == n_missed
    assert shop.is_equal()


def test_what_no_webhook_tells_is_found_by_reconciling_also_where_numbers_are_used_again(
    theirs: Host, ours: Ours
) -> None:
    project = theirs.owner.make_project(TEXT_CONFIG, texts(20, seed=8))
    shop = Shop(theirs, ours, project, ours.connect(theirs, project))
    shop.answer(theirs.owner)
    assert shop.is_equal()
    before = [task["id"] for task in theirs.owner.tasks(project)]
    # of this Label Studio tells nobody
    theirs.owner.ask("DELETE", f"/api/projects/{project}/tasks/")
    ours.reconcile(shop.name)
    assert ours.answers(shop.name) == {}
    assert ours.info(shop.name)["queue"]["next"] == []
    theirs.owner.import_tasks(project, texts(12, seed=9))
    ours.wait_until(shop.name, lambda campaign: campaign["n_samples"] == 32)
    again = theirs.owner.tasks(project)
    assert {task["id"] for task in again} <= set(before), "on SQLite numbers were used again"
    for task in again:
        assert ours.text(shop.name, f"{task['id']}~2") == task["data"]["text"]
    for _ in range(4):
        shop.answer(theirs.owner)
    there = theirs.owner.labels(project)
    assert len(there) == 4
    assert ours.wait_for(shop.name, there) == there
    ours.disconnect(shop.name)


# -- other kinds of question ---------------------------------------------------------------------

MULTI = (
    '<Choices name="q" toName="text" choice="multiple">'
    '<Choice value="salty"/><Choice value="wet"/><Choice value="loud"/></Choices>'
)
TAXONOMY = (
    '<Taxonomy name="q" toName="text"><Choice value="Life"><Choice value="Food"/>'
    '<Choice value="Sport"/></Choice><Choice value="Sky"/></Taxonomy>'
)
RATING = '<Rating name="q" toName="text" maxRating="7"/>'
KINDS: dict[str, tuple[str, list[tuple[Any, Any]]]] = {
    "choices": (
        MULTI,
        [
            (["salty"], ["salty"]),
            (["wet", "loud"], ["wet", "loud"]),
            ([], []),
            (["salty", "wet"], ["salty", "wet"]),
            (["loud"], ["loud"]),
        ],
    ),
    "taxonomy": (
        TAXONOMY,
        [
            ([["Life", "Food"]], ["Life > Food"]),
            ([["Sky"]], ["Sky"]),
            ([["Life"], ["Life", "Sport"]], ["Life", "Life > Sport"]),
            ([["Life", "Food"], ["Sky"]], ["Life > Food", "Sky"]),
            ([["Life", "Sport"]], ["Life > Sport"]),
        ],
    ),
    "rating": (RATING, [(value, str(value)) for value in (1, 7, 4, 4, 2)]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_questions_of_every_kind_are_answered_and_pre_filled(
    theirs: Host, ours: Ours, kind: str
) -> None:
    tag, answers = KINDS[kind]
    config = f'<View><Text name="text" value="$text"/>{tag}</View>'
    project = theirs.owner.make_project(config, texts(20, seed=10))
    name = ours.connect(theirs, project)
    given = {}
    for value, label in answers:
        task = theirs.owner.next_task(project)
        _is_pre_filled(task, config, kind, ours.believed(name, task["id"]))
        chosen = [_result(kind, value)] if value else []
        theirs.owner.annotate(task["id"], chosen)
        given[str(task["id"]), theirs.owner.annotator] = label
    task = theirs.owner.next_task(project)
    believed = ours.believed(name, task["id"])
    _is_pre_filled(task, config, kind, believed)
    # who agrees sends back what was pre-filled
    theirs.owner.annotate(task["id"], task["predictions"][0]["result"])
    given[str(task["id"]), theirs.owner.annotator] = believed
    assert ours.wait_for(name, given) == given
    ours.disconnect(name)


def _result(kind: str, value: Any) -> Json:
    return {"from_name": "q", "to_name": "text", "type": kind, "value": {kind: value}}


def _is_pre_filled(task: Json, config: str, kind: str, believed: Any) -> None:
    """Label Studio's own judge finds nothing wrong, and it says what is believed."""
    prediction = task["predictions"][0]
    assert LabelInterface(config).validate_prediction(prediction, return_errors=True) == []
    values = [part["value"][kind] for part in prediction["result"]]
    if kind == "rating":
        assert [str(one) for one in values] == ([believed] if believed else [])
    elif kind == "taxonomy":
        assert [" > ".join(path) for one in values for path in one] == (believed or [])
    else:
        assert [one for some in values for one in some] == (believed or [])
