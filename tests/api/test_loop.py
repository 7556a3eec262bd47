"""The loop over HTTP, as a client goes through it."""

import time

import numpy as np
import pytest
from flask.testing import FlaskClient

from al_server.campaigns import CampaignRegistry
from tests.api.conftest import CLASSES, PREPARED_WITHIN_S, SAMPLE_IDS, MakeCampaign

API = "/api/v1/campaigns"


@pytest.fixture
def base(make_campaign: MakeCampaign) -> str:
    return f"{API}/{make_campaign()}"


def test_a_campaign_is_made_prepared_and_labeled_to_its_end(
    client: FlaskClient, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("made")
    np.savez(folder / "two.npz", X=np.eye(2, dtype=np.float32), ids=np.array(["x", "y"]))
    source = {"kind": "npz", "path": f"{folder.name}/two.npz"}
    made = client.post(API, json={"name": "made", "classes": CLASSES, "source": source})
    assert (made.status_code, made.json["name"]) == (201, "made")
    give_up = time.monotonic() + PREPARED_WITHIN_S
    while client.get(f"{API}/made").json["state"] == "preparing" and time.monotonic() < give_up:
        time.sleep(0.005)
    assert "made" in [one["name"] for one in client.get(API).json["campaigns"]]

    seen = []
    for label in CLASSES:
        answer = client.get(f"{API}/made/next?annotator=ann").json
        assert answer["reason"] is None
        (sample,) = answer["samples"]
        seen.append(sample["sample_id"])
        labels = [{"sample_id": seen[-1], "label": label, "annotator": "ann", "lead_time_s": 1}]
        recorded = client.post(f"{API}/made/labels", json={"labels": labels})
        assert recorded.json == {"accepted": 1, "n_labeled": len(seen)}
    assert sorted(seen) == ["x", "y"]
    assert client.get(f"{API}/made/next?annotator=ann").json == {
        "samples": [],
        "reason": "pool_exhausted",
        "preload": None,
    }


def test_next_gives_as_many_as_asked_for_and_leases_them(client: FlaskClient, base: str) -> None:
    first = client.get(f"{base}/next?n=3&annotator=ann").json["samples"]
    second = client.get(f"{base}/next?n=1000&annotator=bob").json["samples"]
    assert (len(first), len(second)) == (3, len(SAMPLE_IDS) - 3)
    assert not {one["sample_id"] for one in first} & {one["sample_id"] for one in second}
    assert len(client.get(f"{base}/next?annotator=ann").json["samples"]) == 1


def test_a_spent_budget_is_an_ordinary_answer(
    client: FlaskClient, make_campaign: MakeCampaign
) -> None:
    answer = client.get(f"{API}/{make_campaign(budget=0)}/next")
    assert (answer.status_code, answer.json["reason"]) == (200, "budget_spent")


def test_an_undo_may_hand_the_sample_back(client: FlaskClient, base: str) -> None:
    (sample,) = client.get(f"{base}/next").json["samples"]
    sample_id = sample["sample_id"]
    labels = [{"sample_id": "plain", "label": "pear"}, {"sample_id": "a", "label": None}]
    client.post(f"{base}/labels", json={"labels": labels})
    undone = client.delete(f"{base}/labels/plain?lease=true")
    assert undone.json == {"sample_id": "plain", "label": "pear", "n_labeled": 0}
    assert client.get(f"{base}/samples/plain").json["status"] == "pending"
    assert client.delete(f"{base}/labels/a").json["label"] is None
    assert client.get(f"{base}/samples/a").json["status"] in ("unlabeled", "pending")
    again = client.delete(f"{base}/labels/plain")
    assert (again.status_code, again.json["error"]["code"]) == (409, "nothing_to_undo")
    assert sample_id in SAMPLE_IDS


def test_answers_are_recorded_all_or_none(client: FlaskClient, base: str) -> None:
    labels = [{"sample_id": "a", "label": "pear"}, {"sample_id": "gone", "label": "pear"}]
    refused = client.post(f"{base}/labels", json={"labels": labels})
    assert (refused.status_code, refused.json["error"]["code"]) == (404, "unknown_sample")
    assert client.get(base).json["n_labeled"] == 0


def test_predictions_are_given_and_taken(client: FlaskClient, base: str) -> None:
    labels = [{"sample_id": "a", "label": "pear"}, {"sample_id": "plain", "label": "apple"}]
    client.post(f"{base}/labels", json={"labels": labels})
    predicted = client.post(f"{base}/predict", json={"sample_ids": ["media", ".."]}).json
    assert [one["sample_id"] for one in predicted["predictions"]] == ["media", ".."]
    outside = client.post(f"{base}/predict", json={"embeddings": [[1, 0.5, 0]]}).json
    (one,) = outside["predictions"]
    assert set(one["probabilities"]) == set(CLASSES)
    assert {near["sample_id"] for near in one["neighbors"]} == {"a", "plain"}
    neither = client.post(f"{base}/predict", json={})
    assert neither.status_code == 422

    own = {"sample_ids": ["media"], "probabilities": [[0.25, 0.75]]}
    assert client.put(f"{base}/predictions", json=own).status_code == 200
    assert client.delete(f"{base}/predictions").status_code == 200
    wrong = client.put(f"{base}/predictions", json={**own, "probabilities": [[0.5, 0.75]]})
    assert wrong.status_code == 422


def test_a_campaign_grows_by_classes_and_samples(
    client: FlaskClient,
    base: str,
    registry: CampaignRegistry,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    grown = client.post(f"{base}/classes", json={"classes": ["plum"]})
    assert grown.json == {"classes": ["apple", "pear", "plum"]}
    folder = tmp_path_factory.mktemp("more")
    np.savez(folder / "more.npz", X=np.ones((1, 3), np.float32), ids=np.array(["one more"]))
    source = {"kind": "npz", "path": f"{folder.name}/more.npz"}
    assert client.post(f"{base}/samples", json={"source": source}).status_code == 202
    give_up = time.monotonic() + PREPARED_WITHIN_S
    while client.get(base).json["n_samples"] == len(SAMPLE_IDS) and time.monotonic() < give_up:
        time.sleep(0.005)
    assert client.get(f"{base}/samples/one more").status_code == 200


def test_progress_is_shown(client: FlaskClient, base: str) -> None:
    labels = [{"sample_id": "a", "label": "pear", "annotator": "ann"}]
    client.post(f"{base}/labels", json={"labels": labels})
    progress = client.get(f"{base}/progress").json
    assert progress["class_counts"]["pear"] == 1
    assert progress["annotators"] == {"ann": 1}
    assert progress["info"]["n_labeled"] == 1


def test_a_bare_vector_has_nothing_to_show(client: FlaskClient, base: str) -> None:
    answer = client.get(f"{base}/samples/a/media")
    assert (answer.status_code, answer.json["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [("../../../../etc", 403, "outside_roots"), ("none.npz", 422, "bad_source")],
)
def test_a_source_that_may_not_be_read_is_refused_at_once(
    client: FlaskClient, path: str, status: int, code: str
) -> None:
    spec = {"name": "never", "classes": ["a"], "source": {"kind": "npz", "path": path}}
    answer = client.post(API, json=spec)
    assert (answer.status_code, answer.json["error"]["code"]) == (status, code)
    assert client.get(f"{API}/never").status_code == 404
