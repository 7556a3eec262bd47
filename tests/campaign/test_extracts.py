"""What leaves a campaign in bulk."""

from typing import Any

import numpy as np
import pytest

from al_server.answers import Prediction
from al_server.campaign.campaign import Campaign
from al_server.models import AnswerIn, PredictionsIn
from tests.campaign.conftest import MakeToy, Open
from tests.toys_campaign import CLASSES


def answer(sample_id: str, label: Any) -> AnswerIn:
    return AnswerIn(sample_id=sample_id, label=label)


def one_by_one(campaign: Campaign) -> dict[str, Prediction]:
    labeled = {row.sample_id for row in campaign.answer_rows() if row.label is not None}
    ids = [name for name in campaign.sample_ids() if name not in labeled]
    believed = campaign.believed(ids)
    return {name: one for name, one in zip(ids, believed, strict=True) if one is not None}


def in_bulk(campaign: Campaign) -> dict[str, Prediction]:
    return {
        row.sample_id: Prediction(label=row.label, probability=row.probability)
        for row in campaign.prediction_rows()
    }


@pytest.mark.parametrize("task", ["single", "multi"])
@pytest.mark.parametrize("n_classes", [3, 8, 17])
def test_predictions_in_bulk_are_those_of_each_sample(
    make_toy: MakeToy, open_: Open, task: str, n_classes: int
) -> None:
    multi = task == "multi"
    classes = [f"class {c}" for c in range(n_classes)]
    campaign = open_(make_toy(40, task=task, classes=classes))
    assert in_bulk(campaign) == one_by_one(campaign) == {}
    own = np.random.default_rng(0).dirichlet(np.full(n_classes, 0.3), size=6)
    ids = [f"s{row}" for row in range(20, 26)]
    request = PredictionsIn(sample_ids=ids, probabilities=own.tolist())
    campaign.set_predictions(request)
    assert list(in_bulk(campaign)) == ids
    assert in_bulk(campaign) == one_by_one(campaign)
    for row in range(12):
        name = classes[row % n_classes]
        campaign.record_labels([answer(f"s{2 * row}", [name, classes[0]] if multi else name)])
    assert len(in_bulk(campaign)) == 28
    assert in_bulk(campaign) == one_by_one(campaign)
    campaign.clear_predictions()
    assert in_bulk(campaign) == one_by_one(campaign)


def test_rows_tell_of_the_moment_they_were_asked_for(make_toy: MakeToy, open_: Open) -> None:
    campaign = open_(make_toy(10, known=[0, *[-1] * 9]))
    campaign.record_labels([answer("s1", "ash")])
    answers, predictions = campaign.answer_rows(), campaign.prediction_rows()
    expected = one_by_one(campaign)
    campaign.add_classes(["dogwood"])
    campaign.undo("s1", annotator="anonymous")
    campaign.record_labels([answer(f"s{row}", "cedar") for row in range(2, 9)])
    assert [(row.sample_id, row.label) for row in answers] == [("s0", "ash"), ("s1", "ash")]
    found = {
        row.sample_id: Prediction(label=row.label, probability=row.probability)
        for row in predictions
    }
    assert found == expected


def test_what_nobody_has_said_anything_of_has_no_prediction(make_toy: MakeToy, open_: Open) -> None:
    campaign = open_(make_toy(5))
    campaign.set_predictions(PredictionsIn(sample_ids=["s2"], probabilities=[[0.1, 0.2, 0.7]]))
    assert campaign.believed(["s1"]) == [None]
    assert campaign.sample("s1").prediction is None
    (believed,) = campaign.believed(["s2"])
    assert believed is not None and believed.label == CLASSES[2]
    campaign.record_labels([answer("s3", "ash")])
    assert None not in campaign.believed(["s1", "s2"])
