from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray
from PIL import Image

from embeddings.errors import EmbedderUnavailable
from embeddings.layer_embedder import LayerEmbedder
from embeddings.timm_embedder import TimmEmbedder
from tests.embeddings.test_timm_embedder import NAME, network, noise, saved

# layers whose output can be computed by hand: twice the pixels, then their negative
OWN = """
import torch

class Times(torch.nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(float(factor)))

    def forward(self, shown):
        return shown * self.factor

class Pair(torch.nn.Module):
    def forward(self, shown):
        return shown, {"also": 1}

class Named(torch.nn.Module):
    def forward(self, shown):
        return {"maps": shown}

class Own(torch.nn.Module):
    pretrained_cfg = {"input_size": (3, 32, 32), "mean": (0, 0, 0), "std": (1, 1, 1)}

    def __init__(self):
        super().__init__()
        self.scaled = Times(2)
        self.stage = torch.nn.Sequential(Times(-1), torch.nn.Identity())
        self.twice = torch.nn.Identity()
        self.unused = torch.nn.Identity()
        self.pair, self.named = Pair(), Named()

    def forward(self, shown):
        maps = self.stage(self.scaled(shown))
        maps = self.twice(self.twice(maps))
        maps = self.pair(maps)[0]
        self.named(maps)
        return maps.amin(dim=(2, 3)) if maps.shape[-1] == 32 else maps @ maps.new_ones(3, 3)

class Wide(Own):
    def forward(self, shown):
        # 3 x 32 x 32 pixels, each 105 times
        return self.scaled(shown).repeat(1, 105, 1, 1).mul_(0.5)
"""


@pytest.fixture
def own(tmp_path: Path) -> str:
    path = tmp_path / "own.py"
    path.write_text(OWN)
    return f"{path}:Own"


def unit(rows: Any) -> NDArray[np.float64]:
    values = np.asarray(rows, dtype=np.float64)
    return np.asarray(values / np.linalg.norm(values, axis=-1, keepdims=True))


def pixels(image: Image.Image) -> NDArray[np.float64]:
    return np.asarray(image, dtype=np.float64).transpose(2, 0, 1) / 255


def test_a_layer_says_what_it_computes_and_not_what_comes_after_it(own: str) -> None:
    # darkest and brightest pixel differ between the channels
    half = np.asarray(noise(32)) // 2 + np.array([10, 40, 90])
    image = Image.fromarray(half.astype(np.uint8))
    seen = pixels(image)
    cases = {
        f"{own}?layer=scaled": seen.mean(axis=(1, 2)),
        f"{own}?layer=scaled&pool=max": seen.max(axis=(1, 2)),
        f"{own}?layer=stage.0&pool=max": -seen.min(axis=(1, 2)),
        f"{own}?layer=stage": -seen.mean(axis=(1, 2)),
        f"{own}?layer=scaled&pool=gem": (seen**3).mean(axis=(1, 2)) ** (1 / 3),
        f"{own}?layer=scaled&pool=flat&sketch=3072": seen.ravel(),
        f"{own}?layer=scaled&channels=last&pool=avg": seen.mean(axis=(0, 1)),
        f"{own}?layer=pair": -seen.mean(axis=(1, 2)),
        own: -seen.max(axis=(1, 2)),
        f"{own}?mean=0.5&std=0.1": -(seen.max(axis=(1, 2)) - 0.5),
    }
    for name, expected in cases.items():
        embedder = LayerEmbedder(name)
        vector = embedder.embed_batch([image])
        assert vector.shape == (1, embedder.n_features), name
        np.testing.assert_allclose(vector[0], unit(expected), atol=1e-5, err_msg=name)


def test_an_unknown_layer_lists_near_ones_and_a_question_mark_all(own: str) -> None:
    with pytest.raises(EmbedderUnavailable, match="no layer 'stag'") as caught:
        LayerEmbedder(f"{own}?layer=stag")
    assert "stage" in caught.value.remedy and "layer=?" in caught.value.remedy
    for name in (f"{own}?layer=?", f"{own}?layer="):
        with pytest.raises(EmbedderUnavailable) as caught:
            LayerEmbedder(name)
        told = caught.value.message.splitlines()
        assert told[1] == "scaled  Times  3 x 32 x 32"
        assert told[2].startswith("stage.0  Times") and not any("unused" in one for one in told)
        assert "named  Named  no tensor" in told


def test_layers_that_cannot_be_read_are_refused(own: str) -> None:
    cases = {"twice": "used 2 times", "unused": "no layer", "named": "no tensor"}
    for layer, told in cases.items():
        with pytest.raises(EmbedderUnavailable, match=told) as caught:
            LayerEmbedder(f"{own}?layer={layer}")
        assert caught.value.remedy


def test_bad_options_and_sizes_are_told(own: str) -> None:
    for option in ("pool=sum", "channels=1", "sketch=3", "pad_type=same", "mean=x", "layers=a"):
        with pytest.raises(EmbedderUnavailable, match=option.partition("=")[0]) as caught:
            LayerEmbedder(f"{own}?{option}")
        assert caught.value.remedy
    with pytest.raises(EmbedderUnavailable, match="does not take images of 64 x 64") as caught:
        LayerEmbedder(f"{own}?input_size=64")
    assert "input_size" in caught.value.remedy


