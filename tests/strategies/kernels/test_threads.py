import pytest
from numba import get_num_threads

from strategies.kernels.threads import STEPS_PER_THREAD, threads_for


def test_small_jobs_get_one_thread_and_large_ones_all() -> None:
    available = get_num_threads()
    large = STEPS_PER_THREAD * available
    for n_steps, expected in ((0, 1), (STEPS_PER_THREAD, 1), (large, available)):
        with threads_for(n_steps) as n_threads:
            assert n_threads == get_num_threads() == expected
        assert get_num_threads() == available


def test_number_of_threads_is_given_back_after_an_error() -> None:
    available = get_num_threads()
    with pytest.raises(ZeroDivisionError), threads_for(1):
        _ = 1 / 0
    assert get_num_threads() == available
