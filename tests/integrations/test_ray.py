"""A local cluster of two nodes against one process."""

import os
import socket
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from al_server import plugins
from al_server.campaign.embedding import make_embedder
from al_server.errors import BadInput
from embeddings.cache import VectorCache
from embeddings.embedder import embed_all
from embeddings.errors import EmbedderUnavailable
from tests.cli.conftest import Al, al  # noqa: F401 -- a fixture
from tests.embeddings.test_timm_embedder import NAME, network, saved

pytestmark = [
    pytest.mark.slow,
    # of Ray itself, on its way out
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def small_node() -> dict[str, Any]:
    """A node of one CPU; its ports are told, because Ray waits only seconds to be told them."""
    with ExitStack() as stack:
        free = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(4)]
        ports = [one.getsockname()[1] for one in free]
    names = ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port",
             "runtime_env_agent_port")  # fmt: skip
    return {
        "num_cpus": 1,
        "object_store_memory": 100_000_000,
        "include_dashboard": False,
        **dict(zip(names, ports, strict=True)),
    }


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[str]:
    """The address of a cluster of two nodes on this machine, one CPU each."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install -r requirements-ray.txt")
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_raylet_start_wait_time_s"] = "300"  # a busy machine may need long
    cluster = Cluster(initialize_head=True, head_node_args=small_node())
    try:
        cluster.add_node(**small_node())
        cluster.wait_for_nodes()
        yield cluster.address
    finally:
        cluster.shutdown()


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    (tmp_path / "photos").mkdir()
    rng = np.random.default_rng(0)
    files = [tmp_path / "photos" / f"{number:02}.jpg" for number in range(40)]
    for path in files:
        Image.fromarray(rng.integers(0, 256, (50, 60, 3), dtype=np.uint8)).save(path)
    files[7].write_bytes(files[3].read_bytes())
    files[21].write_bytes(b"no picture")
    return files


def _spawning() -> ProcessPoolExecutor:
    # a fork of a process that has used OpenMP ends at once
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


def ray_door() -> Any:
    return plugins.load(plugins.INTEGRATIONS, "ray")


def test_a_network_on_two_nodes_gives_the_vectors_of_one_process(
    two_nodes: str, photos: list[Path], tmp_path: Path
) -> None:
    name, weights = f"timm:{NAME}", saved(network(), tmp_path / "weights.pth")
    here = make_embedder(name, checkpoint=weights, sample=(), state_dir=None)
    one = embed_all(here, photos, cache=None, batch_size=4)
    with (
        VectorCache(tmp_path / "vectors.db") as cache,
        ray_door().embedder(name, checkpoint=weights, sample=photos, address=two_nodes) as there,
    ):
        assert len(there._workers) == 2
        two = embed_all(there, photos, cache=cache, batch_size=4)
        np.testing.assert_allclose(two.vectors, one.vectors, atol=1e-5)
        assert two.failures == one.failures
        assert np.array_equal(two.positions, one.positions)
        # what a cluster has embedded, one process need not
        known = embed_all(_Blind(here), photos, cache=cache, batch_size=4)
    assert np.array_equal(known.vectors, two.vectors)


class _Blind:
    """An embedder that must find everything in the cache."""

    def __init__(self, embedder: Any) -> None:
        self.id, self.n_features, self.content = embedder.id, embedder.n_features, embedder.content

    def embed_batch(self, items: Any) -> Any:
        raise AssertionError(f"{len(items)} items were not in the cache")


def test_the_command_embeds_texts_on_a_cluster_with_an_embedder_that_was_fitted_here(
    two_nodes: str,
    al: Al,  # noqa: F811
    tmp_path: Path,
) -> None:
    rows = [f"the {word} is {mood}" for word in ("tea", "sea", "bee") for mood in ("calm", "hot")]
    (tmp_path / "a.csv").write_text("text\n" + "\n".join(rows) + "\n")
    common = ("embed", tmp_path / "a.csv", "--column", "text", "--embedder", "tfidf")
    here = ("--out", tmp_path / "here.npz", "--data", tmp_path / "here")
    there = ("--out", tmp_path / "there.npz", "--data", tmp_path / "there", "--ray", two_nodes)
    assert al(*common, *here).exit_code == 0
    result = al(*common, *there)
    assert result.exit_code == 0, result.stderr
    with np.load(tmp_path / "here.npz") as one, np.load(tmp_path / "there.npz") as two:
        np.testing.assert_allclose(two["X"], one["X"], atol=1e-5)
        assert one["ids"].tolist() == two["ids"].tolist()


def test_the_executor_runs_calls_and_hands_over_results_and_errors(two_nodes: str) -> None:
    with ray_door().executor(two_nodes) as executor:
        futures = [executor.submit(divmod, 17, n) for n in range(4)]
        assert [future.result(60) for future in futures[1:]] == [(17, 0), (8, 1), (5, 2)]
        with pytest.raises(ZeroDivisionError):
            futures[0].result(60)
        assert list(executor.map(pow, [2, 3], [5, 2])) == [32, 9]
    with pytest.raises(RuntimeError, match="shut down"):
        executor.submit(divmod, 1, 1)


def test_a_comparison_on_the_cluster_is_the_one_of_processes(
    two_nodes: str, tmp_path: Path
) -> None:
    from al_server.lab.comparison import compare
    from al_server.lab.data import LabeledData
    from al_server.lab.plan import Plan

    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=150)
    rows = np.eye(3)[labels] + 0.5 * rng.standard_normal((150, 3))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    data = LabeledData("toy", rows.astype(np.float32), labels.astype(np.int64), ("a", "b", "c"))
    plan = Plan(strategies=("margin",), budget=12, repeats=2)
    curves = []
    with ray_door().executor(two_nodes) as ray, _spawning() as processes:
        for place, executor in enumerate((ray, processes)):
            found = compare(data, plan, out=tmp_path / str(place), executor=executor)
            curves.append([{**row, "select_s": 0.0} for row in found.curves])
    np.testing.assert_equal(curves[0], curves[1])


def test_a_cluster_that_is_not_there_is_said_in_one_line() -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install -r requirements-ray.txt")
    with pytest.raises(BadInput, match=r"no Ray cluster answers at 127\.0\.0\.1:9"):
        ray_door().executor("127.0.0.1:9")


def test_without_ray_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(BadInput, match="not installed") as raised:
        ray_door().executor("local")
    assert "requirements-ray.txt" in raised.value.remedy


def test_an_embedder_that_cannot_be_made_is_told_as_it_is_without_a_cluster(
    two_nodes: str, tmp_path: Path
) -> None:
    with (
        pytest.raises(EmbedderUnavailable, match="knows no network"),
        ray_door().embedder("timm:no_net", checkpoint=None, sample=(), address=two_nodes),
    ):
        pass
