from dataclasses import replace

import numpy as np
import pytest

from strategies.compose import Product, Similar
from strategies.compose.similar import Nearness
from strategies.inputs import DoesNotFitPool
from strategies.pool import PoolView, Status
from strategies.tie_keys import tie_keys
from strategies.toy_pool import cold, toy_pool
from strategies.uncertainty import Margin
from tests import oracles

RNG = np.random.default_rng(0)
NAMES = [f"{row},{row}.png" for row in range(60)]


def named_pool() -> PoolView:
    return replace(toy_pool(), tie_key=tie_keys(NAMES))


def similarity(pool: PoolView, given: list[int]) -> np.ndarray:
    return (pool.embeddings @ pool.embeddings[given].T).max(axis=1)


def test_all_ways_to_give_samples_add_up() -> None:
    pool = named_pool()
    rows = pool.candidate_rows()
    vector = tuple((3 * pool.embeddings[7]).tolist())
    labeled = np.flatnonzero((pool.status == Status.LABELED) & (pool.labels == 1)).tolist()
    for given, expected in [
        (Nearness(to=(NAMES[5],)), [5]),
        (Nearness(keys=(int(pool.tie_key[6]),)), [6]),
        (Nearness(vectors=(vector,)), [7]),
        (Nearness(label=1), labeled),
        (Nearness((NAMES[5],), (int(pool.tie_key[6]),), (vector,), 1), [5, 6, 7, *labeled]),
        (Nearness(), np.flatnonzero(pool.status == Status.LABELED).tolist()),
    ]:
        found = given.score(pool, rows, RNG)
        assert found == pytest.approx(similarity(pool, expected)[rows], abs=1e-6)


def test_score_is_the_product_of_the_two_percentiles() -> None:
    pool = named_pool()
    rows = pool.candidate_rows()
    assert pool.uncertainty is not None
    near = np.array(oracles.ecdf(similarity(pool, [5])[rows].tolist()))
    unsure = np.array(oracles.ecdf(pool.uncertainty[rows].tolist()))
    similar = Similar(to=(NAMES[5],), strength=2)
    assert similar.score(pool, rows, RNG) == pytest.approx(unsure * near**2, rel=1e-6)
    assert similar.select(pool, 1, RNG)[0] == rows[np.argmax(unsure * near**2)]


def test_given_samples_come_first_where_similarity_decides() -> None:
    pool = named_pool()
    rows = pool.candidate_rows()[[3, 9]]
    similar = Similar(to=tuple(NAMES[row] for row in rows), strength=1e6)
    assert set(similar.select(pool, 2, RNG)) == set(rows)


def test_before_the_first_label_the_strategy_decides_alone() -> None:
    pool = cold(toy_pool())
    for similar in (Similar("density"), Similar("density", label=2)):
        expected = Product(density=1).select(pool, 9, RNG)
        assert np.array_equal(similar.select(pool, 9, RNG), expected)


def test_several_labels_a_sample_are_understood() -> None:
    pool = toy_pool(multi_label=True)
    assert pool.targets is not None
    given = np.flatnonzero(pool.targets[:, 2] == 1).tolist()
    rows = pool.candidate_rows()
    found = Nearness(label=2).score(pool, rows, RNG)
    assert found == pytest.approx(similarity(pool, given)[rows], abs=1e-6)


@pytest.mark.parametrize(
    ("similar", "complaint"),
    [
        (Similar(to=("no.png",)), r"no sample 'no\.png'"),
        (Similar(keys=(3,)), "no sample 3"),
        (Similar(vectors=((1.0, 2.0),)), "vectors of 2 numbers.*8 columns"),
        (Similar(label=3), "label=3 is no class"),
    ],
)
def test_what_the_pool_does_not_have_is_named(similar: Similar, complaint: str) -> None:
    with pytest.raises(DoesNotFitPool, match=complaint):
        similar.select(toy_pool(), 1, RNG)


def test_settings_that_mean_nothing_are_refused() -> None:
    for vectors in (((0.0, 0.0),), ((1.0,), (1.0, 2.0)), ((float("nan"),),)):
        with pytest.raises(ValueError, match="vectors"):
            Similar(vectors=vectors)
    with pytest.raises(ValueError, match="strength="):
        Similar(strength=0)
    with pytest.raises(ValueError, match="Badge values whole batches"):
        Similar("badge")


def test_one_id_and_arrays_are_taken_as_they_come() -> None:
    assert Similar(to="a.png") == Similar(Margin(), to=("a.png",))  # type: ignore[arg-type]
    assert Similar(vectors=np.eye(2)) == Similar(vectors=((1.0, 0.0), (0.0, 1.0)))  # type: ignore[arg-type]
