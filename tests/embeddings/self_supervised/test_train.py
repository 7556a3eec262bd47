import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from embeddings.embedder import embed_all
from embeddings.errors import EmbedderUnavailable, EmbeddingError, Interrupted
from embeddings.self_supervised.backbone import build
from embeddings.self_supervised.embedder import SelfSupervisedEmbedder
from embeddings.self_supervised.settings import Settings
from embeddings.self_supervised.train import Report, suited_view, train
from embeddings.self_supervised.trained import start_from
from embeddings.self_supervised.training import Training

SETTINGS = Settings(epochs=3, minutes=None, batch_size=16, projector=16, stop_at=1.0)


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Stripes of two directions and many colors, and a file that is no image."""
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    found = []
    for number in range(48):
        pixels = np.zeros((16, 16, 3), np.uint8) + rng.integers(0, 100, 3, dtype=np.uint8)
        stripes = pixels if number % 2 else pixels.transpose(1, 0, 2)
        stripes[:: 2 + number % 3] += rng.integers(50, 150, 3, dtype=np.uint8)
        path = tmp_path / "images" / f"{number:02}.png"
        Image.fromarray(pixels).save(path)
        found.append(path)
    broken = tmp_path / "images" / "broken.png"
    broken.write_bytes(b"no picture")
    return [*found[:5], broken, *found[5:]]


def run(
    paths: list[Path], folder: Path, *, settings: Settings = SETTINGS, stop_after: int | None = None
) -> Report:
    backbone = build("small:4", image_size=16, start=None)
    asked: list[bool] = []

    def should_stop() -> bool:
        asked.append(True)
        return stop_after is not None and len(asked) > stop_after

    return train(
        paths, folder, backbone=backbone, settings=settings, should_stop=should_stop,
        reduce="pca_whiten:8",
    )  # fmt: skip


def weights(folder: Path) -> bytes:
    return (folder / "weights.safetensors").read_bytes()


@pytest.mark.parametrize("method", ["barlow_twins", "cmc"])
def test_a_training_that_was_cut_off_ends_with_the_same_bytes(
    paths: list[Path], tmp_path: Path, method: str
) -> None:
    settings = Settings(method, epochs=3, minutes=None, batch_size=16, projector=16)  # type: ignore[arg-type]
    run(paths, tmp_path / "whole", settings=settings)
    for stop_after in (2, 3):
        with pytest.raises(Interrupted, match="stopped after"):
            run(paths, tmp_path / "cut", settings=settings, stop_after=stop_after)
    run(paths, tmp_path / "cut", settings=settings)
    assert weights(tmp_path / "cut") == weights(tmp_path / "whole")
    assert sorted(path.name for path in (tmp_path / "cut").iterdir()) == [
        "reduction.npz", "ssl.json", "weights.safetensors",
    ]  # fmt: skip


def test_the_loss_falls_and_unreadable_images_are_listed(paths: list[Path], tmp_path: Path) -> None:
    losses: list[float] = []
    settings = Settings(epochs=40, minutes=None, batch_size=24, projector=16)

    def note(training: Training) -> None:
        losses.append(training.loss)

    backbone = build("small:4", image_size=16, start=None)
    report = train(paths, tmp_path / "a", backbone=backbone, settings=settings, progress=note)
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    assert [one.position for one in report.failures] == [5]
    assert len(report.training.pixels) == 48


def test_the_embedder_gives_the_features_of_the_training(paths: list[Path], tmp_path: Path) -> None:
    backbone = build("small:4", image_size=16, start=None)
    report = train(paths, tmp_path / "a", backbone=backbone, settings=SETTINGS)
    features = report.training.features(np.arange(48))
    embedded = embed_all(SelfSupervisedEmbedder(tmp_path / "a"), paths, cache=None)
    wanted = features / np.linalg.norm(features, axis=1, keepdims=True)
    np.testing.assert_allclose(embedded.vectors, wanted, atol=1e-5)


def test_the_reduction_is_part_of_the_embedder_and_of_its_id(
    paths: list[Path], tmp_path: Path
) -> None:
    run(paths, tmp_path / "a")
    embedder = SelfSupervisedEmbedder(tmp_path / "a")
    assert embedder.n_features == 8
    record = json.loads((tmp_path / "a" / "ssl.json").read_text())
    assert record["n_images"] == 48 and record["epochs"] == 3
    (tmp_path / "a" / "ssl.json").write_text(json.dumps({**record, "reduced": False}))
    assert SelfSupervisedEmbedder(tmp_path / "a").id != embedder.id


def test_frozen_norms_keep_their_statistics(paths: list[Path], tmp_path: Path) -> None:
    settings = Settings(epochs=2, minutes=None, batch_size=16, projector=16, freeze_norms=True)
    encoder = run(paths, tmp_path / "a", settings=settings).training.encoder
    means = [value for key, value in encoder.state_dict().items() if "running_mean" in key]
    assert means and not any(bool(value.any()) for value in means)


def test_other_settings_or_images_do_not_go_on_with_a_checkpoint(
    paths: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(Interrupted):
        run(paths, tmp_path / "a", stop_after=2)
    before = (tmp_path / "a" / "checkpoint.pt").read_bytes()
    with pytest.raises(
        EmbeddingError, match="epochs was 3, is 4; projector was 16, is 512; "
    ) as told:
        run(paths, tmp_path / "a", settings=Settings(epochs=4, minutes=None, batch_size=16))
    assert "no training is made longer" in told.value.remedy
    with pytest.raises(EmbeddingError, match="images differ"):
        run(paths[:40], tmp_path / "a")
    assert (tmp_path / "a" / "checkpoint.pt").read_bytes() == before


def test_a_damaged_checkpoint_is_said_and_a_finished_folder_is_kept(
    paths: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "checkpoint.pt").write_bytes(b"half a file")
    with pytest.raises(EmbeddingError, match="damaged"):
        run(paths, tmp_path / "a")
    run(paths, tmp_path / "b")
    with pytest.raises(EmbeddingError, match="already"):
        run(paths, tmp_path / "b")


def test_too_few_images_are_refused(paths: list[Path], tmp_path: Path) -> None:
    with pytest.raises(EmbeddingError, match="only 7 images"):
        run(paths[:8], tmp_path / "a")


@pytest.mark.parametrize("damage", ["ssl.json", "weights.safetensors", "reduction.npz"])
def test_a_damaged_folder_is_no_embedder(paths: list[Path], tmp_path: Path, damage: str) -> None:
    with pytest.raises(EmbedderUnavailable, match="no trained network"):
        SelfSupervisedEmbedder(tmp_path / "nowhere")
    run(paths, tmp_path / "a")
    (tmp_path / "a" / damage).write_bytes(b"no")
    with pytest.raises(EmbedderUnavailable, match="damaged"):
        SelfSupervisedEmbedder(tmp_path / "a")


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "simclr"}, {"minutes": None}, {"epochs": 0}, {"batch_size": 1}, {"stop_at": 0},
        {"learning_rate": float("nan")},
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Settings(**wrong)  # type: ignore[arg-type]


def test_views_of_large_images_are_smaller_than_the_images() -> None:
    assert (suited_view(32), suited_view(96), suited_view(224)) == (32, 96, 128)


def test_a_transformer_is_trained_on_views_of_its_own_size(
    paths: list[Path], tmp_path: Path
) -> None:
    backbone = build("test_vit", image_size=112, start=None)
    settings = Settings(epochs=1, minutes=None, batch_size=24, projector=16)
    with pytest.raises(EmbeddingError, match="112 x 112 alone"):
        train(paths, tmp_path / "a", backbone=backbone, settings=settings, view_size=64)
    report = train(paths, tmp_path / "a", backbone=backbone, settings=settings)
    assert report.training.augmentation.view_size == 112


@pytest.mark.slow
def test_a_training_killed_again_and_again_ends_with_the_same_bytes(
    paths: list[Path], tmp_path: Path
) -> None:
    """Kills from outside, wherever the process happens to be; a checkpoint after every step."""
    code = (
        "import sys; from pathlib import Path\n"
        "from embeddings.self_supervised import train as module\n"
        "from embeddings.self_supervised.backbone import build\n"
        "from embeddings.self_supervised.settings import Settings\n"
        "module._SAVE_EVERY_S = 0.0\n"
        "module.train(sorted(Path(sys.argv[1]).glob('*.png')), Path(sys.argv[2]),\n"
        "    backbone=build('small:4', image_size=16, start=None), reduce='pca_whiten:8',\n"
        "    settings=Settings(epochs=100, minutes=None, batch_size=16, projector=16))\n"
    )

    def start(name: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", code, str(paths[0].parent), str(tmp_path / name)]
        return subprocess.Popen(command)

    assert start("whole").wait() == 0
    checkpoint = tmp_path / "cut" / "checkpoint.pt"
    for _ in range(3):
        process = start("cut")
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        while process.poll() is None:
            if checkpoint.exists() and checkpoint.stat().st_mtime_ns > before:
                os.kill(process.pid, signal.SIGKILL)
            time.sleep(0.02)
        process.wait()
    assert start("cut").wait() == 0
    assert weights(tmp_path / "cut") == weights(tmp_path / "whole")


def test_a_training_that_runs_out_of_memory_says_what_to_do(
    paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_memory(training: Training) -> None:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(Training, "take_step", out_of_memory)
    with pytest.raises(EmbeddingError, match="memory with 16 images a step") as raised:
        run(paths, tmp_path / "out")
    assert "--batch-size 8" in raised.value.remedy


def test_a_training_starts_from_one_network_and_not_from_two(
    paths: list[Path], tmp_path: Path
) -> None:
    settings = Settings("cmc", epochs=1, minutes=None, batch_size=16, projector=16)
    run(paths, tmp_path / "cmc", settings=settings)
    with pytest.raises(EmbedderUnavailable, match="two networks of cmc") as told:
        start_from(tmp_path / "cmc")
    assert "barlow_twins" in told.value.remedy
