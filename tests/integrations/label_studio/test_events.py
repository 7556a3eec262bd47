"""News by webhook, in whatever order, and what of it is missed: the campaign follows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from al_server.models import AnswerIn
from integrations.label_studio.link import Link
from integrations.label_studio.samples import sample_of
from tests.integrations.label_studio.conftest import (
    CONFIG,
    LABELS,
    deliver,
    make_label_studio_campaign,
    make_link,
    ours,
    queue_of,
    wanted,
)
from tests.integrations.label_studio.small_label_studio import SmallLabelStudio


@pytest.mark.parametrize("seed", range(12))
def test_lost_doubled_and_shuffled_webhooks_are_made_good_by_reconciling(
    registry: Any, tmp_path: Path, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    theirs = SmallLabelStudio(CONFIG, [f"text {i}" for i in range(40)], overlap=2)
    theirs.reuses_numbers = seed % 2 == 1
    campaign = make_label_studio_campaign(registry, theirs, overlap=2)
    link = make_link(campaign, theirs, tmp_path)
    made: list[int] = []
    for number in range(60):
        what = rng.random()
        tasks = [task["id"] for task in theirs.tasks()]
        if what < 0.6 or not made:
            label = None if rng.random() < 0.15 else str(rng.choice(LABELS))
            task = theirs.next_task(user=1) or int(rng.choice(tasks))
            task = int(rng.choice(tasks)) if rng.random() < 0.4 else task
            made.append(theirs.annotate(task, label, user=int(rng.integers(1, 4))))
        elif what < 0.75:
            number = int(rng.choice(made))
            if number in theirs._annotations:
                theirs.change(number, str(rng.choice(LABELS)))
        elif what < 0.88:
            number = int(rng.choice(made))
            if number in theirs._annotations:
                theirs.erase(number)
        elif what < 0.94:
            theirs.delete_task(int(rng.choice(tasks)))
        else:
            theirs.add_task(f"later {number}")
        if rng.random() < 0.3:
            badly = [one for one in theirs.news if rng.random() > 0.3]
            badly += [one for one in badly if rng.random() < 0.2]
            theirs.news = [badly[place] for place in rng.permutation(len(badly))]
            deliver(theirs, link)
    theirs.news.clear()
    link.reconcile()
    assert ours(campaign) == wanted(theirs)
    assert theirs.queued() == queue_of(link)
    fresh_campaign = make_label_studio_campaign(registry, theirs, overlap=2)
    fresh = make_link(fresh_campaign, theirs, tmp_path / "fresh")
    for pair in wanted(theirs):
        old, new = (one.sample(sample_of(one, pair[0])) for one in (campaign, fresh_campaign))
        assert (old.status, old.label) == (new.status, new.label)
    alive = {str(task["id"]) for task in theirs.tasks()}
    assert {one.partition("~")[0] for one in campaign.sample_ids()} == alive
    assert set(fresh_campaign.sample_ids()) == alive
    link.close()
    fresh.close()


def test_after_the_same_answers_the_queue_is_that_of_a_fresh_connect(
    registry: Any, tmp_path: Path, theirs: SmallLabelStudio
) -> None:
    # the coins of random picks fall anew with every event
    campaign = make_label_studio_campaign(registry, theirs, random_share=0.0)
    link = make_link(campaign, theirs, tmp_path)
    for label in (*LABELS, None, "dog"):
        task = theirs.next_task()
        assert task is not None
        theirs.annotate(task, label)
    theirs.news.clear()  # all of it was lost
    link.reconcile()
    again = make_label_studio_campaign(registry, theirs, random_share=0.0)
    fresh = make_link(again, theirs, tmp_path / "fresh")
    assert queue_of(link) == queue_of(fresh)
    assert link.n_missed == 5
    link.close()
    fresh.close()


def test_a_look_now_and_then_finds_what_was_missed(link: Link, theirs: SmallLabelStudio) -> None:
    first = theirs.annotate(105, "cat")
    theirs.news.clear()
    link.check()
    assert ours(link.campaign) == {("105", "ls:1"): "cat"}
    theirs.change(first, "dog")
    theirs.news.clear()
    link.check()
    assert ours(link.campaign) == {("105", "ls:1"): "dog"}
    theirs.erase(first)
    theirs.news.clear()
    link.check()
    assert ours(link.campaign) == {}
    assert link.n_missed == 3


def test_a_loss_that_changed_no_task_is_found_by_the_numbers(
    link: Link, theirs: SmallLabelStudio
) -> None:
    number = theirs.annotate(105, "cat")
    deliver(theirs, link)
    link.reconcile()
    del theirs._annotations[number]
    link.check()
    link.check()
    assert ours(link.campaign) == {}


def test_deleted_tasks_leave_the_pool_with_their_answers(
    link: Link, theirs: SmallLabelStudio
) -> None:
    theirs.annotate(103, "cat")
    queued = theirs.queued()[0]
    theirs.delete_task(103)
    theirs.delete_task(queued)
    deliver(theirs, link)
    link.queue.tidy()
    assert ours(link.campaign) == {}
    assert queued not in theirs.queued()
    assert not {"103", str(queued)} & set(link.campaign.sample_ids())
    late = {"action": "ANNOTATION_CREATED", **_news(103, 999, "dog")}
    link.event(late)
    assert ours(link.campaign) == {}


def _news(task: int, number: int, label: str) -> dict[str, Any]:
    time = "2026-02-01T00:00:00Z"
    value = {"choices": [label]}
    result = [{"from_name": "label", "to_name": "text", "type": "choices", "value": value}]
    annotation = {
        "id": number,
        "task": task,
        "completed_by": 1,
        "result": result,
        "created_at": time,
        "updated_at": time,
    }
    return {"annotation": annotation, "task": {"id": task}}


def test_tasks_that_are_added_join_and_so_do_answers_that_came_before_them(
    link: Link, theirs: SmallLabelStudio
) -> None:
    task = theirs.add_task("one more")
    theirs.annotate(task, "bird")
    theirs.news.reverse()
    deliver(theirs, link)
    assert str(task) not in link.campaign.sample_ids()
    link.bring_new_tasks()
    assert str(task) in link.campaign.sample_ids()
    assert ours(link.campaign) == wanted(theirs)


def test_tasks_with_the_numbers_of_deleted_ones_are_others(
    link: Link, theirs: SmallLabelStudio
) -> None:
    theirs.reuses_numbers = True
    theirs.annotate(130, "cat")
    theirs.delete_task(130)
    assert theirs.add_task("something else") == 130
    late = {"action": "ANNOTATION_CREATED", **_news(130, 999, "dog")}
    theirs.news.append(late)
    deliver(theirs, link)
    assert ours(link.campaign) == {}
    link.bring_new_tasks()
    assert "130" not in link.campaign.sample_ids()
    assert link.campaign.media("130~2").text == "something else"
    while (task := theirs.next_task()) is not None:
        theirs.annotate(task, "bird")
        deliver(theirs, link)
        link.queue.tidy()
    assert ours(link.campaign) == wanted(theirs)
    assert ("130", "ls:1") in wanted(theirs)
    theirs.delete_task(130)
    assert theirs.add_task("a third") == 130
    theirs.news.clear()
    link.event({"action": "TASKS_DELETED", "tasks": [{"id": 130}]})
    link.reconcile()
    assert link.campaign.sample("130~3").status == "pending"
    assert ours(link.campaign) == wanted(theirs)


def test_a_task_that_came_after_a_later_one_is_found_by_comparing(
    link: Link, theirs: SmallLabelStudio
) -> None:
    earlier, later = theirs.add_task("earlier"), theirs.add_task("later")
    theirs._tasks[earlier]["gone"] = True  # its import is not through yet
    link.bring_new_tasks()
    del theirs._tasks[earlier]["gone"]
    link.bring_new_tasks()
    assert [link.campaign.has_sample(str(one)) for one in (earlier, later)] == [False, True]
    link.reconcile()
    assert link.campaign.has_sample(str(earlier))


def test_predictions_made_into_annotations_come_as_a_list(
    link: Link, theirs: SmallLabelStudio
) -> None:
    numbers = [theirs.annotate(task, "cat") for task in theirs.queued()[:3]]
    theirs.news = [
        {
            "action": "ANNOTATIONS_CREATED",
            "annotation": [theirs._annotations[one] for one in numbers],
            "task": [{"id": theirs._annotations[one]["task"]} for one in numbers],
        }
    ]
    deliver(theirs, link)
    link.queue.tidy()
    assert ours(link.campaign) == wanted(theirs)
    assert len(theirs.queued()) == link.queue.target


def test_a_class_that_the_config_gained_is_gained_here(
    link: Link, theirs: SmallLabelStudio
) -> None:
    theirs.config = CONFIG.replace(
        '<Choice value="cat"/>', '<Choice value="ox"/><Choice value="cat"/>'
    )
    theirs.annotate(104, "ox")
    deliver(theirs, link)
    assert link.campaign.info().classes == ["cat", "dog", "bird", "ox"]
    link.reconcile()
    assert link.control.classes[0] == "ox"


def test_answers_given_in_our_own_pages_stay_when_reconciling(
    link: Link, theirs: SmallLabelStudio
) -> None:
    link.campaign.record_labels([AnswerIn(sample_id="110", label="cat", annotator="ann")])
    link.reconcile()
    assert ours(link.campaign) == {("110", "ann"): "cat"}


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert not [one for one in caplog.records if one.exc_info]
