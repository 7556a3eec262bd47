"""The learned filter."""

import numpy as np
import pytest

from strategies.filters.nearest import points_from
from strategies.filters.testing import toy_points
from strategies.filters.vaal import Vaal, VaalTree


def test_the_lowest_rows_are_kept_first_and_every_row_has_a_place() -> None:
    tree = Vaal(start=0.2, rounds=2, epochs=1, max_steps=2).build(toy_points())
    assert isinstance(tree, VaalTree)
    assert tree.order[:12].tolist() == list(range(12))
    assert sorted(tree.order.tolist()) == list(range(60))
    found = tree.remove(np.ones(60, np.bool_), 10)
    assert found.rows.tolist() == tree.order[:-11:-1].tolist()
    assert np.allclose(found.scores, np.arange(59, 49, -1) / 59)


def test_what_the_start_lacks_is_kept_before_what_it_has() -> None:
    rng = np.random.default_rng(0)
    known = [1, 0, 0, 0] + 0.05 * rng.standard_normal((200, 4))
    unknown = [0, 1, 0, 0] + 0.05 * rng.standard_normal((100, 4))
    vectors = np.concatenate([known, unknown])  # the lowest rows are known ones
    points = points_from(vectors, np.arange(300, dtype=np.uint64), k=5)
    found = Vaal(start=0.3, rounds=1).build(points).remove(np.ones(300, np.bool_), 80)
    assert np.mean(found.rows < 200) > 0.9


def test_another_seed_is_another_order() -> None:
    points, alive = toy_points(), np.ones(60, np.bool_)
    one, other = (
        Vaal(rounds=1, epochs=1, max_steps=2, seed=seed).build(points).remove(alive, 30)
        for seed in (0, 1)
    )
    assert one.rows.tolist() != other.rows.tolist()


@pytest.mark.parametrize("settings", [{"start": 0.0}, {"rounds": 0}, {"epochs": 0}, {"seed": -1}])
def test_impossible_settings_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        Vaal(**settings)  # type: ignore[arg-type]
