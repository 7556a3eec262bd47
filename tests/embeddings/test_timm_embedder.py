import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from embeddings.embedder import embed_all
from embeddings.errors import EmbedderUnavailable
from embeddings.timm_embedder import TimmEmbedder
from embeddings.torchvision_cure import cure_torchvision

NAME = "test_resnet"  # a network of timm for tests: some thousands of weights, 160 x 160 pixels


def network(seed: int = 0, name: str = NAME, **build: Any) -> Any:
    """A network as after training: batch norms with statistics and biases of their own."""
    cure_torchvision()
    import timm
    import torch

    torch.manual_seed(seed)
    model = timm.create_model(name, pretrained=False, **build)
    for key, value in model.state_dict().items():
        if key.endswith(("bn1.bias", "bn2.bias", "running_mean")):
            value.normal_(std=0.1)
        if key.endswith("running_var"):
            value.uniform_(0.5, 2)
    return model.eval()


def folded(model: Any) -> Any:
    """Make every batch norm add its bias and nothing else."""
    for key, value in model.state_dict().items():
        if key.endswith("running_mean"):
            value.zero_()
        if key.endswith("running_var"):
            value.fill_(1 - 1e-5)
    return model


def saved(model: Any, path: Path, **extra: Any) -> Path:
    import torch

    torch.save({**model.state_dict(), **extra}, path)
    return path


def noise(side: int, seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def truth(model: Any, image: Image.Image, mean: Any, std: Any) -> np.ndarray[Any, Any]:
    """The pooled features of an image that has the input size, the obvious way."""
    import torch

    pixels = (np.asarray(image, dtype=np.float32) / 255 - mean) / std
    with torch.no_grad():
        shown = torch.from_numpy(pixels.transpose(2, 0, 1)[None].astype(np.float32))
        features = model.forward_head(model.forward_features(shown), pre_logits=True)[0].numpy()
    return np.asarray(features / np.linalg.norm(features))


IMAGENET = (np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]))


def test_vectors_are_the_pooled_features_of_the_network_in_the_checkpoint(tmp_path: Path) -> None:
    model = network()
    embedder = TimmEmbedder(NAME, checkpoint=saved(model, tmp_path / "weights.pth"))
    images = [noise(160, seed) for seed in range(3)]

    vectors = embedder.embed_batch(images)

    mean, std = (model.pretrained_cfg[key] for key in ("mean", "std"))
    for image, vector in zip(images, vectors, strict=True):
        np.testing.assert_allclose(vector, truth(model, image, mean, std), atol=1e-5)
    assert vectors.shape == (3, embedder.n_features)


def test_vectors_do_not_depend_on_the_batch(tmp_path: Path) -> None:
    embedder = TimmEmbedder(NAME, checkpoint=saved(network(), tmp_path / "weights.pth"))
    images = [noise(side, side) for side in (160, 100, 300, 161)]
    one_by_one = np.concatenate([embedder.embed_batch([image]) for image in images])
    np.testing.assert_allclose(embedder.embed_batch(images), one_by_one, atol=1e-5)


def test_a_shrunken_image_has_the_same_vector(tmp_path: Path) -> None:
    embedder = TimmEmbedder(NAME, checkpoint=saved(network(), tmp_path / "weights.pth"))
    image = noise(320).resize((500, 320))
    small = embedder.shrink(image)
    assert small.size == (160, 160)
    assert np.array_equal(embedder.embed_batch([small]), embedder.embed_batch([image]))


def test_the_id_names_weights_and_preprocessing_not_the_file(tmp_path: Path) -> None:
    first = saved(network(), tmp_path / "first.pth")
    copy = saved(network(), tmp_path / "copy.pth")
    other = saved(network(seed=1), tmp_path / "other.pth")
    id_ = TimmEmbedder(NAME, checkpoint=first).id
    assert id_.startswith("timm:test_resnet:")
    assert TimmEmbedder(NAME, checkpoint=copy).id == id_
    assert TimmEmbedder(NAME, checkpoint=other).id != id_
    assert TimmEmbedder(f"{NAME}?crop_pct=1", checkpoint=first).id != id_


