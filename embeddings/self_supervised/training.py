"""A training under way: its steps, and what a resume needs."""

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from embeddings.self_supervised.augmentation import Augmentation, make_views
from embeddings.self_supervised.encoder import make_projectors
from embeddings.self_supervised.losses import barlow_twins, contrast
from embeddings.self_supervised.settings import LEARNING_RATE, Settings
from embeddings.self_supervised.watch import N_WATCHED, Watch

if TYPE_CHECKING:
    import torch

_WARM_UP = 0.05
_EARLIEST_END = 0.5
_BLOCK = 256


class Look(NamedTuple):
    """Where a training was when its watch looked at it, and what that found.

    Attributes
    ----------
    seconds : of training so far
    epoch : passes over the images so far
    loss : of the step before
    effective_rank : directions that the features make use of
    kept : share of the nearest neighbours that are those of the look before, in [0, 1]
    """

    seconds: float
    epoch: float
    loss: float
    effective_rank: float
    kept: float


@dataclass
class Training:
    """An encoder, its optimizer and its watch after `step` steps.

    All that is drawn depends on the seed and the step alone, so a training that is taken up again
    goes on as if nothing had happened.

    Attributes
    ----------
    settings : Settings
    augmentation : how views are made
    pixels : uint8 array of shape (n_images, 3, side, side)
    encoder : of `make_encoder`
    projectors : one for Barlow Twins, two for CMC
    optimizer : of both
    watch : Watch
    device : where it runs
    mixed : whether products are computed in bfloat16
    step : steps taken
    seconds : spent in steps and looks
    loss : of the last step; not a number before the first
    looks : list of Look, the oldest first
    """

    settings: Settings
    augmentation: Augmentation
    pixels: NDArray[np.uint8]
    encoder: Any
    projectors: Any
    optimizer: "torch.optim.Optimizer"
    watch: Watch
    device: "torch.device"
    mixed: bool
    step: int = 0
    seconds: float = 0.0
    loss: float = math.nan
    looks: list[Look] = field(default_factory=list)

    @property
    def batch_size(self) -> int:
        """Images a step: fewer than asked for where there are not so many."""
        return min(self.settings.batch_size, len(self.pixels))

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in a pass over the images."""
        return len(self.pixels) // self.batch_size

    @property
    def epoch(self) -> float:
        """Passes over the images so far."""
        return self.step / self.steps_per_epoch

    @property
    def done(self) -> float:
        """Share of the training that is behind, in [0, 1]."""
        by_epochs = self.epoch / self.settings.epochs if self.settings.epochs else 0.0
        by_time = self.seconds / 60 / self.settings.minutes if self.settings.minutes else 0.0
        return min(1.0, max(by_epochs, by_time))

    def take_step(self) -> None:
        """Draw a batch, make two views of it, and move the encoder."""
        import torch

        started = time.perf_counter()
        for group in self.optimizer.param_groups:
            group["lr"] = group["highest"] * _schedule(self.done)
        generator = torch.Generator().manual_seed(_mixed_seed(self.settings.seed, self.step))
        batch = torch.from_numpy(self.pixels[self._rows()]).to(self.device)
        views = [make_views(batch, self.augmentation, generator) for _ in range(2)]
        self._to_training()
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.mixed):
            first, second = self.encoder.twins(*views)
            first, second = self.projectors[0](first), self.projectors[-1](second)
        loss = self._loss(first.float(), second.float())
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.loss = float(loss.detach())
        self.step += 1
        self.seconds += time.perf_counter() - started

    def look(self) -> None:
        """Let the watch see the features of some of the images."""
        started = time.perf_counter()
        rows = np.linspace(0, len(self.pixels) - 1, min(N_WATCHED, len(self.pixels))).astype(int)
        reading = self.watch.look(self.features(rows), may_end=self.done >= _EARLIEST_END)
        self.seconds += time.perf_counter() - started
        self.looks.append(Look(self.seconds, self.epoch, self.loss, *reading))

    def features(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return what the encoder says of some of the images, as they are.

        Parameters
        ----------
        rows : int64 array of shape (n,), rows of `pixels`

        Returns
        -------
        float32 array of shape (n, n_features)
        """
        import torch

        self.encoder.eval()
        blocks = []
        with torch.inference_mode():
            for start in range(0, len(rows), _BLOCK):
                shown = torch.from_numpy(self.pixels[rows[start : start + _BLOCK]])
                images = self.encoder.standardized(shown.to(self.device).float() / 255)
                blocks.append(self.encoder(images).float().cpu().numpy())
        return np.concatenate(blocks)

    def state(self) -> dict[str, Any]:
        """Return all that changes in a training."""
        import torch

        neighbors = self.watch.neighbors
        return {
            "encoder": self.encoder.state_dict(),
            "projectors": self.projectors.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "loss": self.loss,
            "looks": [tuple(look) for look in self.looks],
            "n_quiet": self.watch.n_quiet,
            "neighbors": None if neighbors is None else torch.from_numpy(neighbors),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go to where `state` was taken."""
        self.encoder.load_state_dict(state["encoder"])
        self.projectors.load_state_dict(state["projectors"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds, self.loss = state["step"], state["seconds"], state["loss"]
        self.looks = [Look(*numbers) for numbers in state["looks"]]
        self.watch.n_quiet = state["n_quiet"]
        neighbors = state["neighbors"]
        self.watch.neighbors = None if neighbors is None else neighbors.numpy()

    def _rows(self) -> NDArray[np.int64]:
        """Return the images of this step: each epoch deals all of them in a new order."""
        epoch, turn = divmod(self.step, self.steps_per_epoch)
        order = np.random.default_rng([self.settings.seed, epoch]).permutation(len(self.pixels))
        # in the order of the file, which is kind to disks
        return np.sort(order[turn * self.batch_size : (turn + 1) * self.batch_size])

    def _loss(self, first: "torch.Tensor", second: "torch.Tensor") -> "torch.Tensor":
        if self.settings.method == "barlow_twins":
            return barlow_twins(first, second, redundancy=self.settings.redundancy)
        return contrast(first, second, temperature=self.settings.temperature)

    def _to_training(self) -> None:
        from torch.nn.modules.batchnorm import _BatchNorm

        self.encoder.train()
        if self.settings.freeze_norms:
            for layer in self.encoder.modules():
                if isinstance(layer, _BatchNorm):
                    layer.eval()


def start_training(
    settings: Settings, augmentation: Augmentation, pixels: NDArray[np.uint8], encoder: Any
) -> Training:
    """Put a training together, on CUDA where torch finds it, in bfloat16 where that is fast."""
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    encoder = encoder.to(device, memory_format=torch.channels_last)
    n_features = _count_features(encoder, pixels, device)
    n_projectors = 1 if settings.method == "barlow_twins" else 2
    # a network of two embeds by both, each half of the features goes to a projector of its own
    projectors = make_projectors(n_features // n_projectors, settings.projector, n_projectors)
    # projectors are random at the start, whatever the encoder is
    highest = max(settings.learning_rate, LEARNING_RATE)
    groups = [
        *_groups(encoder, settings.learning_rate, settings.weight_decay),
        *_groups(projectors.to(device), highest, settings.weight_decay),
    ]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99))
    watch = Watch(settings.stop_at)
    return Training(
        settings, augmentation, pixels, encoder, projectors, optimizer, watch, device,
        mixed=_is_bfloat16_fast(device),
    )  # fmt: skip


def _groups(module: Any, highest: float, weight_decay: float) -> list[dict[str, Any]]:
    """Return what the optimizer is to move, and how fast; biases and norms do not decay."""
    layers = [one for one in module.parameters() if one.ndim > 1]
    others = [one for one in module.parameters() if one.ndim <= 1]
    return [
        {"params": layers, "highest": highest, "weight_decay": weight_decay},
        {"params": others, "highest": highest, "weight_decay": 0.0},
    ]


def _count_features(encoder: Any, pixels: NDArray[np.uint8], device: "torch.device") -> int:
    import torch

    with torch.inference_mode():
        return int(encoder.eval()(torch.zeros(1, *pixels.shape[1:], device=device)).shape[1])


def _is_bfloat16_fast(device: "torch.device") -> bool:
    """Say whether the device computes in bfloat16; elsewhere it is emulated, and slow."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _schedule(done: float) -> float:
    """Return the share of the learning rate: up in a line, down in a cosine."""
    return min(1.0, (done + 1e-3) / _WARM_UP) * (1 + math.cos(math.pi * done)) / 2


def _mixed_seed(seed: int, step: int) -> int:
    return int(np.random.default_rng([seed, step, 1]).integers(2**62))
