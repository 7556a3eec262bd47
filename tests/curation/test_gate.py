import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from al_server.curation import Pipeline
from al_server.curation.gate import Gate
from al_server.errors import ALError, BadInput
from tests.sources.damages import DAMAGES

KEPT = np.array([[1.0, 0], [0, 1], [-1, 0]])


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_verdicts_are_those_of_a_loop_over_all_pairs(metric: str):
    rng = np.random.default_rng(0)
    kept = rng.normal(size=(200, 5)).astype(np.float32)
    given = np.concatenate([kept[:20], kept[20:40] + 0.01, rng.normal(size=(200, 5)) * 3])
    ids = [str(row) for row in range(200)]
    gate = Gate.fit(kept, ids, duplicate_distance=0.05, outlier_distance=0.9, metric=metric)
    judged = gate.judge(given)

    def distance(one, other):
        if metric == "euclidean":
            return np.linalg.norm(one - other)
        return 1 - one @ other / np.linalg.norm(one) / np.linalg.norm(other)

    for row, vector in enumerate(given.astype(np.float32).astype(np.float64)):
        distances = [distance(vector, other) for other in kept.astype(np.float64)]
        least = min(distances)
        assert judged.distances[row] == pytest.approx(least, abs=1e-5)
        assert distances[judged.nearest[row]] == pytest.approx(least, abs=1e-6)
        wanted = "duplicate" if least <= 0.05 else "outlier" if least > 0.9 else "new"
        assert judged.verdicts[row] == wanted
    assert set(judged.verdicts) == {"new", "duplicate", "outlier"} or metric == "cosine"


def test_a_gate_is_the_same_after_it_was_saved(tmp_path: Path):
    gate = Gate.fit(
        KEPT, ["a", "ü", "c"], duplicate_distance=0.1, outlier_distance=np.inf, embedder="e"
    )
    gate.save(tmp_path / "gate.npz")
    again = Gate.load(tmp_path / "gate.npz")
    np.testing.assert_array_equal(gate.vectors, again.vectors)
    assert (again.sample_ids, again.embedder, again.metric) == (["a", "ü", "c"], "e", "cosine")
    assert (again.duplicate_distance, again.outlier_distance) == (0.1, np.inf)


def test_one_long_id_makes_no_large_file(tmp_path: Path):
    ids = [*map(str, range(5000)), "x" * 1000]
    gate = Gate.fit(np.ones((5001, 1)), ids, duplicate_distance=0.1, outlier_distance=1)
    gate.save(tmp_path / "gate.npz")
    assert (tmp_path / "gate.npz").stat().st_size < 100_000
    assert Gate.load(tmp_path / "gate.npz").sample_ids == ids


def test_what_is_no_gate_is_refused_and_no_pickle_is_opened(tmp_path: Path):
    np.savez(tmp_path / "a.npz", X=KEPT)
    np.savez(tmp_path / "b.npz", X=np.array([object()]), distances=np.zeros(2), names=["a", "b"])
    (tmp_path / "c.npz").write_bytes(b"PK")
    Gate.fit(KEPT, ["a", "b", "c"], duplicate_distance=0.1, outlier_distance=1).save(
        tmp_path / "whole.npz"
    )
    with np.load(tmp_path / "whole.npz") as arrays:
        whole = dict(arrays)
    np.savez(tmp_path / "e.npz", **{**whole, "ids": np.array(["a", "b", "c"])})
    np.savez(tmp_path / "f.npz", **{**whole, "ends": np.array([1, 2, 4])})
    np.savez(tmp_path / "g.npz", **{**whole, "distances": np.array(["near", "far"])})
    os.mkfifo(tmp_path / "h.npz")
    for name in "abcdefgh":
        with pytest.raises(BadInput, match="is no gate"):
            Gate.load(tmp_path / f"{name}.npz")


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_gate_is_refused(tmp_path: Path, damage: Callable[[Path], None]):
    np.savez_compressed(tmp_path / "gate.npz", X=KEPT, distances=np.zeros(2))
    damage(tmp_path / "gate.npz")
    with pytest.raises(BadInput, match="is no gate"):
        Gate.load(tmp_path / "gate.npz")


def test_thresholds_are_the_shares_that_a_curation_removed():
    rng = np.random.default_rng(1)
    crowd = rng.normal(size=(300, 4)) * 0.2 + [5, 0, 0, 0]
    copies = crowd[:60] + rng.normal(size=(60, 4)) * 1e-4
    far = np.array([[-5.0, 0, 0, 0], [0, 5, 0, 0], [0, 0, -5, 0], [0, 0, 0, 5]])
    vectors = np.concatenate([crowd, copies, far])
    pipeline = Pipeline(vectors, [str(row) for row in range(len(vectors))], metric="euclidean")
    curated = pipeline.run(outliers=4, similars=60)
    gate = Gate.of(pipeline, curated)
    assert len(gate.vectors) == 300
    assert set(curated.removed[curated.step_of == 0]) == {360, 361, 362, 363}
    assert set(gate.judge(far + 0.01).verdicts) == {"outlier"}
    similar = curated.removed[curated.step_of == 1]
    assert set(gate.judge(vectors[similar]).verdicts) == {"duplicate"}
    fresh = rng.normal(size=(300, 4)) * 0.2 + [5, 0, 0, 0]
    assert gate.judge(fresh).verdicts.count("new") > 290


