"""The lab on trial: it must not see what is not there."""

import pytest

from al_server.lab import Plan, compare
from tests.lab.strategies import OtherUniform
from tests.lab.test_comparison import Here
from tests.lab.toys import blobs

N_RUNS = 200


@pytest.mark.slow
def test_random_against_random_is_no_difference_as_often_as_it_should_be() -> None:
    data = blobs(n_each=125, n_classes=5, n_features=8, spread=0.45)
    n_same = n_held = 0
    for seed in range(N_RUNS):
        # a pool of 500, 30 labels
        plan = Plan(
            strategies=("again",),
            repeats=12,
            budget=30,
            targets=(),
            seed=seed,
            probe=False,
        )
        arm = compare(data, plan, own={"again": OtherUniform()}, executor=Here()).report.arms[
            "again"
        ]
        n_same += arm.against_random == "no difference"
        ratio = arm.labels_to_share_of_gain.ratio
        n_held += not (ratio.low > 1 or ratio.high < 1)
    # 190 expected: outside of this range once in a thousand
    assert 179 <= n_same <= 198
    assert 179 <= n_held <= 200


def test_splits_and_streams_of_repeats_differ() -> None:
    found = compare(blobs(), Plan(repeats=4, budget=6, probe=False), executor=Here())
    curves = {
        tuple(row["accuracy"] for row in found.curves if row["repeat"] == repeat)
        for repeat in range(4)
    }
    assert len(curves) == 4
