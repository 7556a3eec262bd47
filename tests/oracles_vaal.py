"""The losses of VAAL, one sample and one number at a time."""

import math
from collections.abc import Sequence

Vector = Sequence[float]
Matrix = Sequence[Vector]
Layers = Sequence[tuple[Matrix, Vector]]


def perceptron(layers: Layers, vector: Vector) -> list[float]:
    """Pass a vector through linear layers, with what is negative cut off between them."""
    values = list(vector)
    for number, (weights, biases) in enumerate(layers):
        if number > 0:
            values = [max(value, 0.0) for value in values]
        values = [
            bias + sum(weight * value for weight, value in zip(row, values, strict=True))
            for row, bias in zip(weights, biases, strict=True)
        ]
    return values


def code(encoder: Layers, sample: Vector) -> tuple[list[float], list[float]]:
    """Mean and log variance of a sample's code."""
    values = perceptron(encoder, sample)
    half = len(values) // 2
    return values[:half], values[half:]


def vae_loss(encoder: Layers, decoder: Layers, sample: Vector, noise: Vector, beta: float) -> float:
    """Half the squared error, and beta times the divergence from a standard normal code."""
    means, log_variances = code(encoder, sample)
    drawn = [
        mean + draw * math.sqrt(math.exp(log_variance))
        for mean, log_variance, draw in zip(means, log_variances, noise, strict=True)
    ]
    rebuilt = perceptron(decoder, drawn)
    error = sum((one - other) ** 2 for one, other in zip(rebuilt, sample, strict=True)) / 2
    divergence = 0.0
    for mean, log_variance in zip(means, log_variances, strict=True):
        divergence += (mean**2 + math.exp(log_variance) - 1 - log_variance) / 2
    return error + beta * divergence


def labeled_probability(encoder: Layers, discriminator: Layers, sample: Vector) -> float:
    """D of a sample."""
    means, _ = code(encoder, sample)
    (odds,) = perceptron(discriminator, means)
    return 1 / (1 + math.exp(-odds))
