"""Comparisons on what a campaign has labeled: begun, followed, stopped, kept, refused."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from al_server.app import create_app
from al_server.campaigns import CampaignRegistry
from al_server.comparisons.desk import N_KEPT, ComparisonDesk
from al_server.comparisons.limits import shortage
from al_server.comparisons.process import Process, Start
from al_server.config import Settings
from al_server.lab.background import Done, compare_in, fewest_of_class
from al_server.lab.campaign_data import read_campaign
from al_server.lab.plan import Plan
from al_server.models import CampaignSpec, Source
from tests.api.conftest import BufferedClient, prepare
from tests.lab.toys import blobs

PATH = "/api/v1/campaigns/{}/comparisons"
SMALL = {"strategies": ["margin"], "repeats": 6, "budget": 6, "probe": False}
WITHIN_S = 60


class Inside:
    """A comparison in a thread of the test."""

    def __init__(self, folder: Path, data_folder: Path, campaign: str, plan: Plan) -> None:
        self._arguments = (folder, data_folder, campaign, plan)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with ThreadPoolExecutor(1) as executor:
            compare_in(*self._arguments, executor=executor)

    def wait(self, timeout_s: float) -> bool:
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def stop(self) -> None:
        pass


class Endless:
    """A comparison that goes on until it is stopped."""

    def __init__(self, *_: Any) -> None:
        self._stopped = threading.Event()

    def wait(self, timeout_s: float) -> bool:
        return self._stopped.wait(timeout_s)

    def stop(self) -> None:
        self._stopped.set()


class Broken(Endless):
    """A comparison that ends at once, and says nothing."""

    def wait(self, timeout_s: float) -> bool:
        return True


@contextmanager
def serving(folder: Path, start: Start) -> Iterator[FlaskClient]:
    settings = Settings(data=folder)
    with closing(CampaignRegistry(settings, start_comparison=start)) as registry:
        if not registry.names():
            _make_campaigns(registry, folder)
        # ast.parse, which making an app's routes calls, is not for two threads in Python 3.11
        registry._opener.join(WITHIN_S)
        app = create_app(settings, registry)
        app.test_client_class = BufferedClient
        yield app.test_client()


def _make_campaigns(registry: CampaignRegistry, folder: Path) -> None:
    data = blobs(n_each=30)
    known = {"y": data.labels, "classes": np.array(data.classes)}
    few = {"y": np.where(np.arange(90) % 30 < 5, data.labels, -1), "classes": known["classes"]}
    for name, labels in {"blobs": known, "few": few}.items():
        np.savez(folder / f"{name}.npz", X=data.embeddings, **labels)
        source = Source(kind="npz", path=f"{name}.npz", labels=True)
        classes = list(data.classes)
        prepare(registry, CampaignSpec(name=name, classes=classes, source=source, k=7))
    source = Source(kind="npz", path="blobs.npz")
    spec = CampaignSpec(name="traits", classes=list(data.classes), source=source, task="multi")
    prepare(registry, spec)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a finished comparison."""
    folder = tmp_path_factory.mktemp("data")
    with serving(folder, Inside) as client:
        assert client.post(PATH.format("blobs"), json=SMALL).status_code == 202
        _wait_for_end(client)
    return folder


def _wait_for_end(client: FlaskClient) -> None:
    registry: CampaignRegistry = client.application.extensions["al_server"]
    running = registry.comparisons._running
    assert running is None or running.is_over.wait(WITHIN_S)


@pytest.fixture
def done(kept: Path) -> Iterator[FlaskClient]:
    """Of a server that was started anew over it."""
    with serving(kept, Endless) as client:
        yield client


def _error(client: FlaskClient, body: dict[str, Any], *, campaign: str = "blobs") -> dict[str, str]:
    answer = client.post(PATH.format(campaign), json=body)
    assert answer.status_code in (409, 422), answer.json
    assert answer.json is not None
    error: dict[str, str] = answer.json["error"]
    return error


def test_a_finished_comparison_has_a_verdict_that_outlives_the_server(done: FlaskClient) -> None:
    (one,) = done.get(PATH.format("blobs")).json["comparisons"]
    assert (one["state"], one["progress"], one["n_labeled"]) == ("done", 1.0, 90)
    assert one["asked"] | SMALL == one["asked"]
    report = done.get(f"{PATH.format('blobs')}/1/report").json
    assert set(report["arms"]) == {"margin", "uniform"}
    assert one["verdict"]["headline"] == report["verdict"]["headline"]
    assert one["verdict"]["warnings"] == report["warnings"]
    plan = report["protocol"]["plan"]
    assert (plan["classifier"], plan["k"]) == ("propagated", 7)  # those of the campaign


