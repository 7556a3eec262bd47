"""What the tests that need a Label Studio share: its first start takes a minute."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.end_to_end.label_studio_link import Ours
from tests.end_to_end.label_studio_server import Host, label_studio
from tests.end_to_end.server import running


@pytest.fixture(scope="package")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with label_studio(tmp_path_factory.mktemp("label-studio")) as host:
        yield host


@pytest.fixture(scope="package")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ours]:
    with running(tmp_path_factory.mktemp("ours")) as server, closing(Ours(server.url)) as ours:
        yield ours
