import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize

from strategies.smooth import minimum

Point = NDArray[np.float64]


@pytest.mark.parametrize("n", [1, 5, 60])
def test_valleys_are_followed_to_their_bottom(n: int) -> None:
    """A quadratic whose directions differ by 10,000 in curvature."""
    rng = np.random.default_rng(n)
    rotation, _ = np.linalg.qr(rng.normal(size=(n, n)))
    hessian = rotation @ np.diag(np.logspace(-2, 2, n)) @ rotation.T
    bottom = rng.normal(size=n)

    def valley(point: Point) -> tuple[float, Point]:
        slope = hessian @ (point - bottom)
        return float((point - bottom) @ slope / 2), slope

    found = minimum(valley, np.zeros(n), n_steps=1000)
    assert np.abs(valley(found)[1]).max() <= 1e-5


def test_it_goes_as_far_as_a_library_does() -> None:
    rng = np.random.default_rng(0)
    data, sides = rng.normal(size=(200, 12)), np.sign(rng.normal(size=200))

    def loss(point: Point) -> tuple[float, Point]:
        margins = sides * (data @ point)
        slope = -(sides / (1 + np.exp(margins))) @ data / 200 + 1e-3 * point
        return float(np.log1p(np.exp(-margins)).mean() + 5e-4 * point @ point), slope

    found = minimum(loss, np.zeros(12), n_steps=100)
    expected = minimize(loss, np.zeros(12), jac=True, method="L-BFGS-B", tol=1e-12).x
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert loss(found)[0] <= loss(expected)[0] + 1e-8


def test_few_steps_lead_part_of_the_way() -> None:
    def bowl(point: Point) -> tuple[float, Point]:
        return float((point**4).sum()), 4 * point**3

    start = np.full(3, 10.0)
    values = [bowl(minimum(bowl, start, n_steps=n))[0] for n in range(6)]
    assert values[0] == 30_000
    assert (np.diff(values) < 0).all()


def test_flat_and_noisy_functions_end() -> None:
    start = np.ones(2)
    assert np.array_equal(minimum(lambda x: (0.0, np.zeros(2)), start, n_steps=9), start)
    # a slope that promises what the values do not keep
    assert np.array_equal(minimum(lambda x: (1.0, np.ones(2)), start, n_steps=9), start)
