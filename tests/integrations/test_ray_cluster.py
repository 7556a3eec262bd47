"""Where a cluster may be, without one: Ray itself takes no part."""

import socket
from collections.abc import Iterator

import pytest

from al_server.errors import BadInput
from integrations import ray_cluster


@pytest.fixture
def port() -> Iterator[int]:
    """A port of this machine, under IPv6, where somebody listens."""
    try:
        listening = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with listening:
        yield listening.getsockname()[1]


def test_ipv6_addresses_are_looked_at_with_and_without_brackets(port: int) -> None:
    ray_cluster._check_answers(f"[::1]:{port}")
    ray_cluster._check_answers(f"::1:{port}")


@pytest.mark.parametrize("address", ["auto", "local", "ray://127.0.0.1:9", "head"])
def test_what_is_not_host_and_port_is_left_to_ray(address: str) -> None:
    ray_cluster._check_answers(address)


@pytest.mark.parametrize("host", ["a" * 64, "127.0.0.1", "a\0b", "[::1]"])
def test_a_host_where_nobody_is_or_can_be_is_said_in_one_line(host: str) -> None:
    with pytest.raises(BadInput, match="no Ray cluster answers at ") as raised:
        ray_cluster._check_answers(f"{host}:9")
    assert "\n" not in raised.value.message and "ray start" in raised.value.remedy


def test_an_error_without_a_message_is_called_by_its_kind() -> None:
    assert "at auto: ConnectionError" in ray_cluster._nobody_at("auto", ConnectionError()).message
