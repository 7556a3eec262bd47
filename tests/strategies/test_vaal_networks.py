"""VAAL's losses against slow ones, and who moves when."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from strategies.toy_pool import toy_pool
from strategies.vaal import Vaal
from strategies.vaal import networks as nets
from strategies.vaal.training import Training
from tests import oracles_vaal as oracle
from tests.toys_vaal import training_of, two_groups

QUICK = Vaal(width=16, latent=4, batch_size=32)


def layers(network: torch.nn.Module) -> oracle.Layers:
    linear = [layer for layer in network.modules() if isinstance(layer, torch.nn.Linear)]
    return [(layer.weight.tolist(), layer.bias.tolist()) for layer in linear]


def weights(*networks: torch.nn.Module) -> list[torch.Tensor]:
    return [one.detach().clone() for network in networks for one in network.parameters()]


def same(before: list[torch.Tensor], after: list[torch.Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.5])
def test_losses_are_those_of_a_slow_loop(beta: float) -> None:
    training = training_of(QUICK, toy_pool())
    encoder, decoder, discriminator = map(layers, training.networks)
    samples = training.samples.embeddings(np.arange(20))
    noise = torch.randn(20, 4, generator=torch.Generator().manual_seed(3))
    code = nets.encode(training.networks, samples)
    found = nets.vae_losses(training.networks, samples, code, noise, beta=beta)
    odds = nets.logits(training.networks, code)
    for position, (sample, draw) in enumerate(zip(samples.tolist(), noise.tolist(), strict=True)):
        expected = oracle.vae_loss(encoder, decoder, sample, draw, beta)
        assert found[position].item() == pytest.approx(expected, rel=1e-5)
        labeled = oracle.labeled_probability(encoder, discriminator, sample)
        losses = [nets.log_losses(odds[position], labeled=side).item() for side in (True, False)]
        assert losses == pytest.approx([-np.log(labeled), -np.log(1 - labeled)], rel=1e-5)


def test_losses_can_be_worked_out_by_hand() -> None:
    networks = nets.for_embeddings(3, latent=2, width=4)
    for network in networks:
        for parameter in network.parameters():
            torch.nn.init.zeros_(parameter)
    samples = torch.tensor([[1.0, 2.0, 2.0], [0.0, 0.0, 0.0]])
    codes = nets.Code(torch.tensor([[1.0, -2.0], [0.0, 0.0]]), torch.zeros(2, 2))
    # nothing is rebuilt: half of 1 + 4 + 4; the code is off by 1 and 2: half of 1 + 4
    found = nets.vae_losses(networks, samples, codes, torch.ones(2, 2), beta=3)
    assert found.tolist() == [4.5 + 3 * 2.5, 0]
    coin = nets.log_losses(nets.logits(networks, codes), labeled=False)
    assert coin.tolist() == pytest.approx([np.log(2)] * 2)


def test_scores_are_one_minus_the_probability_of_being_labeled() -> None:
    training = training_of(QUICK, toy_pool())
    encoder, _, discriminator = map(layers, training.networks)
    samples = training.samples.embeddings(training.samples.unlabeled).tolist()
    expected = [oracle.labeled_probability(encoder, discriminator, sample) for sample in samples]
    assert 1 / (1 + np.exp(-training.judge())) == pytest.approx(np.array(expected), rel=1e-5)


def test_the_vae_and_the_discriminator_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    moved, batches = [], []
    for name in ("_move_vae", "_move_discriminator"):

        def move(self: Training, batch: torch.Tensor, name: str = name) -> None:
            moved.append(name)
            batches.append(batch)

        monkeypatch.setattr(Training, name, move)
    training = training_of(replace(QUICK, n_vae_steps=3, n_adv_steps=2), toy_pool())
    training.take_turn()
    assert moved == ["_move_vae"] * 3 + ["_move_discriminator"] * 2
    assert batches[2] is batches[3]
    assert not any(torch.equal(one, other) for one, other in pairwise(batches[:3]))
    assert not torch.equal(batches[3], batches[4])


def test_each_step_moves_its_own_networks_only() -> None:
    training = training_of(QUICK, toy_pool())
    encoder, decoder, discriminator = training.networks
    batch = training._draw()
    before = weights(discriminator)
    training._move_vae(batch)
    assert same(before, weights(discriminator))
    before = weights(encoder, decoder)
    training._move_discriminator(batch)
    assert same(before, weights(encoder, decoder))


def test_the_vae_learns_to_make_all_pass_for_labeled_and_the_discriminator_to_tell() -> None:
    pool, _ = two_groups()
    training = training_of(replace(QUICK, adversary=1000.0), pool)
    batch = training._draw()

    def mean_losses() -> tuple[float, float]:
        with torch.no_grad():
            code = nets.encode(training.networks, batch)
        labeled, unlabeled = nets.logits(training.networks, code).chunk(2)
        fooled = nets.log_losses(torch.cat([labeled, unlabeled]), labeled=True).mean()
        told = nets.log_losses(labeled, labeled=True) + nets.log_losses(unlabeled, labeled=False)
        return fooled.item(), told.mean().item()

    before = mean_losses()
    for _ in range(20):
        training._move_vae(batch)
    after_vae = mean_losses()
    assert after_vae[0] < before[0]
    for _ in range(20):
        training._move_discriminator(batch)
    assert mean_losses()[1] < after_vae[1]


def test_batches_hold_as_many_of_one_side_as_of_the_other() -> None:
    pool, _ = two_groups()
    training = training_of(QUICK, pool)
    batch = training._draw()
    sides = (training.samples.labeled, training.samples.unlabeled)
    for half, side in zip(batch.chunk(2), sides, strict=True):
        seen = {tuple(row) for row in training.samples.embeddings(side).tolist()}
        assert len(half) == 32 and {tuple(row) for row in half.tolist()} <= seen