def test_options_change_what_the_network_is_shown(tmp_path: Path) -> None:
    model = network()
    weights = saved(model, tmp_path / "weights.pth")
    embedder = TimmEmbedder(f"{NAME}?mean=0.1,0.2,0.3&std=0.5&input_size=96", checkpoint=weights)
    image = noise(96)
    expected = truth(model, image, np.array([0.1, 0.2, 0.3]), np.array([0.5]))
    np.testing.assert_allclose(embedder.embed_batch([image])[0], expected, atol=1e-5)


def test_a_checkpoint_with_folded_batch_norms_is_shown_what_tensorflow_shows(
    tmp_path: Path,
) -> None:
    name = "test_efficientnet"
    model = folded(network(name=name, pad_type="same"))
    weights = saved(model, tmp_path / "weights.pth")
    image = noise(160)
    half = np.array([0.5])

    plain = TimmEmbedder(name, checkpoint=weights)
    spelled_out = TimmEmbedder(f"{name}?pad_type=same&mean=0.5&std=0.5", checkpoint=weights)
    other = TimmEmbedder(f"{name}?mean=0.485,0.456,0.406&std=0.229,0.224,0.225", checkpoint=weights)

    np.testing.assert_allclose(
        plain.embed_batch([image])[0], truth(model, image, half, half), atol=1e-5
    )
    assert plain.id == spelled_out.id
    np.testing.assert_allclose(
        other.embed_batch([image])[0], truth(model, image, *IMAGENET), atol=1e-5
    )


def test_a_foreign_checkpoint_from_tensorflow_is_said_not_to_fit(tmp_path: Path) -> None:
    model = folded(network(name="test_efficientnet", pad_type="same"))
    weights = saved(model, tmp_path / "weights.pth")
    with pytest.raises(EmbedderUnavailable, match=r"weights\.pth does not fit resnet18: missing"):
        TimmEmbedder("resnet18", checkpoint=weights)
    with pytest.raises(EmbedderUnavailable, match="cannot be built with"):
        TimmEmbedder("resnet18?pad_type=same", checkpoint=weights)


def test_weights_that_were_never_trained_are_refused(tmp_path: Path) -> None:
    cure_torchvision()
    import timm

    weights = saved(timm.create_model(NAME, pretrained=False), tmp_path / "random.pth")
    with pytest.raises(EmbedderUnavailable, match=r"random\.pth were never trained"):
        TimmEmbedder(NAME, checkpoint=weights)


def test_a_checkpoint_without_a_classifier_fits(tmp_path: Path) -> None:
    import torch

    weights = network().state_dict()
    torch.save(weights, tmp_path / "with.pth")
    torch.save({k: v for k, v in weights.items() if k[:3] != "fc."}, tmp_path / "without.pth")
    ids = {TimmEmbedder(NAME, checkpoint=tmp_path / f"{w}.pth").id for w in ("with", "without")}
    assert len(ids) == 1


def test_a_checkpoint_that_does_not_fit_names_the_keys(tmp_path: Path) -> None:
    import torch

    model = network()
    extra = saved(model, tmp_path / "extra.pth", **{"head2.weight": torch.zeros(3)})
    shape = saved(model, tmp_path / "shape.pth", **{"bn1.bias": torch.zeros(5)})
    weights = model.state_dict()
    del weights["conv1.0.weight"]
    torch.save(weights, tmp_path / "missing.pth")
    cases = {
        extra: "unexpected: head2.weight",
        shape: "of another shape: bn1.bias",
        tmp_path / "missing.pth": "missing: conv1.0.weight",
    }
    for path, told in cases.items():
        with pytest.raises(EmbedderUnavailable, match=told) as caught:
            TimmEmbedder(NAME, checkpoint=path)
        assert path.name in caught.value.message
        assert caught.value.remedy


