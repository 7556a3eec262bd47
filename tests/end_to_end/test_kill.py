"""Eight annotators over HTTP while the server is killed with -9, again and again."""

import json
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.benchmarks.data import emb
from tests.end_to_end.annotator import Annotator
from tests.end_to_end.claims import Exported, faults
from tests.end_to_end.server import Server, running, wait_until_ready

N_SAMPLES, N_FEATURES, N_CLASSES = 6_000, 32, 5
N_ANNOTATORS, N_LABELS, N_KILLS = 8, 4_000, 5
CAMPAIGN = "killed"
SEED = 0

pytestmark = pytest.mark.slow


def _make_campaign(server: Server) -> dict[str, str]:
    """Make the campaign and return the label of every sample."""
    made = emb(N_SAMPLES, N_FEATURES, n_classes=N_CLASSES, seed=SEED)
    sample_ids = [f"s{number:04d}" for number in range(N_SAMPLES)]
    source = server.folder / "pool.npz"
    np.savez(source, X=made.embeddings, ids=np.array(sample_ids))
    spec = {
        "name": CAMPAIGN,
        "classes": [f"class {c}" for c in range(N_CLASSES)] + ["wrong"],
        "source": {"kind": "npz", "path": str(source)},
        "lease_s": 3600,
    }
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        assert client.post("/api/v1/campaigns", json=spec).status_code == 201
        wait_until_ready(client, CAMPAIGN)
    return {one: f"class {c}" for one, c in zip(sample_ids, made.classes, strict=True)}


def _export(server: Server) -> list[Exported]:
    address = f"{server.url}/api/v1/campaigns/{CAMPAIGN}/export"
    params = {"format": "jsonl", "skips": "true"}
    lines = httpx.get(address, params=params, trust_env=False, timeout=60).text.splitlines()
    rows = [json.loads(line) for line in lines]
    return [Exported(row["sample_id"], row["annotator"], row["label"]) for row in rows]


def _kill_on_the_way(
    server: Server, annotators: list[Annotator], working: list["Future[None]"]
) -> None:
    """Kill and start again at random moments."""
    rng = np.random.default_rng(SEED)
    for after in np.sort(rng.uniform(0.02, 0.95, N_KILLS)) * N_LABELS:
        while sum(one.claims.n_labels for one in annotators) < after:
            for future in working:
                if future.done():
                    future.result()  # one that failed ends the test here
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.05))
        server.kill()
        server.start()


def test_no_answer_is_lost_or_doubled_when_the_server_is_killed(tmp_path: Path) -> None:
    with running(tmp_path) as server, ThreadPoolExecutor(N_ANNOTATORS) as threads:
        label_of = _make_campaign(server)
        annotators = [
            Annotator(
                f"annotator {number}",
                url=server.url,
                campaign=CAMPAIGN,
                label_of=label_of.__getitem__,
                wrong_label="wrong",
                seed=number,
            )
            for number in range(N_ANNOTATORS)
        ]
        share = N_LABELS // N_ANNOTATORS
        working = [threads.submit(one.give, share) for one in annotators]
        _kill_on_the_way(server, annotators, working)
        for future in working:
            future.result()
        claims = [one.claims for one in annotators]
        assert faults(claims, _export(server)) == []
        assert sum(one.n_repeats for one in annotators) > 0, "no request met a dead server"
        info = httpx.get(f"{server.url}/api/v1/campaigns/{CAMPAIGN}", trust_env=False).json()
        assert info["n_labeled"] == info["n_answers"] == N_LABELS
        assert info["n_pending"] == 0
        n_skipped = sum(len(one.answers) - one.n_labels for one in claims)
        assert info["n_skipped"] == n_skipped > 0

        assert server.stop() == 0, server.said()
        server.start()
        assert faults(claims, _export(server)) == []
