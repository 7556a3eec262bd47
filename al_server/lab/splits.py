"""Pool and holdout: what may be labeled, and what is measured on."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from al_server.errors import BadInput
from al_server.lab.data import LabeledData
from al_server.lab.plan import Plan

Rows = NDArray[np.int64]
LEAK_DISTANCE = 0.01  # cosine; nearer than this a holdout sample is a copy of one in the pool
LEAK_SHARE = 0.05  # of the holdout; below this copies change no conclusion
_DRAWS_A_REPEAT = 20
THINNING_STREAM = 3  # `replay` draws from those before it


class Split(NamedTuple):
    """Rows of the data; the two share no sample, and no group where the data has groups."""

    pool: Rows
    holdout: Rows


def splits_of(plan: Plan, data: LabeledData) -> list[Split]:
    """Split as the plan says, one split a repeat.

    Raises
    ------
    BadInput
        If the data cannot be split so.
    """
    if plan.folds is not None:
        found = folds(data, n_folds=plan.folds, seed=plan.seed, by_group=plan.by_group)
    else:
        found = repeated_holdout(
            data,
            share=plan.holdout,
            n_repeats=plan.repeats,
            seed=plan.seed,
            by_group=plan.by_group,
        )
    return [
        split._replace(
            pool=_drawn(
                split.pool,
                data.labels,
                plan,
                np.random.default_rng([plan.seed, repeat, THINNING_STREAM]),
            )
        )
        for repeat, split in enumerate(found)
    ]


def _drawn(pool: Rows, labels: NDArray[np.int64], plan: Plan, rng: np.random.Generator) -> Rows:
    """Return what a plan leaves of a pool."""
    if plan.imbalance is not None:
        pool = thinned(pool, labels, plan.imbalance, rng)
    if plan.most_in_pool is not None and len(pool) > plan.most_in_pool:
        pool = np.sort(rng.choice(pool, plan.most_in_pool, replace=False))
    return pool


def repeated_holdout(
    data: LabeledData, *, share: float, n_repeats: int, seed: int, by_group: bool
) -> list[Split]:
    """Split anew for each repeat; every class is in both parts.

    Raises
    ------
    BadInput
        If the data has no groups, or some class cannot be in both parts.
    """
    from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit

    if not 0 < share < 1:
        raise BadInput(f"a holdout of {share} is no share", "give one between 0 and 1, such as 0.2")
    groups = _groups(data, by_group)
    how = GroupShuffleSplit if by_group else StratifiedShuffleSplit
    # whole groups may leave a class out by chance: then the next draw is taken
    n_draws = n_repeats * (_DRAWS_A_REPEAT if by_group else 1)
    splitter = how(n_splits=n_draws, test_size=share, random_state=seed)
    found: list[Split] = []
    try:
        for pool, holdout in splitter.split(data.embeddings, data.labels, groups):
            split = Split(pool, holdout)
            if _lacking(data, split) is None:
                found.append(split)
            if len(found) == n_repeats:
                return found
    except ValueError as error:
        raise BadInput(f"{data.name} cannot be split: {error}", "take another share") from error
    raise _refusal(data, split)


def folds(data: LabeledData, *, n_folds: int, seed: int, by_group: bool) -> list[Split]:
    """Let every sample be in one holdout.

    Raises
    ------
    BadInput
        If there are more folds than samples (of the smallest class), or than groups.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    groups = _groups(data, by_group)
    fewest = int(np.bincount(data.labels).min())
    if not 2 <= n_folds <= fewest:
        raise BadInput(
            f"{n_folds} folds of {data.name}, whose smallest class has {fewest} samples",
            f"take 2 to {fewest} folds",
        )
    how = StratifiedGroupKFold if by_group else StratifiedKFold
    splitter = how(n_splits=n_folds, shuffle=True, random_state=seed)
    try:
        found = list(splitter.split(data.embeddings, data.labels, groups))
    except ValueError as error:
        raise BadInput(f"{data.name} cannot be split: {error}", "take fewer folds") from error
    splits = [Split(pool, holdout) for pool, holdout in found]
    for split in splits:
        if _lacking(data, split) is not None:
            raise _refusal(data, split)
    return splits


def thinned(pool: Rows, labels: NDArray[np.int64], ratio: float, rng: np.random.Generator) -> Rows:
    """Make a pool imbalanced: its classes shrink geometrically down to 1/ratio of the first.

    Which class is the rarest is drawn; each keeps two samples at least. The holdout stays as it is.
    """
    if ratio < 1:
        raise BadInput(f"an imbalance of 1:{ratio:g} is none", "give 1:2 or more, such as 1:16")
    counts = np.bincount(labels[pool])
    order = rng.permutation(np.flatnonzero(counts))
    shares = ratio ** -np.linspace(0, 1, len(order))
    # as large as it can be with these shares
    largest = min(counts[one] / share for one, share in zip(order, shares, strict=True))
    kept = [
        rng.choice(
            pool[labels[pool] == one],
            min(int(counts[one]), max(2, round(largest * share))),
            replace=False,
        )
        for one, share in zip(order, shares, strict=True)
    ]
    return np.sort(np.concatenate(kept))


def share_of_copies(data: LabeledData, split: Split) -> float:
    """Return the share of the holdout that lies at `LEAK_DISTANCE` or less from the pool."""
    pool = data.embeddings[split.pool]
    n_copies = 0
    for start in range(0, len(split.holdout), 1024):
        some = data.embeddings[split.holdout[start : start + 1024]]
        n_copies += int(((some @ pool.T).max(axis=1) > 1 - LEAK_DISTANCE).sum())
    return n_copies / len(split.holdout)


def _groups(data: LabeledData, by_group: bool) -> NDArray[np.int64] | None:
    if by_group and data.groups is None:
        raise BadInput(f"{data.name} has no groups", "leave --group out, or give an array `group`")
    return data.groups if by_group else None


def _lacking(data: LabeledData, split: Split) -> str | None:
    """Say which part lacks which class, if one does."""
    for part, rows in split._asdict().items():
        lacking = set(range(len(data.classes))) - set(data.labels[rows].tolist())
        if lacking:
            return (
                f"the {part} of {data.name} has no sample of class {data.classes[min(lacking)]!r}"
            )
    return None


def _refusal(data: LabeledData, split: Split) -> BadInput:
    message = _lacking(data, split) or f"{data.name} cannot be split"
    return BadInput(message, "take a larger share, or leave the class out")
