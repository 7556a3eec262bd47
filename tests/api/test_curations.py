"""Curation over HTTP: built once, then any amounts; refused, stopped, forgotten."""

import csv
import io
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from al_server.app import create_app
from al_server.campaigns import CampaignRegistry
from al_server.config import Settings
from al_server.curation import desk
from al_server.curation.pipeline import Pipeline
from al_server.models import CampaignSpec, Source
from tests.api.conftest import BufferedClient, prepare

N = 240
PATH = "/api/v1/campaigns/{}/curation"
HOSTILE = "</script><script>alert(1)</script>"
IDS = [HOSTILE, "=1+1", *(f"train/{row}.jpg" for row in range(2, N))]
WITHIN_S = 120


def _vectors() -> Any:
    rng = np.random.default_rng(4)
    vectors = np.repeat(np.eye(6, 8), N // 6, axis=0) + 0.3 * rng.standard_normal((N, 8))
    return vectors.astype(np.float32)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    folder = tmp_path_factory.mktemp("data")
    settings = Settings(data=folder)
    np.savez(folder / "all.npz", X=_vectors(), ids=np.array(IDS))
    np.savez(folder / "few.npz", X=_vectors()[:40], ids=np.array(IDS[:40]))
    with closing(CampaignRegistry(settings)) as registry:
        for name, file in (("all", "all"), ("other", "few"), ("third", "few"), ("idle", "few")):
            source = Source(kind="npz", path=f"{file}.npz")
            prepare(registry, CampaignSpec(name=name, classes=["a", "b"], source=source))
        registry._opener.join(WITHIN_S)
        app = create_app(settings, registry)
        app.test_client_class = BufferedClient
        yield app.test_client()


def build(client: FlaskClient, name: str) -> dict[str, Any]:
    answer = client.post(PATH.format(name), json={})
    assert answer.status_code == 202, answer.json
    give_up = time.monotonic() + WITHIN_S
    while (info := client.get(PATH.format(name)).json)["state"] == "building":
        assert time.monotonic() < give_up
        time.sleep(0.01)
    return dict(info)


@pytest.fixture(scope="module")
def built(client: FlaskClient) -> FlaskClient:
    info = build(client, "all")
    assert info["state"] == "ready", info["error"]
    return client


def test_what_was_not_built_says_so_and_how_to_begin(client: FlaskClient) -> None:
    assert client.get(PATH.format("idle")).json["state"] == "not_built"
    for file in ("kept.txt", "removed.csv", "insights.html"):
        answer = client.get(f"{PATH.format('idle')}/{file}")
        assert (answer.status_code, answer.json["error"]["code"]) == (409, "not_ready")
        assert "POST" in answer.json["error"]["remedy"]


def test_counts_are_exact_and_equal_to_the_pipeline_by_itself(built: FlaskClient) -> None:
    info = built.get(f"{PATH.format('all')}?outliers=5&similars=10&keep=50&n=200").json
    result = info["result"]
    assert (result["n_kept"], result["n_removed"]) == (N // 2, N // 2)
    truth = Pipeline(_vectors(), IDS).run(outliers="5%", similars="10%", keep="50%")
    told = [one["sample_id"] for step in result["steps"] for one in step["removed"]]
    assert told == [IDS[row] for row in truth.removed]
    assert [step["n_removed"] for step in result["steps"]] == [12, 24, 84]
    others = [one["because_of"] for step in result["steps"] for one in step["removed"]]
    assert [one and one["sample_id"] for one in others] == [
        None if row < 0 else IDS[row] for row in truth.because_of
    ]


@pytest.mark.parametrize("keep_by", ["coreset", "adjacency", "uniqueness"])
def test_the_rest_goes_by_what_was_chosen(built: FlaskClient, keep_by: str) -> None:
    result = built.get(f"{PATH.format('all')}?keep=25&keep_by={keep_by}&n=0").json["result"]
    assert result["n_kept"] == N // 4
    assert [step["name"] for step in result["steps"] if step["n_removed"]] == [keep_by]
    kept = built.get(f"{PATH.format('all')}/kept.txt?keep=25&keep_by={keep_by}").text
    truth = Pipeline(_vectors(), IDS, keep_by=keep_by).run(keep="25%")
    assert kept.splitlines() == [IDS[row] for row in truth.kept]


@pytest.mark.parametrize("keep_by", ["coreset", "adjacency", "uniqueness"])
def test_at_the_border_are_those_that_come_back_first(built: FlaskClient, keep_by: str) -> None:
    def result(query: str) -> Any:
        url = f"{PATH.format('all')}?outliers=5&keep_by={keep_by}&{query}"
        return built.get(url).json["result"]["steps"][-1]["removed"]

    kept = built.get(f"{PATH.format('all')}/kept.txt?outliers=5&keep=55&keep_by={keep_by}").text
    border = result("keep=50&n=12&order=last")  # 5% of 240 samples are 12
    assert len(border) == 12
    assert {one["sample_id"] for one in border} <= set(kept.splitlines())
    truth = Pipeline(_vectors(), IDS, keep_by=keep_by).run(outliers="5%", keep="50%")
    stands_for = dict(zip(truth.removed.tolist(), truth.because_of.tolist(), strict=True))
    for one in border:
        row = stands_for[IDS.index(one["sample_id"])]
        assert one["because_of"]["sample_id"] == IDS[row]


def test_first_and_last_are_told_of_each_step(built: FlaskClient) -> None:
    def told(order: str, n: int) -> list[str]:
        url = f"{PATH.format('all')}?similars=10&n={n}&order={order}"
        steps = built.get(url).json["result"]["steps"]
        return [one["sample_id"] for step in steps for one in step["removed"]]

    everyone = told("first", 200)
    assert told("first", 5) == everyone[:5]
    assert told("last", 5) == everyone[::-1][:5]


def test_receipts_are_a_table_that_no_spreadsheet_runs(built: FlaskClient) -> None:
    answer = built.get(f"{PATH.format('all')}/removed.csv?outliers=5&similars=50")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == 132 and {row["reason"] for row in rows} == {"outlier", "similar"}
    assert 'filename="all-removed.csv"' in answer.headers["Content-Disposition"]
    assert not any(row["file"].startswith("=") for row in rows)


def test_the_insights_are_a_document_that_can_do_nothing_of_ours(built: FlaskClient) -> None:
    answer = built.get(f"{PATH.format('all')}/insights.html?outliers=5&keep=50")
    policy = answer.headers["Content-Security-Policy"]
    assert "sandbox allow-scripts" in policy and "allow-same-origin" not in policy
    assert "default-src 'none'" in policy and "connect-src" not in policy
    assert HOSTILE not in answer.text and "Curation of all" in answer.text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("outliers=60&similars=30&keep=20", "110% of 240"),
        ("outliers=-1", "outliers: "),
        ("outliers=nan", "outliers: "),
        ("similars=100", "similars: "),
        ("outliers=60&similars=60", "none would stay"),
        ("keep=0", "keep: "),
        ("keep_by=chance", "keep_by: "),
        ("n=201", "n: "),
        ("outlier=5", "did you mean outliers?"),
    ],
)
def test_amounts_that_cannot_be_are_refused_with_a_reason(
    built: FlaskClient, query: str, said: str
) -> None:
    answer = built.get(f"{PATH.format('all')}?{query}")
    assert answer.status_code == 422
    assert said in answer.json["error"]["message"]


