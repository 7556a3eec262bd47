"""Statistics with answers that are known."""

import numpy as np
import pytest
from scipy.stats import wilcoxon

from al_server.lab.statistics import (
    area,
    difference,
    fewest_repeats,
    labels_to,
    p_values,
    repeats_for,
    share_of_gain,
    thirds,
    win_share,
)

STEPS = np.arange(1, 101)


def _curves(
    n_to_half: float, *, n_repeats: int = 30, noise: float = 0.0, seed: int = 0
) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rising = 1 - 0.5 ** (STEPS / n_to_half)
    return rising + noise * rng.normal(size=(n_repeats, len(STEPS)))


def test_the_area_of_a_constant_is_the_constant() -> None:
    assert area(np.full((3, 5), 0.7), np.array([1, 2, 4, 8, 100])) == pytest.approx([0.7] * 3)


def test_the_area_is_that_of_trapezes() -> None:
    assert area(np.array([[0.0, 1.0, 1.0]]), np.array([0, 2, 4])) == pytest.approx([0.75])


def test_an_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    n_held = 0
    for seed in range(60):
        ours = 0.1 + rng.normal(size=30)
        found = difference(ours, np.zeros(30), seed=seed)
        n_held += found.low <= 0.1 <= found.high
    assert 51 <= n_held <= 60


def test_equal_arms_differ_by_nothing() -> None:
    same = np.random.default_rng(0).random(10)
    assert difference(same, same, seed=0) == (0.0, 0.0, 0.0)
    assert p_values([np.zeros(10)]) == [1.0]


def test_p_values_are_wilcoxons_by_holms_method() -> None:
    rng = np.random.default_rng(1)
    sets = [rng.normal(shift, size=20) for shift in (0.9, 0.0, 0.5)]
    raw = [wilcoxon(one).pvalue for one in sets]
    order = np.argsort(raw)
    first = 3 * raw[order[0]]
    second = max(first, 2 * raw[order[1]])
    third = max(second, raw[order[2]])
    found = p_values(sets)
    assert [found[one] for one in order] == pytest.approx([first, second, min(1.0, third)])


def test_labels_to_a_target_are_read_off_the_curve_between_its_points() -> None:
    found = labels_to(0.5, _curves(20), _curves(40), STEPS, seed=0)
    assert found.labels == pytest.approx(20)
    assert found.ratio == pytest.approx((0.5, 0.5, 0.5))


def test_noise_does_not_make_random_beat_itself() -> None:
    found = labels_to(
        0.6, _curves(30, noise=0.05, seed=1), _curves(30, noise=0.05, seed=2), STEPS, seed=0
    )
    assert found.ratio.low < 1 < found.ratio.high
    assert 0.9 < found.ratio.mean < 1.1


def test_a_target_that_is_never_reached_has_no_ratio() -> None:
    found = labels_to(0.99, _curves(20), _curves(40), STEPS, seed=0)
    assert found.labels is None
    assert np.isnan(found.ratio.mean)


def test_twice_the_noise_wants_four_times_the_repeats() -> None:
    noise = np.random.default_rng(0).normal(size=50)
    once, twice = repeats_for(noise, 0.5), repeats_for(2 * noise, 0.5)
    assert twice == pytest.approx(4 * once, abs=4)
    assert repeats_for(noise, 0.0) == 0


def test_thirds_are_the_areas_of_their_own_labels() -> None:
    n_labeled = np.arange(1, 11)
    stairs = np.repeat([[0.2, 0.5, 0.8]], [4, 3, 3], axis=1)
    found = thirds(np.vstack([stairs, stairs]), n_labeled)
    # from 1 to 4, from 4 to 7, from 7 to 10
    assert found["low"] == pytest.approx([0.2, 0.2])
    assert found["mid"] == pytest.approx([(0.35 + 0.5 + 0.5) / 3] * 2)
    assert found["high"] == pytest.approx([(0.65 + 0.8 + 0.8) / 3] * 2)
    assert thirds(np.array([[0.3]]), np.array([10]))["mid"] == pytest.approx([0.3])


@pytest.mark.parametrize("n_strategies", [1, 2, 3, 5, 30])
def test_fewer_repeats_than_the_fewest_can_never_be_significant(n_strategies: int) -> None:
    n = fewest_repeats(n_strategies)

    def best_p(n_repeats: int) -> float:
        clear = 1 + 0.01 * np.arange(n_repeats)
        return min(p_values([clear] * n_strategies))

    assert best_p(n) < 0.05 <= best_p(n - 1)


def test_an_interval_is_open_where_resamples_never_arrive() -> None:
    flat = np.full((15, 100), 0.3)
    some = np.concatenate([_curves(20, n_repeats=15), flat])
    found = labels_to(0.6, some, _curves(20), STEPS, seed=0)
    assert found.labels is not None
    assert found.ratio.low > 1 and np.isnan(found.ratio.high)


def test_the_share_of_a_gain_lies_between_its_ends() -> None:
    line = np.linspace(0.2, 0.7, 50)
    assert share_of_gain(np.vstack([line, line]), 0.9) == pytest.approx(0.65)


def test_a_tie_is_half_a_win() -> None:
    assert win_share(np.array([3, 1, 2, 2]), np.array([1, 3, 2, 1])) == 0.625
