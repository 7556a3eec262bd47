"""Pool and holdout never share what would flatter a curve."""

import numpy as np
import pytest

from al_server.errors import BadInput
from al_server.lab.data import LabeledData
from al_server.lab.splits import Split, folds, repeated_holdout, share_of_copies, thinned
from tests.lab.toys import blobs


@pytest.mark.parametrize("by_group", [False, True])
def test_pool_and_holdout_share_no_sample_and_no_group(by_group: bool) -> None:
    data = blobs()
    splits = repeated_holdout(data, share=0.25, n_repeats=5, seed=1, by_group=by_group)
    splits += folds(data, n_folds=4, seed=1, by_group=by_group)
    assert len(splits) == 9
    for pool, holdout in splits:
        assert sorted([*pool, *holdout]) == list(range(120))
        assert set(data.labels[pool]) == set(data.labels[holdout]) == {0, 1, 2}
        if by_group:
            assert data.groups is not None
            assert not set(data.groups[pool]) & set(data.groups[holdout])


def test_every_sample_is_in_the_holdout_of_one_fold() -> None:
    splits = folds(blobs(), n_folds=8, seed=0, by_group=False)
    assert sorted(row for one in splits for row in one.holdout) == list(range(120))


def test_splits_are_those_of_the_seed() -> None:
    first, same, other = (
        repeated_holdout(blobs(), share=0.2, n_repeats=2, seed=seed, by_group=False)
        for seed in (3, 3, 4)
    )
    assert all(np.array_equal(a.pool, b.pool) for a, b in zip(first, same, strict=True))
    assert not np.array_equal(first[0].pool, other[0].pool)


@pytest.mark.parametrize("n_folds", [1, 41])
def test_more_folds_than_samples_of_a_class_are_refused(n_folds: int) -> None:
    with pytest.raises(BadInput, match="whose smallest class has 40 samples"):
        folds(blobs(), n_folds=n_folds, seed=0, by_group=False)


def test_groups_that_are_not_there_are_refused() -> None:
    data = blobs()
    without = LabeledData("plain", data.embeddings, data.labels, data.classes)
    with pytest.raises(BadInput, match="has no groups"):
        repeated_holdout(without, share=0.2, n_repeats=1, seed=0, by_group=True)


def test_a_holdout_that_would_lack_a_class_is_refused() -> None:
    data = blobs(n_each=10)  # a group is a whole class
    with pytest.raises(BadInput, match="has no sample of class"):
        repeated_holdout(data, share=0.3, n_repeats=1, seed=0, by_group=True)


def test_a_thinned_pool_falls_geometrically_to_the_ratio() -> None:
    data = blobs(n_each=160)
    pool = np.arange(len(data.labels))
    kept = thinned(pool, data.labels, 16, np.random.default_rng(0))
    assert sorted(np.bincount(data.labels[kept]).tolist()) == [10, 40, 160]
    assert len(set(kept.tolist())) == len(kept)


def test_copies_across_a_split_are_found() -> None:
    data = blobs(spread=1.0)
    twice = np.concatenate([data.embeddings, data.embeddings])
    doubled = LabeledData("twice", twice, np.tile(data.labels, 2), data.classes)
    assert share_of_copies(doubled, Split(np.arange(120), np.arange(120, 240))) == 1.0
    assert share_of_copies(data, Split(np.arange(60), np.arange(60, 120))) < 0.2
