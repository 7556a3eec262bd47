"""The variational autoencoder and the discriminator, and the paper's losses over them.

Every function imports torch itself: importing this module costs nothing.
"""

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

N_HALVINGS = 4  # of an image's side, in the encoder
KERNEL, STRIDE, PADDING = 4, 2, 1  # of a convolution that halves or doubles it


class Networks(NamedTuple):
    """What is trained: the encoder gives a mean and a log variance for each latent dimension."""

    encoder: "nn.Module"
    decoder: "nn.Module"
    discriminator: "nn.Module"


class Code(NamedTuple):
    """Where the encoder puts samples: mean and log variance, both (n_samples, latent)."""

    mean: "Tensor"
    log_variance: "Tensor"


def for_embeddings(n_features: int, *, latent: int, width: int) -> Networks:
    """Make perceptrons with two hidden layers each way, and a discriminator with three."""
    return Networks(
        encoder=_perceptron(n_features, width, width, 2 * latent),
        decoder=_perceptron(latent, width, width, n_features),
        discriminator=_perceptron(latent, width, width, width, 1),
    )


def for_images(image_size: int, *, latent: int, width: int) -> Networks:
    """Make the paper's convolutions: four that halve the image and double the channels, and back.

    A layer is normalized within a sample, where the authors' code normalizes over a batch: a
    sample's code must not depend on who is in the batch with it.
    """
    from torch import nn

    channels = [width * 2**power for power in range(N_HALVINGS)]
    coded, decoded = image_size // 2**N_HALVINGS, image_size // 2 ** (N_HALVINGS - 1)
    down: list[nn.Module] = []
    for inward, outward in zip([3, *channels], channels, strict=False):
        down += [_layer(nn.Conv2d, inward, outward, KERNEL, STRIDE, PADDING), *_normalized(outward)]
    up: list[nn.Module] = []
    for inward, outward in zip(channels[::-1], channels[-2::-1], strict=False):
        up += [
            _layer(nn.ConvTranspose2d, inward, outward, KERNEL, STRIDE, PADDING),
            *_normalized(outward),
        ]
    return Networks(
        encoder=nn.Sequential(
            *down, nn.Flatten(), _layer(nn.Linear, channels[-1] * coded**2, 2 * latent)
        ),
        decoder=nn.Sequential(
            _layer(nn.Linear, latent, channels[-1] * decoded**2),
            nn.Unflatten(1, (channels[-1], decoded, decoded)),
            *up,
            _layer(nn.Conv2d, width, 3, 1),
        ),
        discriminator=_perceptron(latent, *[4 * width] * 4, 1),
    )


def initialize(networks: Networks, generator: "torch.Generator") -> None:
    """Draw all weights anew, uniform within 1 / sqrt(inputs of a unit), torch's own default.

    torch's own drawing takes its global generator, which is not ours to move.
    """
    import torch
    from torch import nn

    with torch.no_grad():
        for network in networks:
            for layer in network.modules():
                if isinstance(layer, nn.GroupNorm):
                    nn.init.ones_(layer.weight)
                    nn.init.zeros_(layer.bias)
                elif isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
                    bound = layer.weight[0].numel() ** -0.5
                    for parameter in layer.parameters():
                        parameter.uniform_(-bound, bound, generator=generator)


def encode(networks: Networks, samples: "Tensor") -> Code:
    """Return the codes of a batch."""
    return Code(*networks.encoder(samples).chunk(2, dim=1))


def vae_losses(
    networks: Networks, samples: "Tensor", code: Code, noise: "Tensor", *, beta: float
) -> "Tensor":
    """Return reconstruction + beta KL of each sample, in nats: the negative bound.

    The reconstruction is half the squared error summed over the features: the negative logarithm
    of a normal density of variance 1, but for a constant.
    """
    drawn = code.mean + noise * (code.log_variance / 2).exp()
    errors = (networks.decoder(drawn) - samples).square().flatten(1).sum(dim=1)
    spreads = code.mean.square() + code.log_variance.exp() - 1 - code.log_variance
    bounds: Tensor = (errors + beta * spreads.sum(dim=1)) / 2
    return bounds


def logits(networks: Networks, code: Code) -> "Tensor":
    """Return log(D / (1 - D)) of each sample, D the probability of being labeled."""
    odds: Tensor = networks.discriminator(code.mean).squeeze(1)
    return odds


def log_losses(logits: "Tensor", *, labeled: bool) -> "Tensor":
    """Return -log D of each sample, or -log(1 - D) of those that are not labeled, in nats."""
    from torch.nn.functional import softplus

    return softplus(-logits if labeled else logits)


def _perceptron(*sizes: int) -> "nn.Module":
    from torch import nn

    layers: list[nn.Module] = []
    for inward, outward in pairwise(sizes):
        layers += [_layer(nn.Linear, inward, outward), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _normalized(channels: int) -> "list[nn.Module]":
    from torch import nn

    return [_layer(nn.GroupNorm, 1, channels), nn.ReLU()]


def _layer(kind: "type[nn.Module]", *sizes: int) -> "nn.Module":
    """Make a layer whose weights are not drawn yet, whatever torch's defaults are set to."""
    import torch
    from torch.nn.utils import skip_init

    make: Any = skip_init  # untyped
    layer: nn.Module = make(kind, *sizes, device="cpu", dtype=torch.float32)
    return layer
