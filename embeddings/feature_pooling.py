"""From what a layer puts out, for a batch, to one vector a sample."""

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

POOLS = ("avg", "max", "gem", "flat")
Pool = Literal["avg", "max", "gem", "flat"]
Channels = Literal["first", "last"]

GEM_POWER = 3.0
_GEM_LEAST = 1e-6  # below zero there is no cube root of a mean of cubes to speak of


def pool_features(features: "Tensor", pool: Pool, *, channels: Channels | None = None) -> "Tensor":
    """Pool the places of feature maps, or the tokens of a sequence.

    Parameters
    ----------
    features : float tensor of shape (n, channels, height, width), (n, tokens, channels) or any
        other with at least two axes; (n, d) has nothing to pool and is returned as it is
    pool : {"avg", "max", "gem", "flat"}
        Over all places alike, a class token included. "gem": the cube root of the mean of cubes,
        between mean and maximum, what is below zero counted as zero. "flat": every number.
    channels : {"first", "last"}, optional
        Where the channels are; default: last with three axes (tokens), else first (maps).

    Returns
    -------
    float32 tensor of shape (n, channels); "flat": (n, every number)

    Notes
    -----
    Source of "gem": Radenović, Tolias and Chum 2018, arXiv:1711.02512, equation 3, with p = 3.
    """
    features = features.float()
    if features.ndim == 2 or pool == "flat":
        return features.flatten(1)
    if channels is None:
        channels = "last" if features.ndim == 3 else "first"
    places = features.movedim(-1, 1).flatten(2) if channels == "last" else features.flatten(2)
    if pool == "avg":
        return places.mean(dim=2)
    if pool == "max":
        return places.amax(dim=2)
    cubes = places.clamp(min=_GEM_LEAST).pow(GEM_POWER)
    return cubes.mean(dim=2).pow(1 / GEM_POWER)
