import csv
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Al
from tests.cli.filtered import PLAIN, kept
from tests.embeddings.test_timm_embedder import NAME, network, saved


def test_a_gate_judges_what_arrives_later(al: Al, pool: Path, tmp_path: Path):
    asked = ("--similars", "10%", "--outliers", "5%", "--gate", "--out", tmp_path / "out")
    assert al("filter", pool, *asked, *PLAIN, tmp_path).exit_code == 0
    with np.load(pool) as arrays:
        vectors = dict(zip(arrays["ids"].tolist(), arrays["X"], strict=True))
    names = kept(tmp_path / "out")[:3]
    arrived = tmp_path / "arrived.npz"
    np.savez(arrived, X=np.array([vectors[name] for name in names]), ids=np.array(["a", "b", "c"]))
    verdicts = tmp_path / "verdicts.csv"
    said = al.json(
        "gate", arrived, "--against", tmp_path / "out", "--out", verdicts, "--data", tmp_path
    )
    assert (said["new"], said["duplicate"], said["outlier"]) == (0, 3, 0)
    with verdicts.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["file"], row["verdict"], row["nearest"]) for row in rows] == [
        (name, "duplicate", other) for name, other in zip("abc", names, strict=True)
    ]
    again = al("gate", arrived, "--against", tmp_path / "out", "--out", verdicts)
    assert again.exit_code == 1 and "is there" in again.stderr
    link = tmp_path / "link.csv"
    link.symlink_to(verdicts)
    again = al("gate", arrived, "--against", tmp_path / "out", "--out", link, "--overwrite")
    assert again.exit_code == 1 and f"{link} cannot be written: a link is there" in again.stderr
    assert link.is_symlink()


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return saved(network(), tmp_path / "weights.pth")


def test_a_gate_embeds_as_the_kept_samples_were_embedded(
    al: Al, photos: Path, tmp_path: Path, checkpoint: Path
):
    (photos / "odd" / "broken.png").unlink()
    data = ("--data", tmp_path / "data")
    with_network = ("--embedder", f"timm:{NAME}", "--checkpoint", checkpoint)
    asked = ("--similars", "10%", "--outliers", "10%", "--gate", "--no-insights", *with_network)
    shown = al("filter", photos, *asked, "--out", tmp_path / "kept", *data)
    assert "the gate: duplicate up to " in shown.stdout and shown.exit_code == 0
    said = al.json("filter", photos, *asked, "--out", tmp_path / "again", *data)
    assert said["gate"]["duplicate_distance"] < said["gate"]["outlier_distance"]
    against = ("gate", photos, "--against", tmp_path / "kept", "--overwrite", *data)
    judged = al.json(*against, "--out", tmp_path / "a.csv")
    assert judged["gate"] == said["gate"] and judged["duplicate"] >= len(kept(tmp_path / "kept"))
    named = al.json(*against, "--out", tmp_path / "b.csv", *with_network)
    assert {**named, "out": ""} == {**judged, "out": ""}

    other = ("--embedder", "pixels", "--out", tmp_path / "c.csv")
    cached = (tmp_path / "data" / "cache" / "vectors.db").stat().st_mtime_ns
    assert "were embedded by timm" in al(*against, *other).stderr
    assert (tmp_path / "data" / "cache" / "vectors.db").stat().st_mtime_ns == cached
    np.savez(tmp_path / "vectors.npz", X=np.eye(3))
    ready = ("gate", tmp_path / "vectors.npz", *against[2:], "--out", tmp_path / "c.csv")
    assert "were embedded by timm" in al(*ready).stderr

    moved = checkpoint.rename(tmp_path / "moved.pth")
    lost = al(*against, "--out", tmp_path / "d.csv")
    assert f"is not at {checkpoint}" in lost.stderr and "--checkpoint" in lost.stderr
    found = al.json(*against, "--out", tmp_path / "d.csv", "--checkpoint", moved)
    assert found["gate"] == said["gate"]


@pytest.mark.parametrize("embedder", [(), ("--embedder", "pixels")])
def test_a_gate_by_what_is_fitted_to_the_samples_is_refused_before_they_are_embedded(
    al: Al, photos: Path, tmp_path: Path, embedder: tuple[str, ...]
):
    asked = ("--outliers", "10%", "--gate", *embedder, "--out", tmp_path / "o", *PLAIN, tmp_path)
    result = al("filter", photos, *asked)
    assert result.exit_code == 1 and "pixels is fitted to these alone" in result.stderr
    assert "--checkpoint" in result.stderr
    assert not list(tmp_path.rglob("vectors.db"))
