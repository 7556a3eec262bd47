"""The comparison with random sampling: unbiased, and blind to what it must not see."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from al_server.answers import AgainstRandom
from al_server.campaign.against_random import LiveSample, against_random, gain_of
from al_server.campaign.loop import Loop
from al_server.models import AnswerIn
from tests.campaign.conftest import MakeToy, Open
from tests.toys_campaign import ToyCampaign, lease, say, undo

CLASSES = ("ash", "beech", "cedar", "dogwood")
WIDTH = 0.05


def circle(n: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Points on a circle, one quarter a class."""
    angles = np.random.default_rng(seed).random(n) * 2 * np.pi
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    return vectors, (angles // (np.pi / 2)).astype(np.int64)


def labeled(make_toy: MakeToy, n_labels: int, **spec: object) -> tuple[ToyCampaign, Loop]:
    vectors, truth = circle(300)
    toy = make_toy(vectors, classes=CLASSES, **{"random_share": 0.3, **spec})
    loop = toy.open()
    for _ in range(n_labels):
        (sample_id,) = lease(loop)
        say(loop, sample_id, CLASSES[truth[int(sample_id[1:])]])
    return toy, loop


def test_nothing_is_said_without_random_picks_or_while_they_are_few(make_toy: MakeToy) -> None:
    assert LiveSample.of(labeled(make_toy, 60, random_share=0.0)[1], width=WIDTH) is None
    assert LiveSample.of(labeled(make_toy, 20)[1], width=WIDTH) is None
    # where all picks are random there is nothing left to compare them with
    assert LiveSample.of(labeled(make_toy, 60, random_share=1.0)[1], width=WIDTH) is None


def test_what_is_asked_about_has_taught_neither_side(make_toy: MakeToy) -> None:
    loop = labeled(make_toy, 120)[1]
    sample = LiveSample.of(loop, width=WIDTH)
    assert sample is not None
    answered = list(loop.ledger.answers)
    assert sample.first == answered[: len(sample.drawn) - 1]
    tested = [row for row, one in zip(sample.drawn, sample.is_tested, strict=True) if one]
    # labeled later than everything that the campaign's side learns from
    assert not {*tested} & {*sample.first}
    assert min(map(answered.index, tested)) >= len(sample.first)


def test_the_own_label_of_a_tested_sample_changes_what_is_right_not_what_is_predicted(
    make_toy: MakeToy,
) -> None:
    sample = LiveSample.of(labeled(make_toy, 120)[1], width=WIDTH)
    assert sample is not None
    before = against_random(sample)
    # each tested sample stands alone with a class of its own: nobody can predict it
    labels = list(sample.labels)
    for own_class, place in enumerate(np.flatnonzero(sample.is_tested).tolist(), start=4):
        labels[len(sample.first) + place] = (own_class,)
    after = against_random(replace(sample, labels=labels, n_classes=500))
    assert before.points[-1].random > 0.8
    assert {(point.campaign, point.random) for point in after.points} == {(0.0, 0.0)}


def test_a_classifier_that_saw_the_truth_of_one_side_only_wins(make_toy: MakeToy) -> None:
    sample = LiveSample.of(labeled(make_toy, 120)[1], width=WIDTH)
    assert sample is not None
    n_first = len(sample.first)
    nonsense = [((label + 1) % 4,) for (label,) in sample.labels[:n_first]]
    fooled = [*nonsense, *sample.labels[n_first:]]  # what the campaign learned from
    found = against_random(replace(sample, labels=fooled))
    assert found.gain.high < 0
    assert found.labels is None


def test_the_comparison_is_the_same_after_a_restart_and_follows_an_undo(
    make_toy: MakeToy,
) -> None:
    toy, loop = labeled(make_toy, 120)
    both = [LiveSample.of(one, width=WIDTH) for one in (loop, toy.open())]
    assert both[0] is not None and both[1] is not None
    assert against_random(both[0]) == against_random(both[1])
    undo(loop, loop.names.sample_ids[both[0].drawn[0]])
    after = LiveSample.of(loop, width=WIDTH)
    assert after is not None
    assert after.drawn == both[0].drawn[1:]


@pytest.mark.parametrize("task", ["single", "multi"])
def test_the_progress_shows_it(make_toy: MakeToy, open_: Open, task: str) -> None:
    vectors, truth = circle(300)
    campaign = open_(make_toy(vectors, classes=CLASSES, task=task, random_share=0.3))
    assert campaign.progress().against_random is None
    for _ in range(12):
        answers = []
        for one in campaign.next_batch(annotator="ann", n=10).samples:
            name = CLASSES[truth[int(one.sample_id[1:])]]
            label = name if task == "single" else [name]
            answers.append(AnswerIn(sample_id=one.sample_id, label=label, annotator="ann"))
        campaign.record_labels(answers)
    found = campaign.progress().against_random
    assert found is not None
    assert found.points[-1].campaign > 0.7
    assert found is campaign.progress().against_random  # nothing changed: nothing is computed
    assert AgainstRandom.model_validate(found.model_dump(mode="json")) == found


def test_labels_that_came_with_the_source_teach_both_sides(make_toy: MakeToy) -> None:
    vectors, truth = circle(300)
    known = np.where(np.arange(300) < 150, truth % 3, -1).tolist()
    toy = make_toy(vectors, known=known, random_share=0.5)
    loop = toy.open()
    for _ in range(40):
        (sample_id,) = lease(loop)
        say(loop, sample_id, ("ash", "beech", "cedar")[truth[int(sample_id[1:])] % 3])
    sample = LiveSample.of(loop, width=WIDTH)
    assert sample is not None and len(sample.known) == 150
    assert min(against_random(sample).points[0].random, against_random(sample).gain.high) > 0
    assert against_random(sample).points[0].random > 0.9


def test_the_interval_of_paired_differences() -> None:
    # 12 better, 5 worse, 33 alike: Agresti and Min add one half to each of the four cells
    differences = np.repeat([1.0, -1.0, 0.0], [12, 5, 33])
    found = gain_of(differences, 0.0)
    middle, variance = 7 / 52, (18 / 52 - (7 / 52) ** 2) / 52
    assert found.mean == 7 / 50
    assert found.low == pytest.approx(middle - 1.96 * variance**0.5)
    assert found.high == pytest.approx(middle + 1.96 * variance**0.5)
    assert gain_of(differences, 0.01).low < found.low
    # certainty is not had from a dozen samples that agree
    assert gain_of(np.zeros(12), 0.0).high > 0.1


@pytest.mark.slow
def test_accuracy_on_random_samples_is_unbiased_where_that_on_all_labels_is_not(
    tmp_path: Path,
) -> None:
    """A small pool, much of which a strategy labels that likes the easy samples last."""
    errors, biased, plain = [], [], []
    for seed in range(60):
        vectors, truth = circle(120, seed)
        folder = tmp_path / str(seed)
        folder.mkdir()
        toy = ToyCampaign(
            folder, vectors, classes=CLASSES, strategy="margin", random_share=0.5, seed=seed, k=3
        )
        loop = toy.open()
        at_30 = np.empty(0)
        for n_labeled in range(80):
            if n_labeled == 30:
                at_30 = loop.pool.beliefs().predicted.copy() == truth
                left = loop.pool.status == 0
            (sample_id,) = lease(loop)
            say(loop, sample_id, CLASSES[truth[int(sample_id[1:])]])
        answered = list(loop.ledger.answers)
        head = loop.lottery.head(loop.ledger.drawn, loop.pool.book.keys)
        tested = [row for row in head if row in answered[30:]]
        errors.append(at_30[tested].mean() - at_30[left].mean())
        later = answered[30:]
        biased.append(at_30[later].mean() - at_30[left].mean())
        drawn = [row for row in loop.ledger.drawn if row in later]
        plain.append(at_30[drawn].mean() - at_30[left].mean())
        toy.close()
    standard_error = np.std(errors) / len(errors) ** 0.5
    assert abs(np.mean(errors)) < 3 * standard_error < 0.02
    assert np.mean(biased) < -3 * standard_error
    # chance alone misses the hard ones, which the strategy took before it came to them
    assert np.mean(plain) > np.mean(errors)


@pytest.mark.slow
def test_random_sampling_is_not_told_to_differ_from_itself() -> None:
    vectors, truth = circle(2000)
    n_wrong, means = 0, []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        rows = rng.permutation(len(vectors))[:150]
        places = np.flatnonzero(rng.random(150) < 0.3)[:-1]
        n_first = len(places) - 1
        drawn = rows[places]
        found = against_random(
            LiveSample(
                first=rows[:n_first].tolist(),
                drawn=drawn.tolist(),
                is_tested=(places >= n_first).tolist(),
                known=[],
                labels=[(one,) for one in truth[[*rows[:n_first], *drawn]].tolist()],
                n_classes=4,
                embeddings=vectors,
                width=WIDTH,
                k=5,
                multi=False,
            )
        )
        n_wrong += found.gain.low > 0 or found.gain.high < 0
        means.append(found.gain.mean)
    assert n_wrong <= 12  # 5 are due; 13 or more come once in 700
    assert abs(np.mean(means)) < 3 * np.std(means) / 100**0.5
