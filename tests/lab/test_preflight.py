"""The verdict before money is spent, on pools that are known to be good or hopeless."""

import json
from pathlib import Path

import numpy as np
import pytest

from al_server.errors import ALError
from al_server.lab.preflight import (
    Pool,
    Preflight,
    outlook_by_trial,
    preflight,
    read_pool,
)
from al_server.lab.preflight_text import as_plain, text_of, verdict, write
from al_server.lab.statistics import Estimate
from tests.benchmarks.data import emb, gauss


def pool_of(name: str, vectors: np.ndarray, classes: np.ndarray | None) -> Pool:
    n_classes = 0 if classes is None else int(classes.max()) + 1
    labels = np.full(len(vectors), -1) if classes is None else classes
    names = tuple(f"c{one}" for one in range(n_classes))
    return Pool(name, vectors, labels.astype(np.int64), names, None)


@pytest.fixture(scope="module")
def clustered() -> Preflight:
    made = emb(700, 16)
    return preflight(pool_of("clusters", made.embeddings, made.classes), budget=40)


@pytest.fixture(scope="module")
def noise() -> Preflight:
    return preflight(pool_of("noise", gauss(700, 64).embeddings, None), budget=40)


def test_clusters_are_told_to_help_by_a_trial_run(clustered: Preflight) -> None:
    assert clustered.outlook == "helps"
    assert clustered.trial is not None and clustered.trial.gain.low > 0
    assert clustered.trial.final[1] > clustered.trial.final[0]
    assert text_of(clustered).startswith("Active learning helps here: default gains +")


def test_noise_is_told_to_be_unlikely_to_profit_without_any_label(noise: Preflight) -> None:
    assert noise.outlook == "unlikely to help"
    assert noise.trial is None and noise.labels is None
    assert text_of(noise).startswith("Active learning is unlikely to help here")
    assert "purity and balance cannot be told" in text_of(noise)


def test_clusters_without_labels_are_guessed_to_profit() -> None:
    found = preflight(pool_of("clusters", emb(700, 16).embeddings, None), budget=40)
    assert found.outlook == "helps"
    assert "Without known labels this is a guess" in verdict(found)


def test_the_race_says_what_each_method_is_made_for(clustered: Preflight) -> None:
    runners = {one.method: one for one in clustered.race}
    assert [*runners] == ["uniform", "k_center", "typiclust", "probcover", "mass", "density"]
    assert min(runners.values(), key=lambda one: one.radius).method == "k_center"
    assert runners["typiclust"].covered > runners["uniform"].covered
    for one in runners.values():
        assert 0 <= one.covered <= 1 and one.mean_distance <= one.radius <= 2
        assert 1 <= one.n_classes <= 10


def test_picks_near_another_are_counted() -> None:
    # every sample three times: density picks crowds, k_center one of each
    vectors = np.repeat(gauss(100, 8).embeddings, 3, axis=0)
    found = preflight(pool_of("thrice", vectors, None), budget=30)
    copies = {one.method: one.copies for one in found.race}
    assert copies["k_center"] == 0
    assert copies["density"] > 10
    assert found.geometry.copies == 1
    assert "100% of the samples have a near copy" in text_of(found)


def test_the_same_seed_finds_the_same(noise: Preflight) -> None:
    again = preflight(pool_of("noise", gauss(700, 64).embeddings, None), budget=40)
    assert as_plain(again) == as_plain(noise)


def test_the_files_hold_what_is_printed_and_json_has_no_nan(
    noise: Preflight, tmp_path: Path
) -> None:
    write(noise, tmp_path / "new" / "folder")
    folder = tmp_path / "new" / "folder"
    assert (folder / "preflight.txt").read_text("utf-8") == text_of(noise) + "\n"
    plain = json.loads((folder / "preflight.json").read_text("utf-8"))
    assert plain == as_plain(noise)
    assert plain["verdict"] == verdict(noise)
    assert plain["race"][0]["n_classes"] is None  # no labels: no classes to count