@pytest.mark.parametrize("address", ["/campaigns/blobs/compare/1", f"{PATH}/1/report?format=html"])
def test_the_report_is_a_document_that_can_do_nothing(done: FlaskClient, address: str) -> None:
    answer = done.get(address.format("blobs"))
    assert answer.mimetype == "text/html"
    policy = answer.headers["Content-Security-Policy"]
    assert {"default-src 'none'", "sandbox"} <= set(policy.split("; "))
    page = answer.get_data(as_text=True)
    assert done.get(f"{PATH.format('blobs')}/1").json["verdict"]["headline"] in page
    assert "<script" not in page and "http-equiv" not in page


@pytest.mark.parametrize(
    ("format", "start"), [("csv", b"arm,repeat"), ("png", b"\x89PNG"), ("svg", b"<")]
)
def test_raw_curves_and_drawings_are_there_to_be_taken(
    done: FlaskClient, format: str, start: bytes
) -> None:
    answer = done.get(f"{PATH.format('blobs')}/1/report?format={format}")
    assert answer.status_code == 200 and answer.data.startswith(start)


def test_the_page_says_the_verdict_and_links_to_the_report(done: FlaskClient) -> None:
    page = done.get("/campaigns/blobs/compare").get_data(as_text=True)
    assert done.get(f"{PATH.format('blobs')}/1").json["verdict"]["headline"] in page
    assert 'href="/campaigns/blobs/compare/1"' in page
    assert "/campaigns/blobs/compare" in done.get("/campaigns/blobs/progress").get_data(True)


def test_one_runs_at_a_time_and_is_gone_when_stopped(done: FlaskClient) -> None:
    begun = done.post(PATH.format("blobs"), json={})
    assert (begun.status_code, begun.json["state"], begun.json["number"]) == (202, "running", 2)
    assert begun.json["asked"]["strategies"] == ["default", "margin"]
    assert (begun.json["progress"], begun.json["time_left_s"]) == (0.0, None)
    error = _error(done, SMALL)
    assert error["code"] == "busy" and "'blobs' is running" in error["message"]
    assert done.get(f"{PATH.format('blobs')}/2/report").status_code == 404
    assert 'data-remove="2"' in done.get("/campaigns/blobs/compare").get_data(as_text=True)
    rest = done.delete(f"{PATH.format('blobs')}/2").json["comparisons"]
    assert [one["number"] for one in rest] == [1]
    assert done.get(f"{PATH.format('blobs')}/2").status_code == 404
    assert done.post(PATH.format("blobs"), json=SMALL).status_code == 202


def test_a_running_one_is_forgotten_with_the_server_and_a_finished_one_stays(kept: Path) -> None:
    with serving(kept, Endless) as client:
        assert client.post(PATH.format("blobs"), json=SMALL).json["number"] == 2
    left_behind = next(kept.glob("campaigns/*/comparisons/1")).with_name("7")
    left_behind.mkdir()  # by a server that was killed
    (left_behind / "asked.json").write_text("{}")
    with serving(kept, Endless) as client:
        found = client.get(PATH.format("blobs")).json["comparisons"]
        assert [(one["number"], one["state"]) for one in found] == [(1, "done")]
    assert not left_behind.exists()


