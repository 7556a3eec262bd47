"""What goes wrong in a connected project must not spoil the rest, nor last."""

import threading
from typing import Any

import pytest

from al_server.answers import Failure
from al_server.errors import ALError
from integrations.label_studio.link import N_VERSIONS, Link
from integrations.label_studio.worker import Worker
from tests.integrations.label_studio.conftest import CONFIG, deliver, ours, queue_of, wanted
from tests.integrations.label_studio.small_label_studio import SmallLabelStudio


class StorageFull(ALError):
    """The disk, as `take_back` meets it."""


def test_a_config_that_asks_another_question_is_told_and_answers_go_on_as_before(
    link: Link, theirs: SmallLabelStudio
) -> None:
    theirs.config = CONFIG.replace('toName="text"', 'toName="text" choice="multiple"')
    for _ in range(2):  # it stays a problem
        link.reconcile()
        assert any("another kind of question" in one for one in link.problems)
        assert not link.control.multi
    theirs.config = CONFIG
    theirs.annotate(105, "cat")
    deliver(theirs, link)
    assert ours(link.campaign) == {("105", "ls:1"): "cat"}


def test_an_answer_that_cannot_be_recorded_does_not_keep_the_others_out(
    link: Link, theirs: SmallLabelStudio
) -> None:
    for task, label in ((103, "cat"), (104, "x" * 201), (105, "dog")):
        theirs.annotate(task, label)
    theirs.news.clear()
    link.reconcile()
    assert ours(link.campaign) == {("103", "ls:1"): "cat", ("105", "ls:1"): "dog"}
    n_missed = link.n_missed
    link.check()
    assert link.n_missed == n_missed


def test_many_deletions_are_one_entry_into_the_log(
    link: Link, theirs: SmallLabelStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [theirs.annotate(task, "cat") for task in range(101, 121)]
    deliver(theirs, link)
    commits: list[int] = []
    commit = link.campaign.loop.commit
    monkeypatch.setattr(
        link.campaign.loop, "commit", lambda events: (commits.append(len(events)), commit(events))
    )
    news = {"action": "ANNOTATIONS_DELETED", "annotations": [{"id": one} for one in made]}
    link.event(news)
    assert [n for n in commits if n > 1] == [20]
    assert ours(link.campaign) == {}


def test_what_could_not_be_taken_back_is_taken_back_later(
    link: Link, theirs: SmallLabelStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = theirs.annotate(105, "cat")
    deliver(theirs, link)

    def refuse(_answers: Any) -> None:
        raise StorageFull("the disk is full", "make room")

    with monkeypatch.context() as full:
        full.setattr(link.campaign.loop, "take_back", refuse)
        theirs.erase(made)
        with pytest.raises(StorageFull):
            deliver(theirs, link)
    link.reconcile()
    assert ours(link.campaign) == wanted(theirs) == {}


def test_a_listing_cut_short_lets_no_sample_go(
    link: Link, theirs: SmallLabelStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_samples = len(link.campaign.sample_ids())
    monkeypatch.setattr(link.client, "task_ids", lambda _project: iter(range(101, 111)))
    link.reconcile()
    assert len(link.campaign.sample_ids()) == n_samples


def test_what_could_not_be_taken_in_is_tried_again_when_asked_for(
    link: Link, theirs: SmallLabelStudio
) -> None:
    task = theirs.add_task("a text that did not arrive in time")
    link._intake.failures[str(task)] = Failure(sample=str(task), reason="too slow")
    link.reconcile()
    assert not link.campaign.has_sample(str(task))
    link.retry_failures()
    assert link.campaign.has_sample(str(task))
    assert link.failures == []


def test_a_pick_that_comes_while_the_queue_is_rebuilt_leaves_no_second_row(
    link: Link, theirs: SmallLabelStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = link.client.predictions

    def then_an_answer(project: int, version: str) -> Any:
        rows = list(listed(project, version))
        theirs.annotate(theirs.queued()[0], "cat")
        deliver(theirs, link)
        return rows

    monkeypatch.setattr(link.client, "predictions", then_an_answer)
    link.queue.rebuild()
    assert theirs.queued() == queue_of(link)


def test_versions_of_predictions_stay_few(link: Link, theirs: SmallLabelStudio) -> None:
    seen = set()
    for _ in range(2 * N_VERSIONS):
        theirs.change(theirs.annotate(101, "cat"), "dog")
        deliver(theirs, link)
        seen.add(link.live_version())
    assert len(seen) <= N_VERSIONS


def test_a_more_urgent_job_passes_a_long_one() -> None:
    done: list[str] = []
    both = threading.Event()

    def long() -> None:
        worker.want("short")
        worker.let_pass("short")
        done.append("long")
        both.set()

    worker = Worker("test", {"short": lambda: done.append("short"), "long": long})
    worker.start()
    worker.want("long")
    assert both.wait(5)
    worker.close()
    assert done == ["short", "long"]
    worker.let_pass("short")  # not wanted now
    assert done == ["short", "long"]
