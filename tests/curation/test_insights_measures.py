"""What a curation changed, in numbers: against slow loops."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from al_server.curation import insights_measures as measures
from al_server.curation.curated import Curated, Step


def _points(n: int = 200) -> NDArray[np.float32]:
    # few directions: duplicates and equal distances abound
    vectors = np.random.default_rng(1).integers(-3, 4, size=(n, 3)).astype(np.float32)
    return vectors


def _slow(
    vectors: NDArray[np.float32], query: int, among: NDArray[np.int64], *, euclidean: bool
) -> list[tuple[float, int]]:
    found = []
    for row in among.tolist():
        if row != query:
            length = float(np.linalg.norm(vectors[row].astype(float) - vectors[query]))
            found.append((length if euclidean else length**2 / 2, row))
    return sorted(found)


@pytest.mark.parametrize("euclidean", [True, False])
def test_nearest_equals_a_loop(euclidean: bool) -> None:
    vectors = _points() if euclidean else measures.unit_rows(_points())
    among = np.arange(0, 200, 2)
    found = measures._nearest(vectors, np.arange(50), among, euclidean=euclidean)
    truth = [_slow(vectors, query, among, euclidean=euclidean)[0][0] for query in range(50)]
    assert found == pytest.approx(truth, abs=1e-6)


def test_what_lies_far_from_the_origin_keeps_its_digits() -> None:
    vectors = _points() + np.float32(1e4)
    found = measures._nearest(vectors, np.arange(200), np.arange(200), euclidean=True)
    truth = [_slow(vectors, one, np.arange(200), euclidean=True)[0][0] for one in range(200)]
    assert found == pytest.approx(truth, rel=1e-5)


def test_duplicates_are_at_distance_zero_and_nothing_is_its_own_neighbor() -> None:
    vectors = measures.unit_rows(np.array([[1, 2], [1, 2], [3, -1]], np.float32))
    found = measures._nearest(vectors, np.arange(3), np.arange(3), euclidean=False)
    assert found[:2].tolist() == [0, 0] and found[2] > 0.1
    alone = measures._nearest(vectors, np.array([1]), np.array([1]), euclidean=False)
    assert alone.tolist() == [np.inf]


def _curated(n: int, kept: NDArray[np.int64]) -> Curated:
    removed = np.setdiff1d(np.arange(n), kept)
    nothing = np.full(len(removed), np.nan, np.float32)
    return Curated(
        [str(row) for row in range(n)],
        kept,
        removed,
        (Step("x", "x", len(removed)),),
        np.zeros(len(removed), np.int8),
        np.full(len(removed), -1),
        nothing,
        nothing,
    )


@pytest.mark.parametrize("n_kept", [1, 40, 150, 199, 200])
def test_the_cover_is_that_of_all_samples(n_kept: int) -> None:
    vectors = _points()
    kept = np.sort(np.random.default_rng(2).choice(200, n_kept, replace=False))
    found = measures.cover(
        _curated(200, kept), vectors, euclidean=True, rng=np.random.default_rng(0)
    )
    truth = np.sort([np.linalg.norm(vectors[kept] - one, axis=1).min() for one in vectors])
    assert found is not None and found.is_exact
    assert dict(found.quantiles)["the farthest"] == pytest.approx(truth[-1], abs=1e-5)
    assert dict(found.quantiles)["90%"] == pytest.approx(truth[179], abs=1e-5)
    assert dict(found.quantiles)["half of all samples"] == pytest.approx(truth[99], abs=1e-5)


def test_the_farthest_that_one_stands_for_is_told_apart_from_outliers() -> None:
    vectors = np.array([[0], [1], [3], [50]], np.float32)
    curated = replace(_curated(4, np.array([0])), because_of=np.array([0, 0, -1]))
    rng = np.random.default_rng(0)
    found = measures.cover(curated, vectors, euclidean=True, rng=rng)
    assert found is not None
    assert (dict(found.quantiles)["the farthest"], found.farthest_covered) == (50, 3)
    nobody = measures.cover(_curated(4, np.array([0])), vectors, euclidean=True, rng=rng)
    assert nobody is not None and nobody.farthest_covered is None


def test_histograms_hold_every_sample_once() -> None:
    vectors = measures.unit_rows(np.random.default_rng(0).standard_normal((90, 4)).astype("f4"))
    kept = np.arange(0, 90, 3)
    found = measures.histogram(
        _curated(90, kept), vectors, euclidean=False, rng=np.random.default_rng(0)
    )
    assert found.before.sum() == pytest.approx(1) and found.after.sum() == pytest.approx(1)
    assert (found.n_before, found.n_after) == (90, 30)
    truth = [_slow(vectors, row, kept, euclidean=False)[0][0] for row in kept.tolist()]
    assert found.medians[1] == pytest.approx(np.median(truth), abs=1e-6)
    assert found.medians[1] > found.medians[0]


def test_classes_and_clusters_are_counted() -> None:
    classes = np.array([0, 0, 0, 1, 1, -1, 7, 0])
    curated = _curated(8, np.array([0, 3, 4]))
    assert measures.class_balance(curated, classes, ["a", "b"]) == [
        ("a", 4, 1),
        ("b", 2, 2),
        ("(no class)", 1, 0),
        ("class 7", 1, 0),
    ]
    vectors = np.repeat(np.eye(2, dtype=np.float32), [60, 40], axis=0)
    clusters = measures.cluster_balance(
        _curated(100, np.arange(30)), vectors, rng=np.random.default_rng(0)
    )
    assert clusters == [("cluster 1", 60, 30), ("cluster 2", 40, 0)]
