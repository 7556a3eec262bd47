"""A training of VAAL: how long it takes, what it tells, how it goes on after an interruption."""

import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tqdm import tqdm

from strategies.pool import PoolView
from strategies.toy_pool import shuffled, toy_pool
from strategies.vaal import Fitted, Losses, Progress, Vaal, fitting
from strategies.vaal.report import Plateau
from tests.toys_vaal import digit_images, new_rng, training_of

QUICK = Vaal(width=16, latent=4, batch_size=32, patience=0)  # 67 turns on the toy pool
IMAGES = Vaal(on="images", image_size=16, width=2, latent=4, batch_size=16, max_steps=15)


class Interrupted(Exception):
    """Stands for Ctrl-C, a crash or a lost machine."""


def stop_after(n_turns: int) -> Any:
    asked = iter(range(n_turns))
    return lambda: next(asked, None) is None


def interrupt(done: Progress) -> None:
    raise Interrupted


def assert_same(one: Fitted, other: Fitted) -> None:
    assert one.rows.tolist() == other.rows.tolist()
    assert one.scores.tobytes() == other.scores.tobytes()
    assert one.losses == other.losses
    assert (one.n_steps, one.ending) == (other.n_steps, other.ending)


@pytest.mark.parametrize(
    ("settings", "n_turns"),
    [
        (Vaal(), 50 * 43 // 128),
        (Vaal(epochs=7, batch_size=10), 7 * 43 // 10),
        (Vaal(batch_size=10_000), 1),
        (Vaal(batch_size=10, max_steps=12), 12),
    ],
)
def test_length_of_a_training_grows_with_the_pool_up_to_a_limit(
    settings: Vaal, n_turns: int
) -> None:
    assert training_of(settings, toy_pool()).n_steps == n_turns


def test_progress_is_told_at_every_check_and_at_the_end() -> None:
    told: list[Progress] = []
    fitted = QUICK.fit(toy_pool(), new_rng(), progress=told.append)
    assert [(done.step, done.total) for done in told] == [
        (step, 67) for step in (10, 20, 30, 40, 50, 60, 67)
    ]
    assert all(done.seconds_left > 0 for done in told[:-1]) and told[-1].seconds_left == 0
    assert fitted.losses == told[-1].losses
    assert (fitted.ending, fitted.n_steps) == ("length", 67)
    assert told[-1].losses.vae < told[0].losses.vae
    assert 0 <= told[-1].losses.accuracy <= 1


def test_progress_can_be_shown_on_a_bar() -> None:
    with open(os.devnull, "w") as nowhere, tqdm(file=nowhere) as bar:
        QUICK.fit(toy_pool(), new_rng(), progress=lambda done: done.show_on(bar))
        assert (bar.n, bar.total) == (67, 67)
        assert "accuracy" in str(bar)


def test_listening_changes_nothing() -> None:
    quiet = QUICK.fit(toy_pool(), new_rng())
    told = QUICK.fit(toy_pool(), new_rng(), progress=lambda done: None, should_stop=lambda: False)
    assert_same(quiet, told)


def test_losses_weigh_both_sides_alike() -> None:
    training = training_of(QUICK, toy_pool())
    with torch.no_grad():
        for parameter in training.networks.discriminator.parameters():
            parameter.zero_()
        list(training.networks.discriminator.parameters())[-1].fill_(2.0)
    losses = training.check()  # all are taken for labeled, with odds of e^2
    expected = (np.log(1 + np.exp(-2)) + np.log(1 + np.exp(2))) / 2
    assert losses.discriminator == pytest.approx(expected, rel=1e-6)
    assert losses.accuracy == 0.5


def test_a_plateau_is_when_neither_loss_falls() -> None:
    plateau = Plateau()
    counts = []
    for vae, discriminator in [
        (100, 1.4),  # the first
        (99.5, 1.395),  # neither by enough
        (98.9, 1.5),  # the VAE's by 1%
        (200, 1.3),  # the other's by more than 0.01
        (98.5, 1.295),
        (98.0, 1.291),
    ]:
        plateau = plateau.after(Losses(vae, discriminator, 0.5))
        counts.append(plateau.n_checks)
    assert counts == [0, 1, 0, 0, 1, 2]


def test_a_training_ends_early_where_its_losses_fall_no_more() -> None:
    pool = toy_pool(n_samples=200)
    settings = Vaal(batch_size=16, width=8, latent=2, beta=100.0, patience=3, learning_rate=1e-3)
    fitted = settings.fit(pool, new_rng())
    assert fitted.ending == "plateau"
    assert fitted.n_steps < training_of(settings, pool).n_steps
    shorter = replace(settings, max_steps=fitted.n_steps + 50)
    assert replace(shorter, patience=0).fit(pool, new_rng()).ending == "length"


def test_a_training_can_be_stopped_and_ranks_by_what_it_has_learned() -> None:
    fitted = QUICK.fit(toy_pool(), new_rng(), should_stop=stop_after(25))
    assert (fitted.ending, fitted.n_steps) == ("stopped", 25)
    shorter = replace(QUICK, max_steps=25).fit(toy_pool(), new_rng())
    assert fitted.rows.tolist() == shorter.rows.tolist()


@pytest.mark.parametrize("n_turns", [1, 10, 33, 66])
def test_a_stopped_training_goes_on_as_if_it_had_not_been(tmp_path: Path, n_turns: int) -> None:
    expected = QUICK.fit(toy_pool(), new_rng())
    path = tmp_path / "vaal.pt"
    QUICK.fit(toy_pool(), new_rng(), should_stop=stop_after(n_turns), checkpoint=path)
    told: list[Progress] = []
    fitted = QUICK.fit(toy_pool(), new_rng(), checkpoint=path, progress=told.append)
    assert_same(fitted, expected)
    assert told[0].step > n_turns


@pytest.mark.parametrize("patience", [0, 3])
def test_an_interrupted_training_goes_on_as_if_it_had_not_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patience: int
) -> None:
    monkeypatch.setattr(fitting, "SECONDS_BETWEEN_SAVES", -1.0)
    settings, pool, path = replace(QUICK, patience=patience), toy_pool(), str(tmp_path / "vaal.pt")
    expected = settings.fit(pool, new_rng())
    n_interruptions = 0
    while True:
        try:
            fitted = settings.fit(pool, new_rng(), checkpoint=path, progress=interrupt)
            break
        except Interrupted:
            n_interruptions += 1
    assert n_interruptions == -(-expected.n_steps // 10)
    assert_same(fitted, expected)


def test_images_go_on_as_well(tmp_path: Path) -> None:
    pool, _ = digit_images()
    expected = IMAGES.fit(pool, new_rng())
    path = tmp_path / "vaal.pt"
    IMAGES.fit(pool, new_rng(), should_stop=stop_after(7), checkpoint=path)
    assert_same(IMAGES.fit(pool, new_rng(), checkpoint=path), expected)


def test_a_finished_training_is_only_read(tmp_path: Path) -> None:
    path = tmp_path / "vaal.pt"
    expected = QUICK.fit(toy_pool(), new_rng(), checkpoint=path)
    written = path.stat().st_mtime_ns
    assert_same(QUICK.fit(toy_pool(), new_rng(), checkpoint=path, progress=interrupt), expected)
    assert path.stat().st_mtime_ns == written
    assert list(tmp_path.iterdir()) == [path]


def test_a_checkpoint_goes_on_in_a_pool_of_another_order(tmp_path: Path) -> None:
    pool, path = toy_pool(), tmp_path / "vaal.pt"
    expected = QUICK.fit(pool, new_rng())
    QUICK.fit(pool, new_rng(), should_stop=stop_after(20), checkpoint=path)
    order = new_rng(4).permutation(60)
    fitted = QUICK.fit(shuffled(pool, order), new_rng(), checkpoint=path)
    assert order[fitted.rows].tolist() == expected.rows.tolist()


def with_other_status(pool: PoolView) -> PoolView:
    status = pool.status.copy()
    status[pool.candidate_rows()[0]] = 2
    return replace(pool, status=status)


def with_other_embedding(pool: PoolView) -> PoolView:
    embeddings = pool.embeddings.copy()
    embeddings[7, 3] += 1e-3
    return replace(pool, embeddings=embeddings)


@pytest.mark.parametrize(
    ("settings", "change", "seed", "differs"),
    [
        (replace(QUICK, beta=2.0), None, 0, "settings differ"),
        (QUICK, None, 1, "seed differ"),
        (QUICK, with_other_status, 0, "samples differ"),
        (QUICK, with_other_embedding, 0, "samples differ"),
        (replace(QUICK, width=8), None, 1, "settings, seed differ"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(
    tmp_path: Path, settings: Vaal, change: Any, seed: int, differs: str
) -> None:
    pool, path = toy_pool(), tmp_path / "vaal.pt"
    QUICK.fit(pool, new_rng(), should_stop=stop_after(2), checkpoint=path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=rf"vaal\.pt is of another training: {differs}"):
        settings.fit(change(pool) if change else pool, new_rng(seed), checkpoint=path)
    assert path.read_bytes() == before


class Command:
    """Would run a command when it is read."""

    def __reduce__(self) -> Any:
        return os.system, ("touch was_run",)


def test_a_file_that_is_no_checkpoint_is_refused_and_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "vaal.pt"
    QUICK.fit(toy_pool(), new_rng(), should_stop=stop_after(2), checkpoint=path)
    whole = path.read_bytes()
    torch.save({"identity": {}, "state": Command()}, path)
    dangerous = path.read_bytes()
    torch.save([1, 2], path)
    other = path.read_bytes()
    bare = pickle.dumps(Command(), protocol=2)
    for content in (b"", b"no checkpoint", whole[:-500], dangerous, bare, other):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"vaal\.pt is no training of vaal"):
            QUICK.fit(toy_pool(), new_rng(), checkpoint=path)
    assert not (tmp_path / "was_run").exists()


def test_a_save_that_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "vaal.pt"
    QUICK.fit(toy_pool(), new_rng(), should_stop=stop_after(5), checkpoint=path)
    before = path.read_bytes()

    def half(state: Any, file: Any) -> None:
        file.write(b"half of it")
        raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", half)
        with pytest.raises(Interrupted):
            QUICK.fit(toy_pool(), new_rng(), checkpoint=path)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == before
    assert_same(QUICK.fit(toy_pool(), new_rng(), checkpoint=path), QUICK.fit(toy_pool(), new_rng()))


def test_a_checkpoint_in_a_missing_folder_is_refused_before_training(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no folder that exists"):
        QUICK.fit(toy_pool(), new_rng(), checkpoint=tmp_path / "no" / "vaal.pt")
