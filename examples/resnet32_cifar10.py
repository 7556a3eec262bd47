r"""ResNet32 for CIFAR-10, as a network of one's own that al-server looks into.

    al-server embed images/ --embedder "layer:examples/resnet32_cifar10.py:ResNet32?layer=pool" \
        --checkpoint resnet32_cifar10_state_dict.pth --out images.npz

The class takes no arguments. `pretrained_cfg` says what the network was trained to see; without it
the same is said in the name: `&input_size=32&crop_pct=1&mean=...&std=...`.

Source: He et al. 2015, arXiv:1512.03385, section 4.2: three stages of five blocks with 16, 32 and
64 channels; where a block changes the size, its shortcut leaves out every second pixel and fills up
with channels of zeros.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS = (16, 32, 64)
BLOCKS = 5


class Block(nn.Module):
    """Two convolutions around which the input is added again."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.stride = 1 if n_in == n_out else 2
        self.n_new = n_out - n_in
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride=self.stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)

    def forward(self, shown: Tensor) -> Tensor:
        """Return maps of shape (n, n_out, height / stride, width / stride)."""
        inner = torch.relu(self.bn1(self.conv1(shown)))
        inner = self.bn2(self.conv2(inner))
        kept = shown[:, :, :: self.stride, :: self.stride]
        before = self.n_new // 2
        return torch.relu(inner + functional.pad(kept, (0, 0, 0, 0, before, self.n_new - before)))


class ResNet32(nn.Module):
    """Images of shape (n, 3, 32, 32) -> scores of shape (n, 10)."""

    pretrained_cfg: dict[str, Any] = {  # noqa: RUF012 (timm's word for it)
        "input_size": (3, 32, 32),
        "crop_pct": 1.0,
        "mean": (0.485, 0.456, 0.406),
        "std": (0.229, 0.224, 0.225),
    }

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, CHANNELS[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(CHANNELS[0])
        self.layer1 = self._stage(CHANNELS[0], CHANNELS[0])
        self.layer2 = self._stage(CHANNELS[0], CHANNELS[1])
        self.layer3 = self._stage(CHANNELS[1], CHANNELS[2])
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(CHANNELS[2], 10)

    @staticmethod
    def _stage(n_in: int, n_out: int) -> nn.Sequential:
        return nn.Sequential(Block(n_in, n_out), *(Block(n_out, n_out) for _ in range(BLOCKS - 1)))

    def forward(self, shown: Tensor) -> Tensor:
        """Return the scores of ten classes."""
        maps = torch.relu(self.bn1(self.conv1(shown)))
        maps = self.layer3(self.layer2(self.layer1(maps)))
        scores: Tensor = self.linear(self.pool(maps).flatten(1))
        return scores