def test_a_file_that_holds_no_weights_is_refused_and_nothing_in_it_runs(tmp_path: Path) -> None:
    import torch

    text, tensor, code = (tmp_path / name for name in ("text.pth", "tensor.pth", "code.pth"))
    text.write_text("hello")
    torch.save({"state_dict": {"epoch": 3}}, tensor)
    torch.save({"path": Path("x")}, code)  # needs a pickled class
    for path in (text, tensor, code, tmp_path / "gone.pth", tmp_path):
        with pytest.raises(EmbedderUnavailable) as caught:
            TimmEmbedder(NAME, checkpoint=path)
        assert caught.value.remedy


def test_an_unknown_network_names_the_nearest() -> None:
    with pytest.raises(EmbedderUnavailable, match="mobilenetv2_10") as caught:
        TimmEmbedder("mobilenetv2_10")
    assert "mobilenetv2_100" in caught.value.remedy


@pytest.mark.parametrize(
    "options", ["color=1", "mean=1,2", "mean=x", "crop_pct=0", "pad_type=odd", "input_size=9999"]
)
def test_a_bad_option_says_what_is_possible(options: str) -> None:
    with pytest.raises(EmbedderUnavailable, match=options.partition("=")[0]) as caught:
        TimmEmbedder(f"{NAME}?{options}")
    assert caught.value.remedy


def test_no_weights_anywhere_is_an_error_with_a_remedy_never_a_random_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    for variable in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.upper(), raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(EmbedderUnavailable, match="hub cannot be reached") as caught:
        TimmEmbedder(NAME)
    assert "--checkpoint" in caught.value.remedy
    assert "pixels" in caught.value.remedy

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(EmbedderUnavailable, match="hub cannot be reached"):
        TimmEmbedder(NAME)
    with pytest.raises(EmbedderUnavailable, match="no trained weights for mobilenetv2_035"):
        TimmEmbedder("mobilenetv2_035")


def test_weights_downloaded_before_are_used_without_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import safetensors.torch
    from huggingface_hub import constants

    model = network()
    repository = tmp_path / f"models--timm--{model.pretrained_cfg['hf_hub_id'].split('/')[1]}"
    snapshot = repository / "snapshots" / "0123abcd"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123abcd")
    safetensors.torch.save_file(model.state_dict(), snapshot / "model.safetensors")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    embedder = TimmEmbedder(NAME)

    same = TimmEmbedder(NAME, checkpoint=saved(model, tmp_path / "weights.pth"))
    assert embedder.id == same.id


def test_create_needs_no_sample(tmp_path: Path) -> None:
    weights = saved(network(), tmp_path / "weights.pth")
    embedder = TimmEmbedder.create(NAME, checkpoint=weights, sample=[], state_dir=None)
    assert embedder.id == TimmEmbedder(NAME, checkpoint=weights).id


def test_the_mobilenet_of_the_real_data_gives_the_vectors_stored_there(
    shared_data: Path, tmp_path: Path
) -> None:
    checkpoint = shared_data / "weights" / "mobilenetv2_100_timm_from_tf2ptq.pth"
    embedder = TimmEmbedder("mobilenetv2_100", checkpoint=checkpoint)
    with np.load(shared_data / "embeddings" / "fruits_mobilenetv2_1280.npz") as arrays:
        ids = arrays["ids"].tolist()
        stored = arrays["X"][::56].astype(np.float64)
    wanted = ids[::56]
    with tarfile.open(shared_data / "fruits" / "fruits_subsampled_224.tar") as tar:
        for sample_id in wanted:
            tar.extract(sample_id, tmp_path, filter="data")

    embedded = embed_all(embedder, [tmp_path / sample_id for sample_id in wanted], cache=None)

    stored /= np.linalg.norm(stored, axis=1, keepdims=True)
    assert embedded.failures == []
    assert (embedded.vectors * stored).sum(axis=1).min() > 0.999
