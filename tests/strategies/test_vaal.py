"""VAAL: what it asks for, and that chance is all its own."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from strategies.pool import Status
from strategies.testing import check_strategy
from strategies.toy_pool import cold, shuffled, toy_pool
from strategies.vaal import Vaal
from strategies.vaal.samples import samples_of
from tests.toys_vaal import digit_images, new_rng, two_groups

QUICK = Vaal(width=16, latent=4, batch_size=32)


@pytest.mark.parametrize("n_samples", [100, 200])
def test_what_is_unlike_the_labeled_comes_first(n_samples: int) -> None:
    pool, groups = two_groups(n_samples)
    rows = Vaal().select(pool, n_samples, new_rng())
    n_unlike = np.count_nonzero(groups == 1)
    assert groups[rows].tolist() == [1] * n_unlike + [0] * (len(rows) - n_unlike)


@pytest.mark.parametrize("status", [Status.PENDING, Status.SKIPPED])
def test_pending_and_skipped_samples_count_as_labeled(status: Status) -> None:
    pool, _ = two_groups()
    waiting = replace(pool, status=np.where(pool.status > 0, status, pool.status).astype(np.int8))
    settings = replace(QUICK, max_steps=5)
    expected = settings.select(pool, 20, new_rng())
    assert settings.select(waiting, 20, new_rng()).tolist() == expected.tolist()


def test_labels_and_probabilities_are_not_read() -> None:
    pool = toy_pool()
    blind = replace(pool, labels=np.full_like(pool.labels, -1), probabilities=None, density=None)
    expected = QUICK.select(pool, 20, new_rng())
    assert QUICK.select(blind, 20, new_rng()).tolist() == expected.tolist()


def test_before_the_first_label_the_batch_is_drawn() -> None:
    pool = cold(toy_pool())
    fitted = QUICK.fit(pool, new_rng())
    assert (fitted.ending, fitted.n_steps, fitted.losses) == ("cold", 0, None)
    assert sorted(fitted.rows) == list(range(60))
    assert set(fitted.scores.tolist()) == {0.5}
    assert QUICK.select(pool, 5, new_rng()).tolist() == fitted.rows[:5].tolist()
    assert QUICK.select(pool, 5, new_rng(1)).tolist() != fitted.rows[:5].tolist()


def test_scores_fall_along_the_ranking_and_are_found_by_row() -> None:
    pool = toy_pool()
    fitted = QUICK.fit(pool, new_rng())
    assert (np.diff(fitted.scores) <= 0).all()
    rows = pool.candidate_rows()[::-3]
    expected = [fitted.scores[fitted.rows.tolist().index(row)] for row in rows]
    assert QUICK.score(pool, rows, new_rng()).tolist() == expected
    assert QUICK.select(pool, 7, new_rng()).tolist() == fitted.rows[:7].tolist()
    with pytest.raises(ValueError, match="LABELED, no candidate"):
        QUICK.score(pool, np.flatnonzero(pool.status == Status.LABELED), new_rng())
    with pytest.raises(ValueError, match="row 99 was no candidate"):
        fitted.score(np.array([rows[0], 99]))


def test_contract_holds() -> None:
    check_strategy(replace(QUICK, max_steps=2))


@pytest.mark.parametrize("n_distinct", [None, 5])
def test_order_does_not_matter_when_every_candidate_is_ranked(n_distinct: int | None) -> None:
    pool = toy_pool(n_samples=500, n_distinct=n_distinct)
    order = new_rng(4).permutation(500)
    rows = replace(QUICK, max_steps=20).select(pool, 500, new_rng())
    others = replace(QUICK, max_steps=20).select(shuffled(pool, order), 500, new_rng())
    assert pool.tie_key[rows].tolist() == pool.tie_key[order[others]].tolist()


@pytest.mark.parametrize("n_samples", [30, 400])
@pytest.mark.parametrize("settings", [QUICK, Vaal()])
def test_equal_samples_are_ranked_by_tie_key(settings: Vaal, n_samples: int) -> None:
    pool = toy_pool(n_samples=n_samples, n_distinct=1)
    rows = replace(settings, max_steps=5).select(pool, n_samples, new_rng())
    assert rows.tolist() == sorted(rows, key=lambda row: pool.tie_key[row])


def test_number_of_threads_does_not_matter_on_embeddings() -> None:
    pool, n_threads = toy_pool(), torch.get_num_threads()
    try:
        found = []
        for n in (1, 2):
            torch.set_num_threads(n)
            found.append(QUICK.fit(pool, new_rng()).scores.tobytes())
            assert torch.get_num_threads() == n
    finally:
        torch.set_num_threads(n_threads)
    assert found[0] == found[1]


def test_torch_is_left_as_it_was_and_its_settings_do_not_matter() -> None:
    pool = toy_pool()
    expected = QUICK.fit(pool, new_rng()).scores.tobytes()

    def state() -> tuple[Any, ...]:
        cudnn = torch.backends.cudnn
        return (
            torch.get_num_threads(),
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            torch.are_deterministic_algorithms_enabled(),
            (cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32),
            torch.get_rng_state().tolist(),
        )

    torch.set_default_dtype(torch.float64)
    try:
        with torch.inference_mode():
            torch.manual_seed(5)
            before = state()
            assert QUICK.fit(pool, new_rng()).scores.tobytes() == expected
            assert state() == before
            with pytest.raises(ValueError, match=r"pool\.images"):
                replace(QUICK, on="images").fit(pool, new_rng())
            assert state() == before
    finally:
        torch.set_default_dtype(torch.float32)


def test_importing_does_not_load_torch() -> None:
    code = (
        "import sys, strategies.vaal, strategies.vaal.fitting, strategies.vaal.checkpoints\n"
        "strategies.vaal.Vaal()\n"
        "print('torch' in sys.modules)"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert done.stdout.strip() == "False", done.stderr


def test_images_unlike_the_labeled_come_first() -> None:
    pool, digits = digit_images()
    settings = Vaal(on="images", image_size=16, width=4, latent=4, batch_size=32, max_steps=30)
    rows = settings.select(pool, 40, new_rng())
    assert digits[rows].mean() > 0.9
    assert digits[pool.candidate_rows()].mean() < 0.65


def test_images_need_not_be_square_nor_in_memory_and_their_order_does_not_matter(
    tmp_path: Path,
) -> None:
    pool = toy_pool()
    images = new_rng(1).integers(256, size=(60, 20, 9, 3), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    settings = Vaal(on="images", image_size=16, width=2, batch_size=16, max_steps=2)
    pool = replace(pool, images=images)
    rows = settings.select(pool, 60, new_rng())
    assert sorted(rows) == pool.candidate_rows().tolist()
    mapped = replace(pool, images=np.load(tmp_path / "images.npy", mmap_mode="r"))
    assert settings.select(mapped, 60, new_rng()).tolist() == rows.tolist()
    order = new_rng(4).permutation(60)
    others = settings.select(shuffled(pool, order), 60, new_rng())
    assert order[others].tolist() == rows.tolist()


def test_images_of_the_asked_size_are_seen_as_they_are() -> None:
    images = new_rng(1).integers(256, size=(60, 16, 16, 3), dtype=np.uint8)
    samples = samples_of(replace(toy_pool(), images=images), "images")
    seen = samples.images(np.array([7]), 16, torch.device("cpu"))
    expected = images[samples.rows[7]].transpose(2, 0, 1) / 127.5 - 1
    assert np.allclose(seen[0].numpy(), expected, atol=1e-6)
    smaller = samples.images(np.array([7]), 8, torch.device("cpu"))
    averages = expected.reshape(3, 8, 2, 8, 2).mean(axis=(2, 4))
    assert np.allclose(smaller[0].numpy(), averages, atol=1e-6)


@pytest.mark.parametrize(
    ("images", "complaint"),
    [
        (np.zeros((60, 8, 8, 3), np.float32), "float32 of shape"),
        (np.zeros((60, 8, 8), np.uint8), "height, width, 3"),
        (np.zeros((60, 3, 8, 8), np.uint8), "height, width, 3"),
        (np.zeros((59, 8, 8, 3), np.uint8), r"give uint8 of shape \(60,"),
    ],
)
def test_images_of_another_kind_are_refused(images: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Vaal(on="images").select(replace(toy_pool(), images=images), 1, new_rng())


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"on": "labels"}, "none of embeddings, images"),
        ({"latent": 0}, "latent=0; give a whole number of at least 1"),
        ({"width": 2.5}, "width=2.5"),
        ({"epochs": True}, "epochs=True"),
        ({"patience": -1}, "at least 0"),
        ({"beta": -0.1}, "beta=-0.1"),
        ({"adversary": float("nan")}, "adversary=nan"),
        ({"learning_rate": 0}, "learns nothing"),
        ({"image_size": 40}, "no multiple of 16"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Vaal(**settings)


def test_a_training_that_diverges_says_so() -> None:
    with pytest.raises(ValueError, match="take a learning_rate below 1e\\+30"):
        replace(QUICK, learning_rate=1e30).select(toy_pool(), 1, new_rng())
