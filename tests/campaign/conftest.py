"""Toy campaigns that are closed when the test is over."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from numpy.typing import NDArray

from al_server.campaign.campaign import Campaign
from tests.toys_campaign import ToyCampaign, grid_vectors

MakeToy = Callable[..., ToyCampaign]
Open = Callable[[ToyCampaign], Campaign]


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    """Small pools gain nothing from a second thread, and lose much of it on a busy machine."""
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(before)


@pytest.fixture
def make_toy(tmp_path: Path) -> Iterator[MakeToy]:
    """A campaign by its vectors (or how many), each in a folder of its own."""
    made: list[ToyCampaign] = []

    def make(vectors: NDArray[np.float32] | int, **changes: Any) -> ToyCampaign:
        if isinstance(vectors, int):
            vectors = grid_vectors(vectors, np.random.default_rng(vectors))
        folder = tmp_path / f"toy-{len(made)}"
        folder.mkdir()
        made.append(ToyCampaign(folder, vectors, **changes))
        return made[-1]

    yield make
    for toy in made:
        toy.close()


@pytest.fixture
def open_() -> Iterator[Open]:
    """Open a toy with its writer thread."""
    opened: list[Campaign] = []

    def open_(toy: ToyCampaign) -> Campaign:
        opened.append(toy.open_campaign())
        return opened[-1]

    yield open_
    for campaign in opened:
        campaign.close()
