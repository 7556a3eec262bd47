import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from embeddings.self_supervised.training import Training
from tests.cli.conftest import Al

QUICK = ("--backbone", "small:4", "--batch-size", "8", "--epochs", "2")


@pytest.fixture
def icons(tmp_path: Path) -> Path:
    """Twenty pictures in two folders, and a file that is no image."""
    rng = np.random.default_rng(0)
    for number in range(20):
        folder = tmp_path / "icons" / ("even" if number % 2 == 0 else "odd")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((20, 20)).save(folder / f"{number}.png")
    (tmp_path / "icons" / "odd" / "broken.png").write_bytes(b"not a picture")
    return tmp_path / "icons"


def test_a_network_is_trained_and_embeds_by_its_folder(al: Al, icons: Path, tmp_path: Path) -> None:
    out = tmp_path / "network"
    said = al.json("ssl", "train", icons, "--out", out, *QUICK, "--reduce", "pca_whiten:6")
    assert said["n_images"] == 20 and said["n_failures"] == 1 and said["epochs"] == 2
    assert said["effective_rank"] > 1
    vectors = tmp_path / "icons.npz"
    arguments = ("--embedder", said["embedder"], "--out", vectors, "--data", tmp_path / "data")
    embedded = al.json("embed", icons, *arguments)
    assert (embedded["n_samples"], embedded["n_features"]) == (20, 6)
    assert embedded["embedder"].startswith("ssl:")


def test_labels_in_the_names_of_folders_change_nothing(al: Al, icons: Path, tmp_path: Path) -> None:
    assert al("ssl", "train", icons, "--out", tmp_path / "a", *QUICK).exit_code == 0
    (icons / "even").rename(icons / "aces")  # the order of the images stays
    assert al("ssl", "train", icons, "--out", tmp_path / "b", *QUICK).exit_code == 0
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in "ab"]
    assert weights[0] == weights[1]


def test_what_was_chosen_is_on_record(al: Al, icons: Path, tmp_path: Path) -> None:
    chosen = ("--method", "cmc", "--learning-rate", "0.01", "--view-size", "24", "--seed", "3")
    assert al("ssl", "train", icons, "--out", tmp_path / "a", *QUICK, *chosen).exit_code == 0
    record = json.loads((tmp_path / "a" / "ssl.json").read_text())
    settings = record["settings"]
    assert (settings["method"], settings["learning_rate"], settings["seed"]) == ("cmc", 0.01, 3)
    assert (settings["epochs"], settings["minutes"], settings["batch_size"]) == (2, None, 8)
    assert record["augmentation"]["view_size"] == 24


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--backbone", "resnet10tt"), "no network"),
        (("--backbone", "small", "--from", "a.pth"), "no trained weights"),
        (("--backbone", "test_resnet", "--from", "a.pth"), "no checkpoint"),
        (("--reduce", "pca_white:8"), "no reduction"),
    ],
)
def test_what_cannot_be_trained_is_said_with_a_remedy(
    al: Al, icons: Path, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    result = al("ssl", "train", icons, "--out", tmp_path / "out", "--epochs", "1", *options)
    assert result.exit_code == 1
    assert message in result.stderr and "remedy: " in result.stderr


def test_a_folder_without_images_is_an_error(al: Al, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "nowhere"):
        result = al("ssl", "train", tmp_path / name, "--out", tmp_path / "out")
        assert result.exit_code == 1 and "remedy: " in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *[(option, "nan") for option in ("--minutes", "--stop-at", "--learning-rate")],
        ("--minutes", "inf"),
        ("--learning-rate", "1e308"),
    ],
)
def test_numbers_that_are_none_or_too_large_are_refused(
    al: Al, icons: Path, tmp_path: Path, option: str, value: str
) -> None:
    result = al("ssl", "train", icons, "--out", tmp_path / "out", *QUICK, option, value)
    assert result.exit_code == 2 and f"Invalid value for '{option}'" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_finished_folder_is_refused_before_images_are_listed_and_can_be_begun_with(
    al: Al, icons: Path, tmp_path: Path
) -> None:
    out, more = tmp_path / "out", tmp_path / "more"
    assert al("ssl", "train", icons, "--out", out, *QUICK).exit_code == 0
    result = al("ssl", "train", tmp_path / "nowhere", "--out", out)
    assert "holds a trained network already" in result.stderr
    assert f"--from {out} begins with this network" in result.stderr
    rest = ("--batch-size", "8", "--epochs", "1", "--learning-rate", "1e-9")
    assert al("ssl", "train", icons, "--out", more, "--from", out, *rest).exit_code == 0
    before, after = (load_file(one / "weights.safetensors") for one in (out, more))
    for key, value in before.items():  # hardly changed by so small a rate: it began with these
        np.testing.assert_allclose(after[key].numpy(), value.numpy(), atol=1e-4, err_msg=key)
    asked = ("--from", out, "--backbone", "small")
    refused = al("ssl", "train", icons, "--out", tmp_path / "other", *asked)
    assert "says which network it holds" in refused.stderr


def test_a_run_that_goes_on_says_where(
    al: Al, icons: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("ssl", "train", icons, "--out", tmp_path / "out", *QUICK)
    with monkeypatch.context() as patch:
        steps: list[Training] = []
        honest = Training.take_step

        def cut_off(training: Training) -> None:
            honest(training)
            steps.append(training)
            if len(steps) == 2:
                os.kill(os.getpid(), signal.SIGINT)

        patch.setattr(Training, "take_step", cut_off)
        stopped = al(*command)
    assert stopped.exit_code == 1 and "stopped after 2 steps (50%)" in stopped.stderr
    assert "going on at" not in stopped.stderr
    again = al(*command)
    assert again.exit_code == 0 and "going on at 50%" in again.stderr