def test_one_is_built_at_a_time_and_is_stopping_until_it_has_stopped(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end = threading.Event()

    def endless(snapshot: Any, job: Any) -> Any:
        job.progress, job.message = 0.25, "finding neighbors"
        assert job.stop.wait(WITHIN_S) and may_end.wait(WITHIN_S)
        raise desk.Stopped

    monkeypatch.setattr(desk, "_build", endless)
    assert client.post(PATH.format("other"), json={}).status_code == 202
    while (info := client.get(PATH.format("other")).json)["progress"] == 0:
        time.sleep(0.005)
    assert (info["state"], info["message"]) == ("building", "finding neighbors")
    assert info["time_left_s"] == pytest.approx(0, abs=30)
    refused = client.post(PATH.format("third"), json={})
    assert (refused.status_code, refused.json["error"]["code"]) == (409, "busy")
    assert "stop it" in refused.json["error"]["remedy"]
    for ask in (client.delete, client.get, client.delete):
        info = ask(PATH.format("other")).json
        assert (info["state"], info["message"]) == ("building", "stopping")
    for name in ("other", "third"):
        refused = client.post(PATH.format(name), json={})
        assert (refused.status_code, refused.json["error"]["code"]) == (409, "busy")
        said = "the curation of campaign 'other' is being stopped"
        assert refused.json["error"]["message"].startswith(said)
        assert refused.json["error"]["remedy"] == "wait a moment"
    unfinished = client.get(f"{PATH.format('other')}/kept.txt").json["error"]
    assert "is being stopped" in unfinished["message"]
    may_end.set()
    _wait_until_free(client)
    assert client.get(PATH.format("other")).json["state"] == "not_built"


def test_who_asks_while_another_question_takes_long_is_told_so(
    built: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "WAITS_S", 0.01)
    registry: CampaignRegistry = built.application.extensions["al_server"]
    with registry.curations._jobs["all"].answering:
        for path in ("?keep=50", "/kept.txt?keep=50"):
            answer = built.get(PATH.format("all") + path)
            assert (answer.status_code, answer.json["error"]["code"]) == (409, "busy")
            assert "ask again" in answer.json["error"]["remedy"]
    assert built.get(f"{PATH.format('all')}?keep=50").status_code == 200


def test_few_wait_and_the_others_are_told_at_once(
    built: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "WAITS_S", WITHIN_S)
    registry: CampaignRegistry = built.application.extensions["al_server"]
    held = registry.curations
    job = held._jobs["all"]
    took = threading.Semaphore(0)

    class Told(threading.Semaphore):
        def acquire(self, *args: Any, **kwargs: Any) -> bool:
            got = super().acquire(*args, **kwargs)
            took.release()
            return got

    monkeypatch.setattr(held, "_places", Told(desk.MOST_WAITING))
    answers: list[int] = []

    def ask() -> None:
        client = built.application.test_client()
        answers.append(client.get(f"{PATH.format('all')}?keep=50").status_code)

    with job.answering:
        waiting = [threading.Thread(target=ask) for _ in range(desk.MOST_WAITING)]
        for one in waiting:
            one.start()
            assert took.acquire(timeout=WITHIN_S)
        for _ in range(20):  # these would have to wait for two minutes
            answer = built.get(f"{PATH.format('all')}?keep=50")
            assert (answer.status_code, answer.json["error"]["code"]) == (409, "busy")
        assert answers == []
    for one in waiting:
        one.join(WITHIN_S)
    assert answers == [200] * desk.MOST_WAITING


def test_adjacency_of_more_than_it_is_quick_for_is_refused(
    built: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "MOST_FOR_ADJACENCY", N - 1)
    for path in ("?keep=50&keep_by=adjacency", "/kept.txt?keep=50&keep_by=adjacency"):
        answer = built.get(PATH.format("all") + path)
        assert (answer.status_code, answer.json["error"]["code"]) == (422, "bad_input")
        assert "al-server filter" in answer.json["error"]["remedy"]
    assert built.get(f"{PATH.format('all')}?keep=50&keep_by=uniqueness").status_code == 200
    assert build(built, "all")["state"] == "ready"


@pytest.mark.parametrize("share", ["0.00001", "0.00012345678901234567", "1e-300", "5e-324"])
def test_shares_may_be_as_small_as_numbers_are(built: FlaskClient, share: str) -> None:
    answer = built.get(f"{PATH.format('all')}?outliers={share}&keep={share}")
    assert answer.status_code == 200, answer.json
    steps = answer.json["result"]["steps"]
    assert steps[0]["n_removed"] == 1  # rounded up
    assert answer.json["result"]["n_kept"] == 1


def test_a_build_that_breaks_says_why_and_can_be_tried_again(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise ValueError("vectors of zeros")

    with monkeypatch.context() as patched:
        patched.setattr(desk, "_build", broken)
        _wait_until_free(client)
        info = build(client, "third")
    assert (info["state"], info["error"]) == ("failed", "vectors of zeros")
    _wait_until_free(client)
    assert build(client, "third")["state"] == "ready"
    client.delete(PATH.format("third"))


def test_only_the_last_few_stay_in_memory(
    built: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry: CampaignRegistry = built.application.extensions["al_server"]
    held = registry.curations
    monkeypatch.setattr(held, "_jobs", held._jobs.copy())
    for name in ("other", "third"):
        _wait_until_free(built)
        assert build(built, name)["state"] == "ready"
    assert list(held._jobs) == ["other", "third"]


def test_it_says_when_samples_or_vectors_have_changed_since(
    built: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert built.get(PATH.format("all")).json["is_stale"] is False
    registry: CampaignRegistry = built.application.extensions["al_server"]
    campaign = registry.campaign("all")
    with monkeypatch.context() as patched:
        patched.setattr(campaign, "files", campaign.files.of_generation(1))
        assert built.get(PATH.format("all")).json["is_stale"] is True
    assert built.get(PATH.format("all")).json["is_stale"] is False
    campaign.retire([IDS[5]])
    assert built.get(PATH.format("all")).json["is_stale"] is True


def test_the_page_is_there_and_linked_to(built: FlaskClient) -> None:
    assert "/campaigns/all/curation" in built.get("/campaigns/all/progress").text
    page = built.get("/campaigns/all/curation").text
    assert 'data-campaign="all"' in page


def _wait_until_free(client: FlaskClient) -> None:
    registry: CampaignRegistry = client.application.extensions["al_server"]
    running = registry.curations._running
    assert running is None or running[1].is_over.wait(WITHIN_S)


def test_a_desk_closes_while_it_builds(tmp_path: Path) -> None:
    np.savez(tmp_path / "v.npz", X=_vectors())
    with closing(CampaignRegistry(Settings(data=tmp_path))) as registry:
        source = Source(kind="npz", path="v.npz")
        prepare(registry, CampaignSpec(name="v", classes=["a"], source=source))
        registry.curations.start(registry.campaign("v"))
    assert registry.curations._running is None
