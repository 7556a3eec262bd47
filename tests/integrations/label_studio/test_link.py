"""What Label Studio says becomes what the campaign says, whatever happens on the way."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from al_server.campaign.campaign import Campaign
from al_server.models import AnswerIn
from integrations.label_studio.link import Link
from integrations.label_studio.queue import HOLDER
from tests.integrations.label_studio.conftest import (
    CONFIG,
    make_label_studio_campaign,
    make_link,
)
from tests.integrations.label_studio.small_label_studio import SmallLabelStudio

LABELS = ("cat", "dog", "bird")


def deliver(theirs: SmallLabelStudio, link: Link) -> None:
    news, theirs.news = theirs.news, []
    for one in news:
        link.event(one)


def ours(campaign: Campaign) -> dict[tuple[str, str], Any]:
    return {(row.sample_id, row.annotator): row.label for row in campaign.answer_rows()}


def wanted(theirs: SmallLabelStudio) -> dict[tuple[str, str], Any]:
    return {
        pair: None if one["was_cancelled"] else one["result"][0]["value"]["choices"][0]
        for pair, one in theirs.annotations().items()
    }


def queue_of(link: Link) -> list[int]:
    return [int(sample_id) for sample_id, _ in link.queue.listed()]


def test_connecting_fills_the_queue_and_leases_it(link: Link, theirs: SmallLabelStudio) -> None:
    assert theirs.queued() == queue_of(link)
    assert len(theirs.queued()) == link.queue.target == 7
    assert [int(one) for one in link.campaign.held(HOLDER)] == queue_of(link)
    assert link.campaign.info().n_pending == 7
    assert theirs.prediction_of(theirs.queued()[0])["result"] == []


def test_every_task_served_is_the_one_just_picked_with_the_posterior_pre_selected(
    link: Link, theirs: SmallLabelStudio
) -> None:
    rng = np.random.default_rng(0)
    for number in range(22):
        task = theirs.next_task()
        assert task is not None
        assert task == queue_of(link)[0]
        (answer,) = link.predict([{"id": task}])
        believed = link.campaign.sample(str(task)).prediction
        if number == 0:
            assert (believed, answer["result"]) == (None, [])
        else:
            assert believed is not None
            assert answer["result"][0]["value"]["choices"] == [believed.label]
            assert answer["score"] == believed.probability
        theirs.annotate(task, str(rng.choice(LABELS)))
        deliver(theirs, link)
        link.queue.tidy()
        # what was picked last has seen this answer, and is served next
        assert ours(link.campaign) == wanted(theirs)
        assert theirs.queued() == queue_of(link)


def test_a_project_is_labeled_to_its_last_task(link: Link, theirs: SmallLabelStudio) -> None:
    for _ in range(30):
        task = theirs.next_task()
        assert task is not None
        theirs.annotate(task, "cat")
        deliver(theirs, link)
    assert theirs.next_task() is None
    assert link.campaign.info().n_labeled == 30
    assert queue_of(link) == []


def test_scores_fall_and_stay_where_label_studio_keeps_them(
    link: Link, theirs: SmallLabelStudio
) -> None:
    link.queue._lowest = 0.0005  # as after a million picks
    link.queue.tidy()
    scores = [entry.score for _, entry in link.queue.listed()]
    assert scores == sorted(scores)
    assert all(0.9 < score <= 1 for score in scores)
    assert theirs.queued() == queue_of(link)


@pytest.mark.parametrize("seed", range(6))
def test_lost_doubled_and_shuffled_webhooks_are_made_good_by_reconciling(
    registry: Any, tmp_path: Path, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    theirs = SmallLabelStudio(CONFIG, [f"text {i}" for i in range(40)], overlap=2)
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
        old, new = (one.sample(pair[0]) for one in (campaign, fresh_campaign))
        assert (old.status, old.label) == (new.status, new.label)
    alive = {str(task["id"]) for task in theirs.tasks()}
    assert set(campaign.sample_ids()) == set(fresh_campaign.sample_ids()) == alive
    link.close()
    fresh.close()


def test_after_the_same_answers_the_queue_is_that_of_a_fresh_connect(
    registry: Any, tmp_path: Path, theirs: SmallLabelStudio
) -> None:
    campaign = make_label_studio_campaign(registry, theirs)
    link = make_link(campaign, theirs, tmp_path)
    for label in (*LABELS, None, "dog"):
        task = theirs.next_task()
        assert task is not None
        theirs.annotate(task, label)
    theirs.news.clear()  # all of it was lost
    link.reconcile()
    fresh = make_link(make_label_studio_campaign(registry, theirs), theirs, tmp_path / "fresh")
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


def test_a_skipped_task_leaves_the_queue_and_is_offered_to_nobody(
    link: Link, theirs: SmallLabelStudio
) -> None:
    task = theirs.next_task()
    assert task is not None
    theirs.annotate(task, None)
    deliver(theirs, link)
    link.queue.tidy()
    assert task not in theirs.queued()
    assert link.campaign.sample(str(task)).status == "skipped"


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


def test_answers_survive_while_label_studio_is_down_and_the_queue_follows(
    link: Link, theirs: SmallLabelStudio
) -> None:
    task = theirs.next_task()
    assert task is not None
    theirs.annotate(task, "cat")
    theirs.is_down = True
    deliver(theirs, link)
    assert ours(link.campaign) == wanted(theirs)
    theirs.is_down = False
    link.queue.tidy()
    assert theirs.queued() == queue_of(link)


def test_an_open_task_counts_as_taken_and_the_queue_is_topped_up_in_time(
    link: Link, theirs: SmallLabelStudio
) -> None:
    for task in theirs.queued():
        link.predict([{"id": task}])
        link.queue.tidy()
        assert link.queue.n_unserved() >= link.queue.target - 3
    assert theirs.queued() == queue_of(link)


def test_a_spent_budget_empties_the_queue_and_answers_are_still_taken(
    registry: Any, tmp_path: Path, theirs: SmallLabelStudio
) -> None:
    campaign = make_label_studio_campaign(registry, theirs, budget=3)
    link = make_link(campaign, theirs, tmp_path)
    assert len(theirs.queued()) == 3
    for _ in range(3):
        task = theirs.next_task()
        assert task is not None
        theirs.annotate(task, "cat")
        deliver(theirs, link)
    assert theirs.next_task() is None
    done = {pair[0] for pair in theirs.annotations()}
    theirs.annotate(next(t["id"] for t in theirs.tasks() if str(t["id"]) not in done), "dog")
    deliver(theirs, link)
    assert campaign.info().n_answers == 4
    link.close()


def test_answers_given_in_our_own_pages_stay_when_reconciling(
    link: Link, theirs: SmallLabelStudio
) -> None:
    link.campaign.record_labels([AnswerIn(sample_id="110", label="cat", annotator="ann")])
    link.reconcile()
    assert ours(link.campaign) == {("110", "ann"): "cat"}


def test_settings_that_make_the_order_random_are_told(link: Link, theirs: SmallLabelStudio) -> None:
    theirs.settings |= {"model_version": "live-3", "sampling": "Sequential sampling"}
    link.check()
    assert ["sampling" in one or "at random" in one for one in link.problems] == [True, True]
    link.apply_settings()
    link.check()
    assert link.problems == []


def test_a_batch_of_tasks_gets_one_answer_each_also_for_strangers(link: Link) -> None:
    answers = link.predict([{"id": 101}, {"id": 99999}, {"id": None}])
    assert [one["result"] for one in answers] == [[], [], []]
    assert {one["model_version"] for one in answers} == {link.live_version()}


def test_the_version_is_new_after_every_answer(link: Link, theirs: SmallLabelStudio) -> None:
    before = link.live_version()
    theirs.annotate(101, "cat")
    deliver(theirs, link)
    assert link.live_version() != before


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert not [one for one in caplog.records if one.exc_info]
