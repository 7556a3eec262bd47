from pathlib import Path

import numpy as np

from tests.benchmarks.data import gauss
from tests.cli.conftest import Al


def test_the_verdict_comes_first_then_the_numbers(al: Al, tmp_path: Path):
    np.save(tmp_path / "noise.npy", gauss(200, 32).embeddings)
    result = al("preflight", tmp_path / "noise.npy", "--budget", "20", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Active learning is unlikely to help here")
    assert (tmp_path / "out" / "preflight.txt").read_text("utf-8") == result.stdout
    plain = al.json("preflight", tmp_path / "noise.npy", "--budget", "20")
    assert plain["outlook"] == "unlikely to help"
    assert result.stdout.startswith(plain["verdict"])


def test_what_is_no_pool_of_vectors_is_refused(al: Al, tmp_path: Path):
    result = al("preflight", tmp_path)
    assert result.exit_code == 1
    error, remedy = result.stderr.splitlines()
    assert error == f"error: {tmp_path} holds no vectors"
    assert "al-server embed" in remedy
