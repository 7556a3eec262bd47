"""What a person may choose about a training."""

from dataclasses import dataclass

from embeddings.self_supervised.encoder import METHODS, Method

LEARNING_RATE = 3e-3
ADAPTING_RATE = 3e-5
"""Of a training that starts from weights, which is to change them a little."""
ADAPTING_BATCH = 64


@dataclass(frozen=True)
class Settings:
    """How a network is trained.

    Attributes
    ----------
    method : `barlow_twins` or `cmc` (contrastive multiview coding of luminance and chroma)
    epochs : passes over the images, or None: `minutes` alone decides
    minutes : of training, or None; where both are given, what comes first
    batch_size : images a step, each in two views
    learning_rate : the highest of the network, after a warm-up; falls by a cosine
    weight_decay : of the weights of layers, not of biases and norms
    projector : features that the loss is computed from
    redundancy : of `losses.barlow_twins`
    temperature : of `losses.contrast`
    freeze_norms : whether batch norms keep the statistics that they have; for trained networks
    stop_at : share of kept neighbours, in (0, 1], at which the training is over; see `Watch`
    seed : of all that is drawn

    Raises
    ------
    ValueError
        If a value is out of its range.
    """

    method: Method = "barlow_twins"
    epochs: int | None = None
    minutes: float | None = 60.0
    batch_size: int = 256
    learning_rate: float = LEARNING_RATE
    weight_decay: float = 0.02
    projector: int = 512
    redundancy: float = 0.005
    temperature: float = 0.1
    freeze_norms: bool = False
    stop_at: float = 0.99
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method is {self.method!r}, one of {', '.join(METHODS)} is wanted")
        if self.epochs is None and self.minutes is None:
            raise ValueError("epochs and minutes are None: the training has no end; give one")
        for name in ("epochs", "minutes", "learning_rate", "temperature", "projector"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value}, more than 0 is wanted")
        if self.batch_size < 2:
            raise ValueError(f"batch_size is {self.batch_size}, at least 2 are wanted")
        if not 0 < self.stop_at <= 1:
            raise ValueError(f"stop_at is {self.stop_at}, wanted in (0, 1]")
