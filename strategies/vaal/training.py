"""A training under way: turns of the VAE and the discriminator, and what a resume needs."""

from dataclasses import dataclass, field
from math import log
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from strategies.vaal import networks as nets
from strategies.vaal.report import Losses, Plateau
from strategies.vaal.samples import BLOCK, Samples

if TYPE_CHECKING:
    import torch

    from strategies.vaal.strategy import Vaal

Positions = NDArray[np.int64]

N_MEASURED = 1000  # samples of each side, at most, that losses are measured on
N_CHECKS = 100  # of the losses in a training
SHORTEST_INTERVAL = 10  # turns between two checks: short trainings are not held up by them


@dataclass
class Training:
    """Networks, optimizers and chance after `step` turns.

    Attributes
    ----------
    unlabeled_measured, labeled_measured : positions that losses are measured on; they are trained
        on as well, since the pool is all that will be judged and labeled samples are few
    """

    settings: "Vaal"
    samples: Samples
    seed: int
    device: "torch.device"
    networks: nets.Networks
    vae_parameters: "list[torch.nn.Parameter]"
    vae_optimizer: "torch.optim.Optimizer"
    discriminator_optimizer: "torch.optim.Optimizer"
    generator: "torch.Generator"
    unlabeled_measured: Positions
    labeled_measured: Positions
    step: int = 0
    plateau: Plateau = field(default_factory=Plateau)
    losses: Losses | None = None

    @property
    def n_steps(self) -> int:
        """How many turns a training takes that does not end early."""
        asked = self.settings.epochs * len(self.samples.unlabeled) // self.settings.batch_size
        return max(1, min(asked, self.settings.max_steps))

    @property
    def is_on_plateau(self) -> bool:
        """Whether the losses have not fallen for as long as the settings allow."""
        return 0 < self.settings.patience <= self.plateau.n_checks

    @property
    def is_due_for_check(self) -> bool:
        """Whether losses are to be measured after this turn."""
        interval = max(SHORTEST_INTERVAL, self.n_steps // N_CHECKS)
        return self.step % interval == 0 or self.step == self.n_steps

    def take_turn(self) -> None:
        """Move the VAE, then the discriminator, as often as the settings say."""
        for _ in range(self.settings.n_vae_steps):
            batch = self._draw()
            self._move_vae(batch)
        for n_moved in range(self.settings.n_adv_steps):
            # the first step takes the last batch of the VAE, as the authors' code does
            self._move_discriminator(batch if n_moved == 0 else self._draw())
        self.step += 1

    def check(self) -> Losses:
        """Measure the losses and remember whether they fell."""
        labeled = self._measure(self.labeled_measured, labeled=True)
        unlabeled = self._measure(self.unlabeled_measured, labeled=False)
        self.losses = Losses(
            *((one + other) / 2 for one, other in zip(labeled, unlabeled, strict=True))
        )
        self._refuse_divergence(self.losses)
        self.plateau = self.plateau.after(self.losses)
        return self.losses

    def judge(self) -> NDArray[np.float32]:
        """Return log(D / (1 - D)) of the unlabeled samples, in tie order."""
        import torch

        judged = np.empty(len(self.samples.unlabeled), np.float32)
        with torch.no_grad():
            for start in range(0, len(judged), BLOCK):
                # always whole blocks: matrix products round the last rows of others differently,
                # and equal samples are to be equal
                block = self.samples.unlabeled[start : start + BLOCK]
                code = nets.encode(self.networks, self._see(np.resize(block, BLOCK)))
                odds = nets.logits(self.networks, code)[: len(block)]
                judged[start : start + BLOCK] = odds.cpu().numpy()
        self._refuse_divergence(judged)
        return judged

    def state(self) -> dict[str, Any]:
        """Return all that changes in a training."""
        return {
            "networks": [network.state_dict() for network in self.networks],
            "vae_optimizer": self.vae_optimizer.state_dict(),
            "discriminator_optimizer": self.discriminator_optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "step": self.step,
            "plateau": tuple(self.plateau),
            "losses": None if self.losses is None else tuple(self.losses),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go to where `state` was taken."""
        for network, weights in zip(self.networks, state["networks"], strict=True):
            network.load_state_dict(weights)
        self.vae_optimizer.load_state_dict(state["vae_optimizer"])
        self.discriminator_optimizer.load_state_dict(state["discriminator_optimizer"])
        self.generator.set_state(state["generator"])
        self.step = state["step"]
        self.plateau = Plateau(*state["plateau"])
        self.losses = None if state["losses"] is None else Losses(*state["losses"])

    def _draw(self) -> "torch.Tensor":
        """As many samples of one side as of the other, the labeled ones first."""
        import torch

        n = min(self.settings.batch_size, len(self.samples.unlabeled))
        sides = [
            side[torch.randint(len(side), (n,), generator=self.generator, device="cpu").numpy()]
            for side in (self.samples.labeled, self.samples.unlabeled)
        ]
        return self._see(np.concatenate(sides))

    def _move_vae(self, batch: "torch.Tensor") -> None:
        code = nets.encode(self.networks, batch)
        noise = self._noise(code, self.generator)
        bounds = nets.vae_losses(self.networks, batch, code, noise, beta=self.settings.beta)
        fooled = nets.log_losses(nets.logits(self.networks, code), labeled=True)
        # means over both sides: half of the paper's sums, which Adam's steps do not see
        loss = bounds.mean() + self.settings.adversary * fooled.mean()
        self.vae_optimizer.zero_grad()
        # the discriminator judges here, but does not learn
        loss.backward(inputs=self.vae_parameters)  # type: ignore[no-untyped-call]
        self.vae_optimizer.step()

    def _move_discriminator(self, batch: "torch.Tensor") -> None:
        import torch

        with torch.no_grad():
            code = nets.encode(self.networks, batch)
        labeled, unlabeled = nets.logits(self.networks, code).chunk(2)
        loss = nets.log_losses(labeled, labeled=True).mean()
        loss = loss + nets.log_losses(unlabeled, labeled=False).mean()
        self.discriminator_optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.discriminator_optimizer.step()

    def _measure(self, positions: Positions, *, labeled: bool) -> Losses:
        import torch

        # the same noise at every check: what falls is the loss
        generator = torch.Generator("cpu").manual_seed(self.seed)
        total = np.zeros(len(Losses._fields))
        with torch.no_grad():
            for start in range(0, len(positions), BLOCK):
                samples = self._see(positions[start : start + BLOCK])
                code = nets.encode(self.networks, samples)
                noise = self._noise(code, generator)
                bounds = nets.vae_losses(
                    self.networks, samples, code, noise, beta=self.settings.beta
                )
                losses = nets.log_losses(nets.logits(self.networks, code), labeled=labeled)
                total += [float(values.sum()) for values in (bounds, losses, losses < log(2))]
        return Losses(*(total / len(positions)).tolist())

    def _refuse_divergence(self, values: ArrayLike) -> None:
        if not np.isfinite(values).all():
            raise ValueError(
                f"vaal: the networks are no longer finite after {self.step} turns; take a "
                f"learning_rate below {self.settings.learning_rate}, beta below "
                f"{self.settings.beta} or adversary below {self.settings.adversary}"
            )

    def _see(self, positions: Positions) -> "torch.Tensor":
        if self.settings.on == "embeddings":
            return self.samples.embeddings(positions)
        return self.samples.images(positions, self.settings.image_size, self.device)

    def _noise(self, code: nets.Code, generator: "torch.Generator") -> "torch.Tensor":
        """Drawn on the CPU, so that a GPU trains on the same noise."""
        import torch

        noise = torch.randn(code.mean.shape, generator=generator, dtype=torch.float32, device="cpu")
        return noise.to(code.mean.device)


def start(settings: "Vaal", samples: Samples, seed: int) -> Training:
    """Make networks with weights drawn from `seed`, and what trains them."""
    import torch

    generator = torch.Generator("cpu").manual_seed(seed)
    if settings.on == "embeddings":
        device = torch.device("cpu")  # steps of so few numbers are no faster on a GPU
        networks = nets.for_embeddings(
            samples.values.shape[1], latent=settings.latent, width=settings.width
        )
    else:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        networks = nets.for_images(
            settings.image_size, latent=settings.latent, width=settings.width
        )
    nets.initialize(networks, generator)
    for network in networks:
        network.to(device)
    vae_parameters = [*networks.encoder.parameters(), *networks.decoder.parameters()]
    return Training(
        settings=settings,
        samples=samples,
        seed=seed,
        device=device,
        networks=networks,
        vae_parameters=vae_parameters,
        vae_optimizer=_adam(vae_parameters, settings),
        discriminator_optimizer=_adam(list(networks.discriminator.parameters()), settings),
        generator=generator,
        unlabeled_measured=_some(samples.unlabeled, generator),
        labeled_measured=_some(samples.labeled, generator),
    )


def _adam(parameters: "list[torch.nn.Parameter]", settings: "Vaal") -> "torch.optim.Optimizer":
    import torch

    return torch.optim.Adam(parameters, settings.learning_rate, fused=True)


def _some(positions: Positions, generator: "torch.Generator") -> Positions:
    import torch

    order = torch.randperm(len(positions), generator=generator, device="cpu")
    some: Positions = positions[order[:N_MEASURED].numpy()]
    return some
