"""A filter class by class."""

from dataclasses import replace

import numpy as np
import pytest

from strategies.filters.per_class import PerClass
from strategies.filters.testing import toy_points


def test_every_class_loses_its_share_and_stands_for_itself() -> None:
    points = toy_points()
    assert points.classes is not None
    found = PerClass("coreset").build(points).remove(np.ones(60, np.bool_), 30)
    assert np.bincount(points.classes[found.rows]).tolist() == [12, 12, 6]
    assert (points.classes[found.rows] == points.classes[found.because_of]).all()


def test_no_class_vanishes_while_another_has_more() -> None:
    points = toy_points()
    classes = np.array([7] * 50 + [-1] * 9 + [3])
    tree = PerClass("coreset").build(replace(points, classes=classes))
    for n_remove in (1, 30, 57):
        kept = np.delete(classes, tree.remove(np.ones(60, np.bool_), n_remove).rows)
        assert set(kept.tolist()) == {7, -1, 3}


def test_thresholds_are_asked_in_each_class() -> None:
    points = toy_points()
    found = PerClass("exact_duplicates").build(points).remove(np.ones(60, np.bool_), None)
    assert len(found.rows) == 6


def test_missing_classes_are_asked_for() -> None:
    with pytest.raises(ValueError, match=r"needs points.classes; give points_from\(..., classes="):
        PerClass("coreset").build(replace(toy_points(), classes=None))
