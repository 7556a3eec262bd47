"""From two views of each image to two sets of features, by one network or by two."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from torch import Tensor

Method = Literal["barlow_twins", "cmc"]
METHODS: tuple[Method, ...] = get_args(Method)


def make_encoder(
    method: Method, make_network: Callable[[], Any], preprocessing: Mapping[str, Any]
) -> Any:
    """Put together what embeds images under a method.

    `barlow_twins` has one network. `cmc` has two, one for luminance and one for chroma; its
    features are those of both.

    Parameters
    ----------
    make_network : callable without arguments
        Makes a network; called once for each that is needed.
    preprocessing : mapping with `mean` and `std`, three numbers each, for pixels in [0, 1]

    Returns
    -------
    torch.nn.Module, float32 (n, 3, side, side), standardized by `preprocessing` ->
    (n, n_features). Its method `twins(first, second)` takes two views of the same images, in
    [0, 1], and returns the features of both for the loss; for `cmc` of the first only the
    luminance is seen, of the second only the chroma.
    """
    import torch
    from torch import nn

    from embeddings.self_supervised.augmentation import split_color

    class Encoder(nn.Module):
        mean: torch.Tensor
        std: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            for name in ("mean", "std"):
                numbers = torch.tensor(preprocessing[name]).view(1, 3, 1, 1)
                self.register_buffer(name, numbers, persistent=False)

        def standardized(self, images: "Tensor") -> "Tensor":
            shown = (images - self.mean) / self.std
            return shown.contiguous(memory_format=torch.channels_last)

    class Twins(Encoder):
        def __init__(self) -> None:
            super().__init__()
            self.network = make_network()

        def forward(self, images: "Tensor") -> "Tensor":
            features: Tensor = self.network(images)
            return features

        def twins(self, first: "Tensor", second: "Tensor") -> "tuple[Tensor, Tensor]":
            both = self(self.standardized(torch.cat([first, second])))
            return both[: len(first)], both[len(first) :]

    class LuminanceAndChroma(Encoder):
        def __init__(self) -> None:
            super().__init__()
            self.luminance, self.chroma = make_network(), make_network()

        def forward(self, images: "Tensor") -> "Tensor":
            views = images * self.std + self.mean
            return torch.cat(self.twins(views, views), dim=1)

        def twins(self, first: "Tensor", second: "Tensor") -> "tuple[Tensor, Tensor]":
            luminance, chroma = split_color(first)[0], split_color(second)[1]
            return (
                self.luminance(self.standardized(luminance)),
                self.chroma(self.standardized(chroma)),
            )

    return (Twins if method == "barlow_twins" else LuminanceAndChroma)()


def copies_of(network: Any) -> Callable[[], Any]:
    """Return what hands out copies of a network, weights and all."""
    return lambda: deepcopy(network)


def make_projectors(n_features: int, width: int, n_projectors: int) -> Any:
    """Build the layers between features and loss; they are left behind after the training.

    Returns
    -------
    torch.nn.ModuleList of `n_projectors` modules, (n, n_features) -> (n, width)
    """
    from torch import nn

    return nn.ModuleList(
        nn.Sequential(
            nn.Linear(n_features, width, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(inplace=True),
            nn.Linear(width, width, bias=False),
        )
        for _ in range(n_projectors)
    )
