from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from al_server.sources.fetch import Fetcher
from al_server.sources.listing import Listing
from al_server.sources.read import read_source
from tests.sources.descriptions import source


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.fixture
def read(root: Path, tmp_path: Path) -> Callable[..., Listing]:
    """Reads a source below `root`, with a fetcher that may ask no host."""

    def read(kind: str, path: Path | str, *, multi: bool = False, **more: object) -> Listing:
        return read_source(
            source(kind, path, **more), roots=[root], fetch=Fetcher(tmp_path / "down"), multi=multi
        )

    return read


@pytest.fixture
def picture() -> Callable[[Path], Path]:
    def picture(path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((2, 3), dtype=np.uint8)).save(path)
        return path

    return picture
