import math

import numpy as np
import pytest
import torch

from embeddings.self_supervised.losses import barlow_twins, contrast


def slow_barlow_twins(first: np.ndarray, second: np.ndarray, redundancy: float) -> float:
    total = 0.0
    for i in range(first.shape[1]):
        for j in range(second.shape[1]):
            c = float(np.corrcoef(first[:, i], second[:, j])[0, 1])
            total += (c - 1) ** 2 if i == j else redundancy * c**2
    return total


def slow_contrast(first: np.ndarray, second: np.ndarray, temperature: float) -> float:
    unit = [one / np.linalg.norm(one, axis=1, keepdims=True) for one in (first, second)]
    total = 0.0
    for a, b in (unit, unit[::-1]):
        for r in range(len(a)):
            odds = [math.exp(float(a[r] @ other) / temperature) for other in b]
            total -= math.log(odds[r] / sum(odds))
    return total / (2 * len(first))


@pytest.fixture
def twins() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    first = rng.standard_normal((12, 4))
    return first, first + 0.5 * rng.standard_normal((12, 4)) + 3


def test_barlow_twins_equals_the_sum_over_all_correlations(
    twins: tuple[np.ndarray, np.ndarray],
) -> None:
    loss = barlow_twins(*map(torch.tensor, twins), redundancy=0.3)
    assert float(loss) == pytest.approx(slow_barlow_twins(*twins, 0.3), rel=1e-4)


def test_barlow_twins_is_zero_for_equal_views_of_independent_features() -> None:
    features = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    assert float(barlow_twins(features, 5 * features + 2, redundancy=1.0)) < 1e-8


def test_barlow_twins_is_dearer_for_the_same_feature_twice_and_for_constants() -> None:
    features = torch.tensor([[1.0, 1.0], [1.0, 1.0], [-1.0, -1.0], [-1.0, -1.0]])
    assert float(barlow_twins(features, features, redundancy=1.0)) == pytest.approx(2, rel=1e-3)
    constant = torch.ones(4, 2)
    assert float(barlow_twins(constant, constant, redundancy=1.0)) == pytest.approx(2)


def test_contrast_equals_the_cross_entropy_of_both_directions(
    twins: tuple[np.ndarray, np.ndarray],
) -> None:
    loss = contrast(*map(torch.tensor, twins), temperature=0.5)
    assert float(loss) == pytest.approx(slow_contrast(*twins, 0.5), rel=1e-6)


def test_contrast_of_features_that_say_nothing_is_the_log_of_the_batch() -> None:
    constant = torch.ones(8, 3)
    assert float(contrast(constant, constant, temperature=0.1)) == pytest.approx(math.log(8))
