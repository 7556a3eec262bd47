"""Data small enough to know the answers."""

import numpy as np

from al_server.lab.data import LabeledData


def blobs(
    *,
    n_each: int = 40,
    n_classes: int = 3,
    n_features: int = 4,
    spread: float = 0.25,
    seed: int = 0,
) -> LabeledData:
    """One cluster a class; ten samples a group."""
    rng = np.random.default_rng(seed)
    centers = np.eye(n_features)[np.arange(n_classes) % n_features]
    labels = np.repeat(np.arange(n_classes), n_each)
    vectors = centers[labels] + spread * rng.normal(size=(len(labels), n_features))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return LabeledData(
        name="blobs",
        embeddings=vectors.astype(np.float32),
        labels=labels,
        classes=tuple(f"c{one}" for one in range(n_classes)),
        groups=np.arange(len(labels)) // 10,
    )
