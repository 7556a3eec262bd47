from dataclasses import replace

import numpy as np
import pytest
import torch

from embeddings.self_supervised.augmentation import (
    Augmentation,
    make_views,
    split_color,
    suited_to,
)

PLAIN = Augmentation(16, smallest_crop=1.0, flip=0.0, jitter=0.0, grey=0.0)


def images(n: int = 6, side: int = 16) -> torch.Tensor:
    pixels = np.random.default_rng(0).integers(60, 200, (n, 3, side, side), dtype=np.uint8)
    return torch.from_numpy(pixels)


def views(
    settings: Augmentation, seed: int = 0, pixels: torch.Tensor | None = None
) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return make_views(images() if pixels is None else pixels, settings, generator)


def test_the_same_generator_makes_the_same_views_and_another_makes_others() -> None:
    assert torch.equal(views(suited_to(16), 1), views(suited_to(16), 1))
    assert not torch.equal(views(suited_to(16), 1), views(suited_to(16), 2))


def test_colors_alone_leave_every_pixel_in_its_place() -> None:
    # a crop of all the area has an aspect ratio of its own: gradients would move
    still = replace(PLAIN, jitter=1.0)
    flat = torch.full((40, 3, 16, 16), 128, dtype=torch.uint8)
    changed = views(still, pixels=flat)
    assert float(changed.flatten(2).std(dim=2).max()) < 1e-5
    assert float(changed[:, 0, 0, 0].std()) > 0.05


def test_grey_views_have_no_color_and_keep_their_luminance() -> None:
    grey = views(replace(PLAIN, grey=1.0), pixels=images()[:, :, :1, :1].expand(-1, -1, 16, 16))
    assert float((grey[:, 0] - grey[:, 2]).abs().max()) < 1e-2
    weights = torch.tensor([0.299, 0.587, 0.114])
    wanted = (images()[:, :, 0, 0].float() / 255) @ weights
    torch.testing.assert_close(grey[:, 1, 3, 3], wanted, atol=1e-2, rtol=0)


def test_a_mirrored_view_is_the_view_mirrored() -> None:
    mirrored = views(replace(PLAIN, flip=1.0))
    torch.testing.assert_close(mirrored.flip(3), views(PLAIN), atol=1e-5, rtol=0)


def test_smaller_crops_show_fewer_of_the_pixels() -> None:
    ramp = torch.arange(256, dtype=torch.uint8).view(1, 1, 1, 256).expand(30, 3, 256, 256)
    crop = Augmentation(16, smallest_crop=0.05, flip=0.0, jitter=0.0, grey=0.0)
    shown = views(crop, pixels=ramp)
    spans = shown[:, 0].amax(dim=(1, 2)) - shown[:, 0].amin(dim=(1, 2))
    assert float(spans.min()) < 0.5 < float(spans.max())


def test_views_have_the_size_asked_for_and_stay_in_range() -> None:
    shown = views(suited_to(24), pixels=images(side=40))
    assert shown.shape == (6, 3, 24, 24) and shown.dtype == torch.float32
    assert 0 <= float(shown.min()) and float(shown.max()) <= 1


def test_only_large_views_are_blurred() -> None:
    assert suited_to(32).blur == 0 < suited_to(128).blur
    noise = images(4, 224)
    sharp = replace(PLAIN, view_size=224)
    steps = [float(views(one, pixels=noise).diff(dim=3).abs().mean())
             for one in (sharp, replace(sharp, blur=1.0))]  # fmt: skip
    assert steps[1] < 0.8 * steps[0]


def test_luminance_and_chroma_share_nothing_and_make_the_image_again() -> None:
    shown = images().float() / 255
    luminance, chroma = split_color(shown)
    assert torch.equal(luminance[:, 0], luminance[:, 2])
    torch.testing.assert_close(luminance + chroma - 0.5, shown)
    again = split_color(chroma)[0]
    torch.testing.assert_close(again, torch.full_like(again, 0.5), atol=1e-6, rtol=0)


@pytest.mark.parametrize("factor", [0.5, 0.8])
def test_chroma_does_not_see_grey_light(factor: float) -> None:
    shown = images().float() / 255
    torch.testing.assert_close(split_color(shown + factor)[1], split_color(shown)[1])