def test_without_outliers_nothing_is_one_and_without_similars_only_equals_are_duplicates():
    pipeline = Pipeline(np.eye(6), list("abcdef"))
    gate = Gate.of(pipeline, pipeline.run(keep=5))
    assert gate.judge(-np.ones((1, 6))).verdicts == ["new"]
    assert gate.judge(gate.vectors * 7).verdicts == ["duplicate"] * 5


@pytest.mark.parametrize("where", ["to reach the number", "in the chain", "as similars"])
def test_what_was_only_too_many_makes_no_duplicates(where: str):
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(400, 6))
    ids = [str(row) for row in range(400)]
    if where == "in the chain":
        pipeline = Pipeline(vectors, ids, metric="euclidean", chain=("coreset",))
        curated = pipeline.run({"coreset": "75%"})
    else:
        keep_by = "similars" if where == "as similars" else "coreset"
        pipeline = Pipeline(vectors, ids, metric="euclidean", keep_by=keep_by)
        curated = pipeline.run(outliers="1%", keep="25%")
    gate = Gate.of(pipeline, curated)
    fresh = rng.normal(size=(400, 6))
    assert gate.judge(fresh).verdicts.count("duplicate") == 0
    assert gate.judge(gate.vectors).verdicts == ["duplicate"] * len(gate.vectors)


def test_duplicates_are_found_the_same_when_a_number_was_reached_afterwards():
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(300, 6))
    vectors[200:] = vectors[:100] + 1e-3 * rng.normal(size=(100, 6))
    ids = [str(row) for row in range(300)]
    distances = set()
    for keep_by in ("coreset", "similars"):
        pipeline = Pipeline(vectors, ids, metric="euclidean", keep_by=keep_by)
        gate = Gate.of(pipeline, pipeline.run(similars=100, keep=50))
        distances.add(gate.duplicate_distance)
    assert len(distances) == 1 and 1e-3 < distances.pop() < 1e-2


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_the_nearest_is_found_far_from_the_origin(metric: str):
    rng = np.random.default_rng(4)
    kept = (5000 + rng.normal(size=(300, 16))).astype(np.float32)
    given = (5000 + rng.normal(size=(200, 16))).astype(np.float32)
    gate = Gate.fit(
        kept, [str(r) for r in range(300)], duplicate_distance=0, outlier_distance=9, metric=metric
    )
    exact = given.astype(np.float64)
    if metric == "cosine":
        exact = exact / np.linalg.norm(exact, axis=1, keepdims=True)
    truth = np.linalg.norm(exact[:, None] - gate.vectors.astype(np.float64), axis=2)
    judged = gate.judge(given)
    chosen = truth[np.arange(200), judged.nearest]
    # unit rows in single precision are rounded themselves
    error = 1e-6 if metric == "euclidean" else 2e-3
    assert (chosen <= truth.min(axis=1) * (1 + error)).all()
    assert gate.judge(kept).nearest.tolist() == list(range(300))


def test_what_is_too_far_away_to_be_measured_is_refused():
    gate = Gate.fit(KEPT, list("abc"), duplicate_distance=0, outlier_distance=1, metric="euclidean")
    with pytest.raises(BadInput, match="row 1 is too far away"):
        gate.judge(np.array([[1.0, 1], [1e30, 1]]))


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.ones((2, 3)), "3 numbers each, those of the gate 2"),
        (np.array([[1, np.nan]]), "NaN"),
        (np.zeros((1, 2)), "only zeros"),
    ],
)
def test_vectors_that_cannot_be_judged_are_refused(vectors: np.ndarray, message: str):
    gate = Gate.fit(KEPT, list("abc"), duplicate_distance=0.1, outlier_distance=1)
    with pytest.raises(ALError, match=message):
        gate.judge(vectors)


@pytest.mark.parametrize(("near", "far"), [(0.5, 0.1), (-1, 1), (np.nan, 1)])
def test_thresholds_that_contradict_each_other_are_refused(near: float, far: float):
    with pytest.raises(BadInput, match="duplicates within"):
        Gate.fit(KEPT, list("abc"), duplicate_distance=near, outlier_distance=far)


def test_a_gate_remembers_what_embedded_and_says_where_verdicts_begin(tmp_path: Path):
    made = Gate.fit(KEPT, ["a", "b", "c"], duplicate_distance=0.0125, outlier_distance=np.inf)
    gate = replace(made, embedder_name="timm:ü", checkpoint="/a b/ü.pth")
    gate.save(tmp_path / "gate.npz")
    again = Gate.load(tmp_path / "gate.npz")
    assert (again.embedder_name, again.checkpoint) == ("timm:ü", "/a b/ü.pth")
    assert again.described() == "duplicate up to 0.0125, no outliers (cosine)"
    assert again.thresholds()["outlier_distance"] is None
    far = replace(gate, outlier_distance=0.5)
    assert far.described() == "duplicate up to 0.0125, outlier beyond 0.5 (cosine)"
