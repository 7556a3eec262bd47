import pytest

from al_server.security.throttle import Throttle, TooManyTries


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def throttle(clock: Clock, **options: int) -> Throttle:
    return Throttle(**{"n_tries": 3, "seconds_each": 10, **options}, clock=clock)


def guess(one: Throttle, address: str, n: int, *, start: int = 0) -> int:
    """How many of `n` different wrong tokens are looked at."""
    for count in range(n):
        try:
            one.check(address)
        except TooManyTries:
            return count
        one.wrong(address, str(start + count).encode())
    return n


def test_some_tries_are_free_then_one_is_earned_at_a_time(clock: Clock) -> None:
    one = throttle(clock)
    assert guess(one, "192.0.2.1", 9) == 3
    clock.now += 9.9
    assert guess(one, "192.0.2.1", 9, start=10) == 0
    clock.now += 0.2
    assert guess(one, "192.0.2.1", 9, start=20) == 1
    clock.now += 1e6
    assert guess(one, "192.0.2.1", 9, start=30) == 3


def test_the_error_says_how_long_to_wait(clock: Clock) -> None:
    one = throttle(clock)
    guess(one, "192.0.2.1", 3)
    clock.now += 4
    with pytest.raises(TooManyTries) as slowed:
        one.check("192.0.2.1")
    assert slowed.value.headers == {"Retry-After": "6"}


def test_addresses_are_counted_apart(clock: Clock) -> None:
    one = throttle(clock)
    guess(one, "192.0.2.1", 9)
    assert guess(one, "192.0.2.2", 9) == 3


@pytest.mark.parametrize(
    ("first", "second"),
    [("2001:db8::1", "2001:db8::ffff:2"), ("::ffff:192.0.2.1", "192.0.2.1"), ("", "")],
)
def test_one_client_with_many_addresses_is_one(clock: Clock, first: str, second: str) -> None:
    one = throttle(clock)
    guess(one, first, 9)
    assert guess(one, second, 9) == 0


def test_a_repeated_token_costs_nothing(clock: Clock) -> None:
    one = throttle(clock)
    for _ in range(100):
        one.check("192.0.2.1")
        one.wrong("192.0.2.1", b"same")
    assert guess(one, "192.0.2.1", 9) == 2


def test_memory_is_bounded_and_the_one_not_seen_for_longest_is_forgotten(clock: Clock) -> None:
    one = throttle(clock, n_addresses=2)
    guess(one, "192.0.2.1", 9)
    guess(one, "192.0.2.2", 9)
    guess(one, "192.0.2.3", 9)
    assert guess(one, "192.0.2.2", 9) == 0
    assert guess(one, "192.0.2.1", 9) == 3
