import numpy as np
import pytest

from strategies.filters.similars import Similars
from tests.oracles_linkage import clustered, clusters_after, made

GRAPH = Similars(all_pairs=0)


@pytest.mark.parametrize("similars", [Similars(), GRAPH])
def test_the_living_nearest_to_the_mean_stays(similars: Similars) -> None:
    points = made(clustered(), k=4)
    tree, rng = similars.build(points), np.random.default_rng(0)
    for n_remove in (1, 50, 150):
        alive = rng.random(300) < 0.7
        removed = tree.remove(alive, n_remove)
        assert len(set(removed.rows.tolist())) == n_remove
        assert alive[removed.rows].all() and alive[removed.because_of].all()
        assert not set(removed.rows.tolist()) & set(removed.because_of.tolist())
        of_row = dict(zip(removed.rows.tolist(), removed.because_of.tolist(), strict=True))
        for members, center in clusters_after(tree.merges, alive, n_remove, points.vectors):
            assert {of_row[row] for row in members if row != center} <= {center}
            assert center not in of_row


def test_of_two_the_lower_row_stays_and_the_nearest_pair_goes_first() -> None:
    degrees = np.radians([0, 90, 91, 180, 180.5])
    vectors = np.stack([np.cos(degrees), np.sin(degrees)], axis=1).astype(np.float32)
    removed = Similars().build(made(vectors)).remove(np.ones(5, bool), 2)
    assert removed.rows.tolist() == [4, 2]
    assert removed.because_of.tolist() == [3, 1]
    np.testing.assert_allclose(removed.distances, 1 - np.cos(np.radians([0.5, 1])), atol=1e-6)
    assert np.isnan(removed.scores).all()


def test_of_three_the_middle_one_stays() -> None:
    places = np.array([[0.0], [3.0], [1.0], [100.0]], np.float32)
    removed = Similars().build(made(places, metric="euclidean")).remove(np.ones(4, bool), 2)
    assert removed.rows.tolist() == [0, 1]
    assert removed.because_of.tolist() == [2, 2]
    assert removed.distances.tolist() == [1, 2]


@pytest.mark.parametrize("similars", [Similars(), GRAPH])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_all_but_one_can_go_and_then_this_one(similars: Similars, n: int) -> None:
    tree = similars.build(made(np.eye(3, dtype=np.float32)[:n]))
    assert tree.remove(np.ones(n, bool), n - 1).rows.tolist() == list(range(1, n))
    everybody = tree.remove(np.ones(n, bool), n)
    assert everybody.rows.tolist() == [*range(1, n), 0]
    assert everybody.because_of.tolist() == [-1] * n
    assert np.isnan(everybody.distances).all()
    with pytest.raises(ValueError, match=f"{n + 1}.*{n}"):
        tree.remove(np.ones(n, bool), n + 1)
    with pytest.raises(ValueError, match="say how many"):
        tree.remove(np.ones(n, bool), None)


@pytest.mark.parametrize("similars", [Similars(), GRAPH])
def test_copies_go_at_distance_0(similars: Similars) -> None:
    removed = similars.build(made(np.ones((60, 4), np.float32), k=5)).remove(np.ones(60, bool), 59)
    assert removed.rows.tolist() == list(range(1, 60))
    assert set(removed.because_of.tolist()) == {0}
    assert set(removed.distances.tolist()) == {0}


def test_of_any_two_the_lower_row_stays_whatever_rounding_says() -> None:
    rng = np.random.default_rng(4)
    vectors = rng.standard_normal((200, 64)).astype(np.float32)
    close = vectors + np.float32(1e-3) * rng.standard_normal((200, 64)).astype(np.float32)
    points = made(np.concatenate([vectors, close]))
    removed = Similars().build(points).remove(np.ones(400, bool), 200)
    assert sorted(removed.rows.tolist()) == list(range(200, 400))
    assert (removed.because_of == removed.rows - 200).all()
