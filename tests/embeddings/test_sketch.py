import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from embeddings.sketch import CountSketch


def unit(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float32]:
    rows = rng.standard_normal(shape).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def test_each_feature_goes_with_its_sign_into_one_sum() -> None:
    import torch

    sketch = CountSketch(500, 16)
    columns = sketch(torch.eye(500)).numpy()
    assert (np.abs(columns).sum(axis=1) == 1).all()
    assert set(np.unique(columns)) == {-1, 0, 1}
    vectors = np.random.default_rng(1).standard_normal((3, 500)).astype(np.float32)
    np.testing.assert_allclose(sketch(torch.from_numpy(vectors)), vectors @ columns, atol=1e-4)


def test_inner_products_are_kept_in_expectation() -> None:
    import torch

    first, second = np.array(unit(np.random.default_rng(0), (2, 300)))
    second = (first + second) / np.linalg.norm(first + second)
    both = torch.from_numpy(np.stack([first, second]))
    products = []
    for seed in range(400):
        one, other = CountSketch(300, 64, seed=seed)(both).numpy().astype(np.float64)
        products.append(one @ other)
    # 400 sketches: the mean's standard deviation is at most sqrt(2 / 64 / 400) = 0.009
    assert np.mean(products) == pytest.approx(float(first @ second), abs=0.03)
    assert np.std(products) < 1.2 * np.sqrt(2 / 64)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_features=st.integers(3000, 80_000))
def test_cosines_are_kept_within_tolerance(seed: int, n_features: int) -> None:
    import torch

    rng = np.random.default_rng(seed)
    vectors = unit(rng, (6, n_features))
    vectors[3:] = vectors[:3] + 0.5 * vectors[3:]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    sketch = CountSketch(n_features, 2048)(torch.from_numpy(vectors)).numpy()
    # six standard deviations of sqrt(2 / 2048)
    assert np.abs(sketch @ sketch.T - vectors @ vectors.T).max() < 6 * np.sqrt(2 / 2048)


def test_the_seed_decides_and_nothing_else() -> None:
    import torch

    vectors = torch.from_numpy(unit(np.random.default_rng(0), (4, 70_000)))
    sketch = CountSketch(70_000, 128)(vectors)
    assert torch.equal(CountSketch(70_000, 128)(vectors), sketch)
    assert torch.equal(CountSketch(70_000, 128)(vectors[2:3]), sketch[2:3])
    assert not torch.allclose(CountSketch(70_000, 128, seed=1)(vectors), sketch)


def test_short_vectors_are_left_as_they_are() -> None:
    import torch

    vectors = torch.from_numpy(unit(np.random.default_rng(0), (4, 64)))
    sketch = CountSketch(64, 64)
    assert sketch(vectors) is vectors
    assert (sketch.n_sketch, sketch.is_needed) == (64, False)


def test_the_hash_is_the_same_on_every_machine() -> None:
    import torch

    # worked out by whole numbers of any size: stored vectors depend on it
    sketch = CountSketch(6, 4)(torch.eye(6)).numpy().astype(int)
    assert np.abs(sketch).argmax(axis=1).tolist() == [3, 2, 3, 2, 1, 1]
    assert sketch.sum(axis=1).tolist() == [-1, 1, -1, 1, -1, 1]
