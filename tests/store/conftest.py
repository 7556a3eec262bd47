"""A database in a file, with one campaign in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from al_server.models import CampaignSpec, Source
from al_server.store.catalog import Catalog, StoredCampaign
from al_server.store.database import open_database, sqlite_url


def spec(name: str = "trees", **more: object) -> CampaignSpec:
    source = Source(kind="npz", path="trees.npz")
    return CampaignSpec.model_validate(
        {"name": name, "classes": ["ash", "beech"], "source": source, **more}
    )


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_database(sqlite_url(tmp_path / "al.db"))
    yield made
    made.dispose()


@pytest.fixture
def stored(engine: Engine) -> StoredCampaign:
    return Catalog(engine).add(spec())
