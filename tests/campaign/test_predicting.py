"""Predictions: the server's in slices, and those of a model of the user's own."""

from pathlib import Path

import pytest

from al_server.campaign import predicting
from al_server.campaign.campaign import Campaign
from al_server.campaign.pool_files import PoolFiles
from al_server.errors import StorageFull
from al_server.models import AnswerIn, PredictIn, PredictionsIn
from al_server.store.event_log import EventLog
from tests.campaign.conftest import MakeToy, Open

ASH, BEECH, CEDAR = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]


def put(campaign: Campaign, **said: list[float]) -> None:
    request = PredictionsIn(sample_ids=list(said), probabilities=list(said.values()))
    campaign.set_predictions(request)


def believed(campaign: Campaign) -> dict[str, object]:
    return {row.sample_id: row.label for row in campaign.prediction_rows()}


def kept(files: PoolFiles) -> list[str]:
    return sorted(path.name for path in files.folder.glob("predictions-*"))


@pytest.mark.parametrize("by_vectors", [False, True])
def test_many_predictions_are_made_in_slices_that_others_fit_between(
    make_toy: MakeToy, open_: Open, monkeypatch: pytest.MonkeyPatch, by_vectors: bool
) -> None:
    toy = make_toy(11)
    campaign = open_(toy)
    campaign.record_labels([AnswerIn(sample_id="s1", label="ash")])
    ids = [f"s{row}" for row in (3, 1, 4, 1, 5, 9, 2, 6, 10, 0)]
    vectors = campaign.loop.pool.embeddings[[int(name[1:]) for name in ids]].tolist()
    request = PredictIn(embeddings=vectors) if by_vectors else PredictIn(sample_ids=ids)
    at_once = campaign.predict(request).predictions
    assert [one.sample_id for one in at_once] == ([None] * 10 if by_vectors else ids)
    jobs: list[int] = []
    read = campaign._read

    def counted(run):  # type: ignore[no-untyped-def]
        result = read(run)
        jobs.append(len(result))
        return result

    monkeypatch.setattr(predicting, "N_AT_ONCE", 4)
    monkeypatch.setattr(campaign, "_read", counted)
    assert campaign.predict(request).predictions == at_once
    assert jobs == [4, 4, 2]


def test_nothing_asked_is_nothing_answered(make_toy: MakeToy, open_: Open) -> None:
    campaign = open_(make_toy(3))
    assert campaign.predict(PredictIn(sample_ids=[])).predictions == []
    assert campaign.predict(PredictIn(embeddings=[])).predictions == []


def test_predictions_of_ones_own_are_laid_over_earlier_ones(make_toy: MakeToy, open_: Open) -> None:
    toy = make_toy(6)
    campaign = open_(toy)
    put(campaign, s1=ASH, s2=ASH)
    put(campaign, s4=CEDAR, s2=BEECH)
    expected = {"s1": "ash", "s2": "beech", "s4": "cedar"}
    assert believed(campaign) == expected
    assert believed(open_(toy)) == expected, "after a restart, too"
    campaign.add_classes(["dogwood"])
    put(campaign, s3=[0.0, 0.0, 0.0, 1.0])
    expected["s3"] = "dogwood"
    assert believed(campaign) == believed(open_(toy)) == expected
    campaign.clear_predictions()
    assert believed(campaign) == {}
    put(campaign, s5=[0.0, 1.0, 0.0, 0.0])
    assert believed(campaign) == {"s5": "beech"}


def test_only_the_file_that_the_log_names_is_kept(make_toy: MakeToy, open_: Open) -> None:
    toy = make_toy(6)
    campaign = open_(toy)
    for said in (ASH, BEECH, CEDAR):
        put(campaign, s1=said)
        assert kept(toy.files) == [campaign.loop.ledger.predictions_file]
    campaign.clear_predictions()
    assert kept(toy.files) == []


def test_a_file_is_not_deleted_before_its_successor_is_in_the_log(
    make_toy: MakeToy, open_: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = make_toy(6)
    campaign = open_(toy)
    put(campaign, s1=ASH)
    (file,) = kept(toy.files)

    def fails(*_: object, **__: object) -> None:
        raise StorageFull("no room for the event")

    with monkeypatch.context() as patched:
        patched.setattr(EventLog, "append", fails)
        for attempt in (lambda: put(campaign, s1=BEECH), campaign.clear_predictions):
            with pytest.raises(StorageFull):
                attempt()
            assert file in kept(toy.files)
            assert believed(campaign) == {"s1": "ash"}
    assert believed(open_(toy)) == {"s1": "ash"}
    put(campaign, s1=CEDAR)
    assert kept(toy.files) == [campaign.loop.ledger.predictions_file]


def test_a_file_that_cannot_be_deleted_stops_nobody(tmp_path: Path) -> None:
    files = PoolFiles(tmp_path)
    (tmp_path / "predictions-1.npz").mkdir()  # unlink fails on a folder
    (tmp_path / "predictions-2.npz").touch()
    files.drop_predictions(but=None)
    assert kept(files) == ["predictions-1.npz"]