def test_one_that_breaks_says_so_and_only_the_last_few_are_kept(tmp_path: Path) -> None:
    with serving(tmp_path, Broken) as client:
        for _ in range(N_KEPT + 2):
            client.post(PATH.format("blobs"), json=SMALL)
            _wait_for_end(client)
        found = client.get(PATH.format("blobs")).json["comparisons"]
        assert [one["number"] for one in found] == [7, 6, 5, 4, 3]
        assert {one["state"] for one in found} == {"failed"}
        assert "ended before it was done" in found[0]["error"]
        assert "came to nothing" in client.get("/campaigns/blobs/compare").get_data(as_text=True)
        assert client.get(f"{PATH.format('blobs')}/7/report").status_code == 404
        client.delete(f"{PATH.format('blobs')}/7")
        assert len(client.get(PATH.format("blobs")).json["comparisons"]) == N_KEPT - 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"repeats": 100, "budget": 2000}, "replay 600,000 labels; at most 100,000"),
        ({"repeats": 101}, "repeats: Input should be less than or equal to 100"),
        ({"batch": 9, "budget": 5}, "batch=9 is more than there are labels"),
        ({"strategies": ["margin", "margin"]}, "named twice"),
        ({"strategies": ["uniform"]}, "what strategies are compared with"),
        ({"strategies": []}, "strategies: "),
        ({"holdout": 0.9}, "holdout: "),
        ({"strategies": ["marign"]}, "no strategy is called 'marign'"),
        ({"repeat": 3}, "did you mean repeats?"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_a_reason(
    done: FlaskClient, body: dict[str, Any], said: str
) -> None:
    assert said in _error(done, body)["message"]


def test_too_few_labels_are_told_by_how_many_are_missing(done: FlaskClient) -> None:
    said = "15 samples are labeled, a comparison needs 50: 35 more"
    assert said in _error(done, {}, campaign="few")["message"]
    page = done.get("/campaigns/few/compare").get_data(as_text=True)
    assert said in page and "<form" not in page.partition("<main")[2]


def test_several_labels_a_sample_are_refused(done: FlaskClient) -> None:
    assert "several labels" in _error(done, {}, campaign="traits")["message"]
    assert "several labels" in done.get("/campaigns/traits/compare").get_data(as_text=True)


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"a": 25, "b": 25}, None),
        ({"a": 45, "b": 5}, None),
        ({"a": 49}, "needs 50: 1 more"),
        ({"a": 1, "b": 0}, "1 sample is labeled, a comparison needs 50: 49 more"),
        (
            {"a": 60, "b": 4},
            "only one class has the 5 labels that a holdout of 20% asks of a class",
        ),
        (dict.fromkeys("abcdefghijklmnop", 4), "no class has the 5 labels"),
        ({"a": 40, "b": 5, "c": 4, "d": 4}, "45 samples are of classes that have the 5 labels"),
    ],
)
def test_what_is_missing_is_counted_in_classes_that_every_holdout_can_hold(
    counts: dict[str, int], said: str | None
) -> None:
    found = shortage(counts, holdout=0.2)
    assert found is None if said is None else said in str(found)


@pytest.mark.parametrize(
    ("holdout", "fewest"), [(0.2, 5), (0.25, 4), (0.3, 4), (0.5, 2), (0.1, 10)]
)
def test_a_class_needs_one_sample_in_the_holdout(holdout: float, fewest: int) -> None:
    assert fewest_of_class(holdout) == fewest


def test_time_left_is_that_of_the_repeats_so_far() -> None:
    done = Done(n_done=2, n_repeats=10, began_at=100.0, at=110.0)
    assert done.time_left(113.0) == pytest.approx(8 * 5 - 3)
    assert done.time_left(900.0) == 0.0
    assert done.model_copy(update={"n_done": 0}).time_left(113.0) is None
    assert done.model_copy(update={"n_done": 10}).time_left(113.0) is None


def test_rare_classes_are_left_out_and_the_report_says_so(tmp_path: Path) -> None:
    data = blobs(n_each=30)
    labels = np.where((data.labels == 2) & (np.arange(90) % 30 >= 3), -1, data.labels)
    np.savez(tmp_path / "rare.npz", X=data.embeddings, y=labels, classes=np.array(data.classes))
    with closing(CampaignRegistry(Settings(data=tmp_path))) as registry:
        source = Source(kind="npz", path="rare.npz", labels=True)
        prepare(registry, CampaignSpec(name="rare", classes=list(data.classes), source=source))
        found = read_campaign(tmp_path, "rare", fewest_of_class=5)
    assert found.classes == ("c0", "c1") and len(found.labels) == 60
    assert found.caution is not None
    assert found.caution.endswith("Left out, for fewer than 5 labels of a class: c2.")


def test_a_process_ends_when_it_is_stopped_or_its_server_is_gone(kept: Path) -> None:
    folder = kept / "aside"
    folder.mkdir(exist_ok=True)
    job = Process(folder, kept, "blobs", Plan(repeats=30, budget=20))
    assert not job.wait(0)
    job.stop()
    assert job.wait(WITHIN_S)
    orphan = Process(folder, kept, "blobs", Plan(repeats=100_000, budget=40))
    assert orphan._process.stdin is not None
    orphan._process.stdin.close()  # what the system does when the server dies
    assert orphan.wait(WITHIN_S)
    assert not (folder / "report.json").exists()


def test_a_desk_of_a_folder_without_campaigns_is_empty(tmp_path: Path) -> None:
    desk = ComparisonDesk(tmp_path)
    desk.close()
    assert json.dumps([*tmp_path.iterdir()]) == "[]"