@pytest.mark.parametrize(
    ("gain", "outlook"),
    [
        (Estimate(0.05, 0.03, 0.07), "helps"),
        (Estimate(0.003, 0.001, 0.005), "unlikely to help"),
        (Estimate(0.01, -0.01, 0.03), "may help"),
        (Estimate(0.0, -0.01, 0.01), "unlikely to help"),
        (Estimate(-0.03, -0.05, -0.01), "hurts"),
    ],
)
def test_a_trial_is_judged_by_its_interval(gain: Estimate, outlook: str) -> None:
    assert outlook_by_trial(gain) == outlook


def test_files_with_and_without_labels_are_read(tmp_path: Path) -> None:
    vectors = 3 * gauss(60, 5).embeddings
    np.save(tmp_path / "bare.npy", vectors)
    np.savez(tmp_path / "bare.npz", X=vectors)
    labels = np.where(np.arange(60) % 2, np.arange(60) % 3, -1)
    np.savez(tmp_path / "some.npz", X=vectors, y=labels, group=np.arange(60) // 5)
    for name in ("bare.npy", "bare.npz"):
        pool = read_pool(tmp_path / name)
        assert np.allclose(np.linalg.norm(pool.vectors, axis=1), 1)
        assert (pool.labels == -1).all() and pool.groups is None
    pool = read_pool(tmp_path / "some.npz")
    assert (pool.labels >= 0).sum() == 30 and pool.classes == ("0", "1", "2")
    assert pool.groups is not None and len(np.unique(pool.groups)) == 12


def test_what_cannot_be_measured_is_refused_with_a_remedy(tmp_path: Path) -> None:
    vectors = gauss(60, 5).embeddings
    np.save(tmp_path / "few.npy", vectors[:20])
    with pytest.raises(ALError, match="20 samples"):
        read_pool(tmp_path / "few.npy")
    broken = vectors.copy()
    broken[3, 2] = np.nan
    np.savez(tmp_path / "nan.npz", X=broken, y=np.zeros(60, int))
    with pytest.raises(ALError, match="rows 3 hold NaN"):
        read_pool(tmp_path / "nan.npz")
    with pytest.raises(ALError) as raised:
        read_pool(tmp_path)
    assert "al-server embed" in raised.value.remedy
    for budget in (1, 31):
        with pytest.raises(ALError, match=f"budget of {budget}"):
            preflight(pool_of("a", vectors, None), budget=budget)


def test_a_pool_of_equal_samples_is_measured_all_the_same() -> None:
    vectors = np.tile(np.eye(4, dtype=np.float32)[:1], (60, 1))
    found = preflight(pool_of("equal", vectors, np.arange(60) % 2), budget=10)
    assert found.geometry.copies == 1
    assert as_plain(found)["geometry"]["dimension"] is None
    assert text_of(found)


def test_few_known_labels_are_only_counted() -> None:
    made = emb(300, 16)
    labels = np.where(np.arange(300) < 40, made.classes, -1)
    found = preflight(pool_of("few", made.embeddings, labels), budget=20)
    assert found.labels is not None and found.labels.n_labeled == 40
    assert found.trial is None
    assert "too few for a trial run" in text_of(found)


def test_real_pools_are_judged_as_replays_judge_them(shared_data: Path) -> None:
    for name, outlooks in {
        "fruits_mobilenetv2_1280": {"helps"},
        "sentiment140_minilm_384": {"may help"},
        "mnist_t10k_pca64": {"helps"},
    }.items():
        pool = read_pool(shared_data / "embeddings" / f"{name}.npz")
        rows = np.random.default_rng(0).choice(len(pool.vectors), 1500, replace=False)
        blind = pool_of(name, pool.vectors[rows], None)
        assert preflight(blind, budget=20).outlook in outlooks
