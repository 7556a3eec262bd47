import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from embeddings import reduction_fit
from embeddings.errors import EmbedderUnavailable
from embeddings.installing import how_to_install
from embeddings.reduction import (
    METHODS,
    Reduction,
    ReductionName,
    apply_all,
    load_reduction,
    parse_reduction,
)
from embeddings.reduction_fit import fit_reduction

LINEAR = [method for method in METHODS if method != "umap"]


def flat_vectors(n: int, n_given: int, n_true: int, *, seed: int = 0) -> NDArray[np.float32]:
    """Unit rows that lie in a plane of `n_true` dimensions through the origin."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(n_given, n_true)))[0]
    rows = rng.normal(size=(n, n_true)) * np.arange(n_true, 0, -1) @ axes.T
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("pca:64", ReductionName("pca", 64)),
        ("svd", ReductionName("svd", 64)),
        ("pca_whiten:2", ReductionName("pca_whiten", 2)),
        ("none", None),
        (None, None),
    ],
)
def test_a_name_says_method_and_width(text: str | None, read: ReductionName | None):
    assert parse_reduction(text) == read
    if read is not None:
        assert parse_reduction(str(read)) == read


@pytest.mark.parametrize("text", ["pac:64", "", "PCA:64", ":64"])
def test_an_unknown_method_is_answered_with_those_there_are(text: str):
    with pytest.raises(EmbedderUnavailable) as caught:
        parse_reduction(text)
    assert all(method in caught.value.remedy for method in METHODS)


def test_a_slip_is_guessed():
    with pytest.raises(EmbedderUnavailable) as caught:
        parse_reduction("pac:32")
    assert "did you mean pca:32?" in caught.value.remedy


@pytest.mark.parametrize("text", ["pca:", "pca:1", "pca:x", "pca:-3", "pca:6.4", "pca:²"])
def test_a_width_that_is_none_is_refused(text: str):
    with pytest.raises(EmbedderUnavailable, match="does not say how many"):
        parse_reduction(text)


@pytest.mark.parametrize("method", LINEAR)
@pytest.mark.parametrize("shape", [(30, 8), (4, 8), (8, 3), (1, 5), (2, 2)])
def test_the_width_is_the_least_of_what_is_asked_and_what_there_is(
    method: str, shape: tuple[int, int]
):
    vectors = flat_vectors(*shape, n_true=shape[1])
    reduced = fit_reduction(f"{method}:6", vectors, seed=0).apply(vectors)
    assert reduced.shape == (shape[0], min(6, *shape))
    np.testing.assert_allclose(np.linalg.norm(reduced, axis=1), 1, atol=1e-6)


def test_svd_keeps_all_cosines_of_vectors_that_lie_in_so_few_dimensions():
    vectors = flat_vectors(200, 40, 5)
    reduced = fit_reduction("svd:5", vectors, seed=0).apply(vectors)
    np.testing.assert_allclose(reduced @ reduced.T, vectors @ vectors.T, atol=1e-5)


def test_pca_is_the_components_around_the_mean():
    vectors = flat_vectors(100, 12, 12)
    reduced = fit_reduction("pca:3", vectors, seed=0).apply(vectors)
    centered = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    axes = np.linalg.svd(centered, full_matrices=False)[2][:3]
    truth = centered @ axes.T
    truth /= np.linalg.norm(truth, axis=1, keepdims=True)
    np.testing.assert_allclose(np.abs(reduced), np.abs(truth), atol=1e-4)
    np.testing.assert_allclose(reduced @ reduced.T, truth @ truth.T, atol=1e-4)


def test_whitening_makes_every_component_as_loud():
    vectors = flat_vectors(5000, 10, 10)
    loud = fit_reduction("pca:10", vectors, seed=0).apply(vectors).std(axis=0)
    even = fit_reduction("pca_whiten:10", vectors, seed=0).apply(vectors).std(axis=0)
    assert loud.max() / loud.min() > 4
    assert even.max() / even.min() < 1.3


def test_a_random_projection_keeps_cosines_roughly_and_needs_no_pool():
    vectors = flat_vectors(100, 500, 100)
    reduction = fit_reduction("random:400", np.tile(vectors, (5, 1)), seed=1)
    errors = reduction.apply(vectors) @ reduction.apply(vectors).T - vectors @ vectors.T
    assert np.abs(errors).max() < 0.25 and np.abs(errors).mean() < 0.05
    other = fit_reduction("random:400", np.roll(np.tile(vectors, (5, 1)), 3, axis=1), seed=1)
    assert other.id == reduction.id


def test_a_random_projection_depends_on_width_and_seed_alone(monkeypatch: pytest.MonkeyPatch):
    few = fit_reduction("random:4", flat_vectors(50, 20, 20), seed=1)
    monkeypatch.setattr(reduction_fit, "FIT_LIMIT", 100)  # more are read in part
    assert fit_reduction("random:4", flat_vectors(300, 20, 20), seed=1).id == few.id
    assert fit_reduction("random:4", flat_vectors(50, 20, 20), seed=2).id != few.id


@pytest.mark.parametrize("method", LINEAR)
def test_the_same_vectors_and_seed_give_the_same_map(method: str):
    vectors = flat_vectors(300, 20, 20)
    first, again = (fit_reduction(f"{method}:5", vectors, seed=2**63 - 1) for _ in range(2))
    assert first.id == again.id
    assert np.array_equal(first.apply(vectors), again.apply(vectors))


@pytest.mark.parametrize("method", LINEAR)
def test_later_samples_go_the_same_way_after_a_restart(method: str, tmp_path: Path):
    vectors = flat_vectors(9000, 6, 6)  # more than a block
    reduction = fit_reduction(f"{method}:4", vectors[:50], seed=0)
    reduction.save(tmp_path / "r.npz")
    loaded = load_reduction(tmp_path / "r.npz")
    assert loaded.id == reduction.id
    together = loaded.apply(vectors)
    apart = np.concatenate([loaded.apply(vectors[at : at + 1]) for at in (0, 4096, 8999)])
    np.testing.assert_allclose(together[[0, 4096, 8999]], apart, atol=1e-6)


def test_a_large_pool_is_read_in_part_and_mapped_from_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reduction_fit, "FIT_LIMIT", 100)
    n_read = 0

    class Counting(np.memmap):  # type: ignore[type-arg]
        def __getitem__(self, key: Any) -> Any:
            nonlocal n_read
            part = np.asarray(super().__getitem__(key))
            n_read += len(part)
            return part

    vectors = flat_vectors(3000, 8, 3)
    mapped = Counting(tmp_path / "v", np.float32, "w+", shape=vectors.shape)
    np.copyto(mapped, vectors)
    reduction = fit_reduction("svd:3", mapped, seed=0)
    assert n_read == 100
    # the plane is found from any hundred of its vectors
    reduced = reduction.apply(mapped)
    assert n_read == 3100
    np.testing.assert_allclose(reduced @ reduced.T, vectors @ vectors.T, atol=1e-5)


def test_vectors_that_are_all_alike_stay_so():
    vectors = np.tile(flat_vectors(1, 5, 5), (7, 1))
    for method in LINEAR:
        reduced = fit_reduction(f"{method}:3", vectors, seed=0).apply(vectors)
        assert np.array_equal(reduced, np.tile(reduced[0], (7, 1)))


def test_a_vector_of_which_nothing_is_left_becomes_the_first_axis():
    reduction = Reduction(
        {"mean": np.float32([0, 0, 1]), "projection": np.eye(3, 2, dtype=np.float32)}
    )
    reduced = reduction.apply(np.float32([[0, 0, 1], [0, 1, 0], [0.6, 0, 0.8]]))
    np.testing.assert_array_equal(reduced, [[1, 0], [0, 1], [1, 0]])


def test_a_vector_that_nearly_vanishes_does_not_depend_on_its_company():
    state = {"mean": np.float32([0, 0, 1]), "projection": np.eye(3, 2, dtype=np.float32)}
    reduction = Reduction(state)
    near = np.float32([[3e-7, 4e-7, 1]])
    others = np.tile(np.float32([[0.6, 0, 0.8]]), (50, 1))
    alone = reduction.apply(near)
    assert np.array_equal(reduction.apply(np.concatenate([near, others]))[:1], alone)
    assert alone.tolist() == [[1, 0]]


def test_maps_are_applied_in_their_order():
    first = Reduction({"mean": np.zeros(2, np.float32), "projection": np.float32([[1, 0], [0, 3]])})
    second = Reduction({"mean": np.float32([0, 0.6]), "projection": np.eye(2, dtype=np.float32)})
    vectors = np.float32([[0.8, 0.6]])
    np.testing.assert_array_equal(
        apply_all([first, second], vectors), second.apply(first.apply(vectors))
    )
    assert apply_all([], vectors) is vectors


def test_another_width_is_refused_with_both_figures():
    reduction = fit_reduction("pca:2", flat_vectors(9, 4, 4), seed=0)
    with pytest.raises(ValueError, match=r"\(3, 5\).*\(n, 4\)"):
        reduction.apply(np.zeros((3, 5), np.float32))


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (4,)])
def test_nothing_cannot_be_fitted_to(shape: tuple[int, ...]):
    with pytest.raises(ValueError, match="vectors have shape"):
        fit_reduction("pca:2", np.zeros(shape, np.float32), seed=0)


def test_a_lost_or_damaged_map_is_never_fitted_anew(tmp_path: Path):
    with pytest.raises(EmbedderUnavailable, match="is lost"):
        load_reduction(tmp_path / "r.npz")
    (tmp_path / "r.npz").write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(EmbedderUnavailable, match="damaged") as caught:
        load_reduction(tmp_path / "r.npz")
    assert "copy" in caught.value.remedy and "delete" not in caught.value.remedy


def test_a_fitted_vector_keeps_its_place_and_a_new_one_goes_between():
    fitted = np.eye(3, dtype=np.float32)
    reduction = Reduction({"fitted": fitted, "placed": fitted[[1, 2, 0]]})
    np.testing.assert_allclose(reduction.apply(fitted), fitted[[1, 2, 0]], atol=1e-6)
    (between,) = reduction.apply(np.float32([[np.sqrt(0.5), np.sqrt(0.5), 0]]))
    assert abs(between[1] - between[2]) < 1e-6 and between[1] > 0.6 and between[0] < 0.2


def test_umap_without_its_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(EmbedderUnavailable) as caught:
        fit_reduction("umap:4", flat_vectors(30, 8, 8), seed=0)
    assert how_to_install("umap") in caught.value.remedy


@pytest.mark.slow
def test_umap_keeps_groups_together_for_new_samples_too():
    pytest.importorskip("umap", reason="umap-learn is not installed")
    rng = np.random.default_rng(0)
    groups = rng.integers(4, size=160)
    rows = 3 * np.eye(4, 12)[groups] + 0.5 * rng.normal(size=(160, 12))
    vectors = np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)
    reduction = fit_reduction("umap:4", vectors[:120], seed=0)
    reduced = reduction.apply(vectors)
    assert reduced.shape == (160, 4)
    np.testing.assert_allclose(np.linalg.norm(reduced, axis=1), 1, atol=1e-6)
    similar = reduced[120:] @ reduced[:120].T
    assert (groups[:120][similar.argmax(axis=1)] == groups[120:]).mean() > 0.95
    assert fit_reduction("umap:4", vectors[:120], seed=0).id == reduction.id
