import numpy as np
import pytest
from numpy.typing import NDArray

from embeddings.feature_pooling import Channels, Pool, pool_features


def maps() -> NDArray[np.float32]:
    return np.random.default_rng(0).uniform(0.1, 3, (2, 4, 3, 5)).astype(np.float32)


@pytest.mark.parametrize("channels", ["first", "last"])
@pytest.mark.parametrize("pool", ["avg", "max", "gem"])
def test_maps_are_pooled_over_their_places(pool: Pool, channels: Channels) -> None:
    import torch

    values = maps()
    given = values if channels == "first" else values.transpose(0, 2, 3, 1)
    pooled = pool_features(torch.from_numpy(given.copy()), pool, channels=channels).numpy()

    for sample in range(2):
        for channel in range(4):
            places = values[sample, channel].ravel().astype(np.float64)
            truth = {
                "avg": places.mean(),
                "max": places.max(),
                "gem": (places**3).mean() ** (1 / 3),
            }
            assert pooled[sample, channel] == pytest.approx(truth[pool], rel=1e-5)
    assert pooled.shape == (2, 4)


def test_tokens_are_pooled_and_maps_have_their_channels_first_unless_told() -> None:
    import torch

    tokens = torch.from_numpy(maps()[:, 0])  # 3 tokens of 5 numbers
    np.testing.assert_allclose(pool_features(tokens, "avg"), tokens.mean(dim=1), rtol=1e-6)
    both = torch.from_numpy(maps())
    first = pool_features(both, "max", channels="first")
    assert torch.equal(pool_features(both, "max"), first)


def test_flat_keeps_every_number_and_a_vector_stays() -> None:
    import torch

    values = torch.from_numpy(maps())
    assert pool_features(values, "flat").tolist() == values.reshape(2, 60).tolist()
    vector = torch.tensor([[1.0, -2.0]])
    assert all(pool_features(vector, pool).tolist() == [[1, -2]] for pool in ("avg", "max", "gem"))


def test_gem_counts_what_is_below_zero_as_zero() -> None:
    import torch

    pooled = pool_features(torch.tensor([[[[-5.0, 2.0]]]]), "gem")
    assert pooled.item() == pytest.approx((8 / 2) ** (1 / 3), rel=1e-5)
