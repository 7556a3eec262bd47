"""What can be told about a campaign before the long work."""

import pytest

from al_server.campaign import intake
from al_server.errors import BadSource
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
