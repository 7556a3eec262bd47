"""What can be told about a campaign before the long work."""

from typing import Literal

import numpy as np
import pytest

from al_server.campaign import intake
from al_server.errors import BadSource
from al_server.sources.listing import Listing
from tests.campaign.conftest import MakeToy


def test_more_probabilities_than_memory_are_refused_with_the_figure(
    make_toy: MakeToy, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert intake.MAX_BELIEFS_BYTES == 4 * 2**30
    monkeypatch.setattr(intake, "MAX_BELIEFS_BYTES", 2**30)
    intake._check_size(2**20, 256)
    with pytest.raises(BadSource, match=r"2,097,152 samples x 256 classes take 2.0 GiB") as refused:
        intake._check_size(2**21, 256)
    assert "several campaigns" in refused.value.remedy
    monkeypatch.setattr(intake, "MAX_BELIEFS_BYTES", 5 * 3 * 4)
    make_toy(5)
    with pytest.raises(BadSource, match="6 samples x 3 classes"):
        make_toy(6)


@pytest.mark.parametrize(
    ("kind", "n_samples", "n_features", "asked", "chosen"),
    [
        ("image", intake.ENOUGH, intake.WIDE + 1, None, "pca:64"),
        ("image", intake.ENOUGH - 1, intake.WIDE + 1, None, None),
        ("text", intake.ENOUGH, intake.WIDE, None, None),
        ("vector", intake.ENOUGH, intake.WIDE + 1, None, None),
        ("image", intake.ENOUGH, intake.WIDE + 1, "none", None),
        ("vector", 5, 9, "svd:4", "svd:4"),
    ],
)
def test_only_wide_vectors_of_an_embedder_are_reduced_unasked(
    kind: Literal["image", "text", "vector"],
    n_samples: int,
    n_features: int,
    asked: str | None,
    chosen: str | None,
) -> None:
    vectors = np.zeros((n_samples, n_features), np.float32)
    listing = Listing(kind, [str(row) for row in range(n_samples)], vectors=vectors)
    assert intake.choose_reduction(asked, listing) == chosen
