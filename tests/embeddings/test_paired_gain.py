import numpy as np
from scipy.stats import binom

from embeddings.paired_gain import paired_gain


def answers(n_both: int, n_first: int, n_second: int, n_none: int):  # type: ignore[no-untyped-def]
    counts = [n_both, n_first, n_second, n_none]
    return np.repeat([1.0, 1, 0, 0], counts), np.repeat([1.0, 0, 1, 0], counts)


def test_the_p_value_is_that_of_mcnemars_exact_test():
    gain = paired_gain(*answers(50, 3, 12, 35), seed=0)
    assert np.isclose(gain.p_value, 2 * binom.cdf(3, 15, 0.5))
    assert (gain.n, gain.before, gain.after) == (100, 0.53, 0.62)
    assert np.isclose(gain.gain, 0.09)
    assert gain.is_better and not gain.is_worse


def test_a_loss_is_a_loss():
    gain = paired_gain(*answers(50, 12, 3, 35), seed=0)
    assert gain.is_worse and not gain.is_better and gain.high < 0


def test_few_differences_may_be_chance():
    gain = paired_gain(*answers(90, 0, 4, 6), seed=0)
    assert gain.low >= 0 and gain.p_value == 0.125
    assert not gain.is_better


def test_the_best_of_several_needs_more():
    assert paired_gain(*answers(50, 2, 9, 39), seed=0, n_tried=1).p_value < 0.07
    one, two = (paired_gain(*answers(50, 3, 12, 35), seed=0, n_tried=n) for n in (1, 2))
    assert np.isclose(two.p_value, 2 * one.p_value)


def test_nothing_and_no_difference_are_no_gain():
    for before in (np.zeros(0), np.ones(7)):
        gain = paired_gain(before, before, seed=0)
        assert (gain.gain, gain.low, gain.high, gain.p_value) == (0, 0, 0, 1)
        assert not gain.is_better and not gain.is_worse


def test_the_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    held = 0
    for seed in range(200):
        before = (rng.random(150) < 0.7).astype(float)
        after = np.where(rng.random(150) < 0.2, rng.random(150) < 0.8, before).astype(float)
        gain = paired_gain(before, after, seed=seed)
        held += gain.low <= 0.2 * (0.8 - 0.7) <= gain.high
    assert 0.9 <= held / 200 <= 0.99
