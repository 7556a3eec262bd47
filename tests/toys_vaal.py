"""Pools on which one knows what VAAL should ask for."""

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from strategies.pool import PoolView, Status
from strategies.toy_pool import toy_pool
from strategies.vaal import Vaal
from strategies.vaal.samples import samples_of
from strategies.vaal.training import Training, start


def new_rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def two_groups(n_samples: int = 200, seed: int = 0) -> tuple[PoolView, np.ndarray[Any, Any]]:
    """A pool of two groups far apart, labels in the first one only; and which group each is in."""
    rng = new_rng(seed)
    groups = rng.integers(2, size=n_samples)
    vectors = np.eye(8)[groups] + 0.15 * rng.normal(size=(n_samples, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    status = np.zeros(n_samples, np.int8)
    status[np.flatnonzero(groups == 0)[: n_samples // 5]] = Status.LABELED
    pool = replace(
        toy_pool(n_samples=n_samples),
        embeddings=vectors.astype(np.float32),
        status=status,
        labels=np.where(status == Status.LABELED, 0, -1),
    )
    return pool, groups


def digit_images(n_samples: int = 160) -> tuple[PoolView, np.ndarray[Any, Any]]:
    """Images of zeros and ones, only zeros labeled; and which digit each shows."""
    digits = load_digits(n_class=2)
    gray = np.round(digits.images[:n_samples] * (255 / 16)).astype(np.uint8)
    status = np.zeros(n_samples, np.int8)
    status[np.flatnonzero(digits.target[:n_samples] == 0)[:30]] = Status.LABELED
    pool = replace(
        toy_pool(n_samples=n_samples), status=status, images=np.stack([gray] * 3, axis=3)
    )
    return pool, digits.target[:n_samples]


def training_of(settings: Vaal, pool: PoolView, seed: int = 0) -> Training:
    return start(settings, samples_of(pool, settings.on), seed)
