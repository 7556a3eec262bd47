"""Random views of images, made for a whole batch at once on the device that trains."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Generator, Tensor

# to luminance and two chroma axes (YIQ) and back; a turn around the first axis changes the hue
_YIQ = ((0.299, 0.587, 0.114), (0.596, -0.274, -0.321), (0.211, -0.523, 0.311))
_LARGE = 96
"""Pixels a side from which on images have detail that blurring takes away."""


@dataclass(frozen=True)
class Augmentation:
    """How much two views of an image may differ.

    Attributes
    ----------
    view_size : pixels a side of a view
    smallest_crop : least share of the image's area that is cropped, in (0, 1]
    flip : share of the views that are mirrored, in [0, 1]
    jitter : strength of the change of color, 0 none, 1 that of the Barlow Twins paper
    grey : share of the views without color, in [0, 1]
    blur : share of the views that are blurred, in [0, 1]
    """

    view_size: int
    smallest_crop: float = 0.2
    flip: float = 0.5
    jitter: float = 1.0
    grey: float = 0.2
    blur: float = 0.0


def suited_to(view_size: int) -> Augmentation:
    """Choose the augmentation for views of a size.

    Small pictures are cropped less (a tenth of 32 x 32 pixels shows nothing) and never blurred.

    Notes
    -----
    Source of the strengths: Zbontar et al. 2021, arXiv:2103.03230, section 2.2; that small images
    are not to be blurred: Chen et al. 2020, arXiv:2002.05709, appendix B.9.
    """
    if view_size < _LARGE:
        return Augmentation(view_size)
    return Augmentation(view_size, smallest_crop=0.08, blur=0.5)


def make_views(pixels: "Tensor", settings: Augmentation, generator: "Generator") -> "Tensor":
    """Make one random view of each image.

    Parameters
    ----------
    pixels : uint8 tensor of shape (n_images, 3, height, width)
    settings : Augmentation
    generator : torch.Generator on the CPU
        The only source of chance: the same views on every device.

    Returns
    -------
    float32 tensor of shape (n_images, 3, view_size, view_size), in [0, 1]
    """
    views = _recolored(_cropped(pixels.float() / 255, settings, generator), settings, generator)
    return _blurred(views, settings, generator) if settings.blur else views


def _cropped(images: "Tensor", settings: Augmentation, generator: "Generator") -> "Tensor":
    """Crop by area and aspect ratio, mirror and scale: one affine map for each image."""
    import torch
    from torch.nn.functional import affine_grid, grid_sample

    n_images = len(images)
    area = _uniform(n_images, settings.smallest_crop, 1, generator)
    ratio = _uniform(n_images, math.log(3 / 4), math.log(4 / 3), generator).exp()
    width = (area * ratio).sqrt().clamp(max=1)
    height = (area / ratio).sqrt().clamp(max=1)
    sign = 1 - 2 * _chance(n_images, settings.flip, generator)
    maps = torch.zeros(n_images, 2, 3)
    maps[:, 0, 0], maps[:, 1, 1] = width * sign, height
    maps[:, 0, 2] = _uniform(n_images, -1, 1, generator) * (1 - width)
    maps[:, 1, 2] = _uniform(n_images, -1, 1, generator) * (1 - height)
    shape = [n_images, 3, settings.view_size, settings.view_size]
    grid = affine_grid(maps.to(images.device), shape, align_corners=False)
    return grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def _recolored(views: "Tensor", settings: Augmentation, generator: "Generator") -> "Tensor":
    """Change brightness, contrast, saturation and hue: one 3 x 3 matrix for each image."""
    import torch

    n_images = len(views)
    applied = _chance(n_images, 0.8, generator) * settings.jitter
    brightness = 1 + applied * _uniform(n_images, -0.4, 0.4, generator)
    contrast = 1 + applied * _uniform(n_images, -0.4, 0.4, generator)
    saturation = 1 + applied * _uniform(n_images, -0.4, 0.4, generator)
    saturation *= 1 - _chance(n_images, settings.grey, generator)
    turn = 2 * math.pi * applied * _uniform(n_images, -0.1, 0.1, generator)
    change = torch.zeros(n_images, 3, 3)
    change[:, 0, 0] = 1
    change[:, 1, 1] = change[:, 2, 2] = saturation * turn.cos()
    change[:, 2, 1] = saturation * turn.sin()
    change[:, 1, 2] = -change[:, 2, 1]
    yiq = torch.tensor(_YIQ)
    matrices = (brightness * contrast).view(-1, 1, 1) * (yiq.inverse() @ change @ yiq)
    luminance = torch.einsum("c,nchw->n", yiq[0].to(views.device), views) / views[0, 0].numel()
    # contrast is changed around the mean luminance of the view
    offset = (brightness * (1 - contrast)).to(views.device) * luminance
    turned = torch.einsum("nij,njhw->nihw", matrices.to(views.device), views)
    return (turned + offset.view(-1, 1, 1, 1)).clamp(0, 1)


def _blurred(views: "Tensor", settings: Augmentation, generator: "Generator") -> "Tensor":
    """Blur some of the views by a Gaussian of random width: a depthwise convolution each way."""
    import torch
    from torch.nn.functional import conv2d, pad

    n_images, _, _, side = views.shape
    is_blurred = _chance(n_images, settings.blur, generator).view(-1, 1, 1, 1).to(views.device)
    # the paper's widths are 0.1 to 2 pixels of 224
    sigma = _uniform(n_images, 0.1, 2, generator) * side / 224
    radius = max(1, round(4 * side / 224))
    steps = torch.arange(-radius, radius + 1)
    weights = torch.softmax(-steps.square() / (2 * sigma.view(-1, 1).square()), dim=1)
    weights = weights.to(views.device).repeat_interleave(3, dim=0).view(3 * n_images, 1, -1, 1)
    planes = pad(views, [radius] * 4, mode="replicate").reshape(
        1, 3 * n_images, -1, side + 2 * radius
    )
    planes = conv2d(planes, weights, groups=3 * n_images)
    planes = conv2d(planes, weights.transpose(2, 3), groups=3 * n_images)
    return torch.where(is_blurred > 0, planes.view(views.shape), views)


def split_color(views: "Tensor") -> "tuple[Tensor, Tensor]":
    """Split RGB into luminance and chroma, each as an RGB image that any network takes.

    Luminance is a grey image. Chroma is the image with a constant luminance of 1/2: the rest is
    what the two chroma planes hold, in any space that is linear in RGB.

    Parameters
    ----------
    views : float32 tensor of shape (n_images, 3, height, width), in [0, 1]

    Returns
    -------
    two float32 tensors of that shape: luminance, in [0, 1], and chroma, in [-1/2, 3/2]

    Notes
    -----
    Source: Tian, Krishnan and Isola 2019, arXiv:1906.05849, section 4.1 (there Lab or YDbDr).
    """
    import torch

    weights = torch.tensor(_YIQ[0], device=views.device)
    luminance = torch.einsum("c,nchw->nhw", weights, views).unsqueeze(1).expand_as(views)
    return luminance, views - luminance + 0.5


def _uniform(n: int, low: float, high: float, generator: "Generator") -> "Tensor":
    import torch

    return low + (high - low) * torch.rand(n, generator=generator)


def _chance(n: int, share: float, generator: "Generator") -> "Tensor":
    """Return 1.0 with probability `share`, else 0.0."""
    import torch

    return (torch.rand(n, generator=generator) < share).float()
