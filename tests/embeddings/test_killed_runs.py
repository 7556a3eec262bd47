"""`al-server embed` with a real network, killed by the system in the middle of its work."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from embeddings.cache import VectorCache
from tests.embeddings.test_timm_embedder import NAME, network, saved

ROOT = Path(__file__).resolve().parents[2]
N_PHOTOS, N_KILLS = 150, 5
# the command itself, with a trial for few photos and among few sizes; each batch that is begun
# leaves a line with its size
SCRIPT = """
import sys
from embeddings import embedder, image_network, pipeline
from embeddings.batch_trial import BatchShape

embedder._WORTH_A_TRIAL = 100
shapes = [BatchShape(size, last) for last in (False, True) for size in (2, 4)]
image_network.ImageNetwork.batch_shapes = lambda self: shapes
answer = pipeline.answer

def told(embedder, contents):
    with open(sys.argv[1], "a") as begun:
        begun.write(f"{len(contents)}\\n")
    return answer(embedder, contents)

pipeline.answer = told
from al_server.cli import main

main(sys.argv[2:])
"""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Small JPEGs: some twice, one damaged."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(N_PHOTOS):
        path = folder / f"{number:03}.jpg"
        if number % 50 == 49:
            path.write_bytes((folder / f"{number - 7:03}.jpg").read_bytes())
        else:
            pixels = rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(path)
    (folder / "100.jpg").write_bytes((folder / "101.jpg").read_bytes()[:200])
    return folder


class Runs:
    """Runs of the command over the same photos, with a cache and an output of their own."""

    def __init__(self, folder: Path, photos: Path, weights: Path) -> None:
        self.data, self.out = folder / "data", folder / "out.npz"
        self._begun = folder / "begun.txt"
        folder.mkdir()
        self._begun.touch()
        self._command = [
            *(sys.executable, "-c", SCRIPT, str(self._begun), "embed", str(photos)),
            *("--embedder", f"timm:{NAME}", "--checkpoint", str(weights)),
            *("--out", str(self.out), "--data", str(self.data)),
        ]

    def start(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            self._command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def begun(self) -> list[int]:
        return [int(line) for line in self._begun.read_text().split()]


@pytest.mark.slow
@pytest.mark.timeout(1800)  # seven starts of torch: long on a busy machine
def test_a_run_killed_five_times_ends_with_the_same_bytes_and_lost_five_batches_at_most(
    tmp_path: Path, photos: Path
) -> None:
    weights = saved(network(), tmp_path / "weights.pth")
    undisturbed = Runs(tmp_path / "undisturbed", photos, weights)
    assert undisturbed.start().wait() == 0

    killed = Runs(tmp_path / "killed", photos, weights)
    (killed.data / "cache").mkdir(parents=True)
    _copy_notes(undisturbed, killed)
    n_largest = max(undisturbed.begun())
    for kill in range(N_KILLS):
        process, before = killed.start(), len(killed.begun())
        # while a batch is under way, and at another moment of it each time
        while len(killed.begun()) < before + 2 and process.poll() is None:
            time.sleep(0.001)
        time.sleep(0.003 * kill)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "the run ended before it was killed"
    assert not killed.out.exists()
    assert killed.start().wait() == 0

    assert killed.out.read_bytes() == undisturbed.out.read_bytes()
    n_lost = sum(killed.begun()) - sum(undisturbed.begun())
    assert 0 <= n_lost <= N_KILLS * n_largest
    with np.load(killed.out) as arrays:
        assert len(arrays["X"]) == N_PHOTOS - 1  # the damaged one
    assert sorted(os.listdir(killed.out.parent)) == ["begun.txt", "data", "out.npz"]


def _copy_notes(source: Runs, target: Runs) -> None:
    """Take the outcome of the trial over: two trials may end differently, two starts of one run
    may not.
    """
    file = Path("cache", "vectors.db")
    VectorCache(source.data / file).close()
    VectorCache(target.data / file).close()
    import sqlite3

    connection = sqlite3.connect(target.data / file)
    with connection:
        connection.execute("ATTACH ? AS other", [str(source.data / file)])
        for table in ("embedders", "notes"):
            connection.execute(f"INSERT INTO {table} SELECT * FROM other.{table}")
        n_notes = connection.execute("SELECT count(*) FROM notes").fetchone()[0]
    connection.close()
    assert n_notes == 1, "there was no trial"