def test_the_id_changes_whenever_the_vectors_would(own: str) -> None:
    names = [own, *(f"{own}?{query}" for query in (
        "layer=scaled", "layer=stage.0", "layer=scaled&pool=max", "layer=scaled&pool=flat",
        "layer=scaled&pool=flat&sketch=64", "layer=scaled&pool=flat&sketch=65", "mean=0.5",
        "layer=scaled&channels=last",
    ))]  # fmt: skip
    ids = [LayerEmbedder(name).id for name in names]
    assert len(set(ids)) == len(ids)
    assert LayerEmbedder(own).id == ids[0]
    path = Path(own.rpartition(":")[0])
    path.write_text(OWN.replace("Times(2)", "Times(3)"))
    assert LayerEmbedder(own).id != ids[0]


def test_vectors_do_not_depend_on_the_batch_or_on_shrinking(own: str) -> None:
    embedder = LayerEmbedder(f"{own}?layer=scaled&pool=flat&sketch=64")
    images = [noise(side, side) for side in (32, 100, 40, 33, 32)]
    one_by_one = np.concatenate([embedder.embed_batch([embedder.shrink(i)]) for i in images])
    np.testing.assert_allclose(embedder.embed_batch(images), one_by_one, atol=1e-5)


def test_flat_maps_of_300000_features_are_never_held_for_more_than_a_batch(own: str) -> None:
    embedder = LayerEmbedder(f"{own.replace(':Own', ':Wide')}?pool=flat")
    shown = np.random.default_rng(0).integers(0, 256, (200, 32, 32, 3), dtype=np.uint8)
    images = [Image.fromarray(one) for one in shown]
    vectors = embedder.embed_batch(images[:4])
    process = psutil.Process()
    resident = [process.memory_info().rss]
    for start in range(4, 200, 4):
        batch = embedder.embed_batch(images[start : start + 4])
        vectors = np.concatenate([vectors, batch])
        resident.append(process.memory_info().rss)
    assert vectors.shape == (200, 2048)
    # whole, they are 200 x 322,560 x 4 bytes: 258 MB
    assert max(resident) - resident[0] < 60e6
    flat = unit(shown[:, None].transpose(0, 1, 4, 2, 3).reshape(200, -1))
    assert np.abs(vectors @ vectors.T - flat @ flat.T).max() < 6 * np.sqrt(2 / 2048)


def test_a_timm_network_through_its_last_layer_is_the_timm_embedder(tmp_path: Path) -> None:
    weights = saved(network(), tmp_path / "weights.pth")
    images = [noise(side, side) for side in (160, 200, 90)]
    expected = TimmEmbedder(NAME, checkpoint=weights).embed_batch(images)
    for query in ("", "?layer=global_pool", "?layer=layer4", "?layer=layer4&pool=avg"):
        embedder = LayerEmbedder(f"timm/{NAME}{query}", checkpoint=weights)
        np.testing.assert_allclose(embedder.embed_batch(images), expected, atol=1e-5)
    other = LayerEmbedder(f"timm/{NAME}?layer=layer1", checkpoint=weights)
    assert other.n_features != expected.shape[1]


def test_layers_of_a_timm_network_are_listed_without_weights() -> None:
    with pytest.raises(EmbedderUnavailable, match="layer4") as caught:
        LayerEmbedder(f"timm/{NAME}?layer=?")
    assert "global_pool" in caught.value.message
    with pytest.raises(EmbedderUnavailable, match="timm knows no network"):
        LayerEmbedder("timm/no_such_net?layer=?")


def test_a_timm_network_without_weights_is_an_error_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(EmbedderUnavailable, match="hub cannot be reached") as caught:
        LayerEmbedder(f"timm/{NAME}?layer=layer1")
    assert "--checkpoint" in caught.value.remedy


def test_memory_that_runs_out_halves_the_batch(own: str) -> None:
    path = Path(own.rpartition(":")[0])
    greedy = """
class Greedy(Own):
    def forward(self, shown):
        if len(shown) > 3:
            torch.empty(2**50)  # the allocator itself says no
        return self.scaled(shown)
"""
    path.write_text(OWN + greedy)
    embedder = LayerEmbedder(own.replace(":Own", ":Greedy"))
    images = [noise(32, seed) for seed in range(10)]
    expected = [unit(pixels(image).mean(axis=(1, 2))) for image in images]
    np.testing.assert_allclose(embedder.embed_batch(images), expected, atol=1e-5)


def test_what_a_server_may_run_is_checked_before_anything_is_loaded(own: str) -> None:
    folder = str(Path(own).parent)
    LayerEmbedder.check_allowed(f"{own}?layer=scaled", [folder])
    LayerEmbedder.check_allowed("timm/anything?layer=x", [])
    with pytest.raises(EmbedderUnavailable, match="does not run the code"):
        LayerEmbedder.check_allowed(f"{own}?layer=scaled", [])
