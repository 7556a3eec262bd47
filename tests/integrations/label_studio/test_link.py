"""What annotators are served: the task just picked, pre-filled with what is believed of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from integrations.label_studio.link import Link
from integrations.label_studio.queue import HOLDER
from tests.integrations.label_studio.conftest import (
    LABELS,
    deliver,
    make_label_studio_campaign,
    make_link,
    ours,
    queue_of,
    wanted,
)
from tests.integrations.label_studio.small_label_studio import SmallLabelStudio


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


def test_while_the_last_tasks_are_open_others_are_served_the_rest(
    registry: Any, tmp_path: Path, theirs: SmallLabelStudio
) -> None:
    campaign = make_label_studio_campaign(registry, theirs, budget=2)
    link = make_link(campaign, theirs, tmp_path)
    first, second = theirs.queued()
    for task in (first, second):
        assert theirs.queued() == [first, second]
        link.predict([{"id": task}])
        link.queue.tidy()
    # as long as there is one, Label Studio serves nothing else
    assert theirs.queued() == []
    assert queue_of(link) == [first, second]
    answer = theirs.annotate(first, "cat")
    deliver(theirs, link)
    theirs.erase(answer)
    deliver(theirs, link)
    link.queue.tidy()
    assert len(theirs.queued()) == 2
    assert theirs.queued() == queue_of(link)
    link.close()


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
