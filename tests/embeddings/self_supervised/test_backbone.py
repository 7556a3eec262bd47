from pathlib import Path

import pytest
import torch

from embeddings.errors import EmbedderUnavailable
from embeddings.self_supervised.backbone import build, rebuild

TINY = "test_resnet"  # of timm, for tests: some thousands of weights


def last_map(network: torch.nn.Module, size: int) -> int:
    with torch.no_grad():
        return int(network.eval().forward_features(torch.zeros(1, 3, size, size)).shape[-1])  # type: ignore[operator]


@pytest.mark.parametrize(("name", "size"), [(TINY, 32), ("mobilenetv2_035", 32), (TINY, 64)])
def test_small_images_do_not_shrink_to_a_dot(name: str, size: int) -> None:
    assert last_map(build(name, image_size=size, start=None).network, size) >= 4


def test_large_images_meet_the_network_as_timm_has_it() -> None:
    assert build(TINY, image_size=160, start=None).recipe.get("strides", []) == []
    assert build(TINY, image_size=32, start=None).recipe["strides"]


@pytest.mark.parametrize("name", [TINY, "small:8", "test_vit"])
def test_a_recipe_builds_the_same_network_again(name: str) -> None:
    made = build(name, image_size=32, start=None)
    again = rebuild(made.recipe)
    again.load_state_dict(made.network.state_dict())
    shown = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(again.eval()(shown), made.network.eval()(shown))


def test_a_start_keeps_the_weights_and_the_strides(tmp_path: Path) -> None:
    trained = build(TINY, image_size=160, start=None).network
    for key, value in trained.state_dict().items():
        if key.endswith("running_mean"):
            value.normal_(std=0.1)
    torch.save(trained.state_dict(), tmp_path / "weights.pth")
    made = build(TINY, image_size=None, start=tmp_path / "weights.pth")
    assert made.image_size == 160
    shown = torch.rand(1, 3, 160, 160)
    with torch.no_grad():
        torch.testing.assert_close(made.network.eval()(shown), trained.eval()(shown))


@pytest.mark.parametrize(
    ("name", "start", "message"),
    [
        ("resnet10tt", None, "no network"),
        ("small:no", None, "no width"),
        ("small:2", None, "no width"),
        ("small", "weights.pth", "no trained weights"),
        (TINY, "nowhere.pth", "no checkpoint"),
    ],
)
def test_what_cannot_be_built_is_said(name: str, start: str | None, message: str) -> None:
    with pytest.raises(EmbedderUnavailable, match=message):
        build(name, image_size=32, start=start)


def test_a_record_of_another_hand_cannot_choose_what_timm_reads() -> None:
    recipe = {"name": "resnet18", "build": {"checkpoint_path": "/elsewhere.pth"}}
    with pytest.raises(EmbedderUnavailable, match="checkpoint_path"):
        rebuild(recipe)
