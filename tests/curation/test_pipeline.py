import math

import numpy as np
import pytest

from al_server.curation import Pipeline
from al_server.curation.curated import Curated
from al_server.errors import BadInput, BadSource
from strategies.filters.per_class import PerClass
from strategies.filters.points import Points, Removed
from strategies.tie_keys import tie_keys
from tests.curation.toys_filters import FirstToLast, FirstToLastTree, LastToFirst

N = 60


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    rng = np.random.default_rng(0)
    found = rng.normal(size=(N, 6)).astype(np.float32)
    found[40:50] = found[:10]  # equal ones
    return found


@pytest.fixture(scope="module")
def ids() -> list[str]:
    return [f"{number:02}.png" for number in range(N)]


def toy(vectors: np.ndarray, ids: list[str], **options) -> Pipeline:
    given = {"chain": [LastToFirst(), FirstToLast()], "keep_by": FirstToLast(), **options}
    return Pipeline(vectors, ids, **given)


def names(curated: Curated, rows: np.ndarray) -> list[str]:
    return [curated.sample_ids[row] for row in rows]


def is_sound(curated: Curated) -> None:
    """What must be true of every curation."""
    assert np.array_equal(np.sort(np.concatenate([curated.kept, curated.removed])), np.arange(N))
    assert np.array_equal(curated.kept, np.sort(curated.kept))
    counts = np.bincount(curated.step_of, minlength=len(curated.steps))
    assert counts.tolist() == [step.n_removed for step in curated.steps]
    assert (np.diff(curated.step_of) >= 0).all()
    assert set(curated.because_of[curated.because_of >= 0]) <= set(curated.kept)


def test_two_filters_of_one_name_are_refused() -> None:
    vectors, ids = np.eye(4), list("abcd")
    twice = "a filter called in_class is"
    with pytest.raises(BadInput, match=f"{twice} twice"):
        Pipeline(vectors, ids, chain=[PerClass("outliers"), PerClass("similars")])
    with pytest.raises(BadInput, match=f"{twice} in the chain, and another one"):
        Pipeline(vectors, ids, chain=[PerClass("similars")], keep_by=PerClass("coreset"))
    Pipeline(vectors, ids, chain=[PerClass("similars")], keep_by=PerClass("similars"))
    with pytest.raises(BadInput, match="metric is 'l2'"):
        Pipeline(vectors, ids, metric="l2")  # type: ignore[arg-type]


def test_filters_run_in_the_order_of_the_chain_each_on_what_lives(vectors, ids):
    curated = toy(vectors, ids).run(high=3, low=2, keep=50)
    by_key = [ids[row] for row in np.argsort(tie_keys(ids))]
    assert names(curated, curated.removed) == [
        *by_key[:-4:-1],
        *by_key[:2],
        *by_key[2:7],
    ]
    assert [(one.name, one.reason, one.n_removed) for one in curated.steps] == [
        ("high", "high", 3),
        ("low", "low", 2),
        ("low", "low", 5),
    ]
    is_sound(curated)


def test_the_chain_orders_the_filters_not_the_call(vectors, ids):
    pipeline = toy(vectors, ids)
    one, other = pipeline.run({"low": 2, "high": 3}), pipeline.run({"high": 3, "low": 2})
    assert one.steps == other.steps and np.array_equal(one.removed, other.removed)


def test_a_stand_in_that_went_later_is_replaced_by_the_nearest_that_stays(vectors, ids):
    class LowThenHigh(Pipeline):
        pass

    pipeline = LowThenHigh(
        vectors, ids, chain=[FirstToLast(), LastToFirst()], keep_by=LastToFirst()
    )
    curated = pipeline.run(low=5, high=1, keep=40)
    is_sound(curated)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    mended = curated.because_of[:5]
    assert (mended >= 0).all() and (curated.because_of[5:] == -1).all()
    for row, other, distance in zip(curated.removed[:5], mended, curated.distances, strict=False):
        all_distances = 1 - unit[curated.kept] @ unit[row]
        assert distance == pytest.approx(all_distances.min(), abs=1e-6)
        assert 1 - unit[other] @ unit[row] == pytest.approx(all_distances.min(), abs=1e-6)
    untouched = pipeline.run(low=5)
    assert (untouched.distances == -1).all()


def test_auto_is_the_filters_own_number_and_counts_for_what_follows(vectors, ids):
    pipeline = toy(vectors, ids, chain=[FirstToLast(), LastToFirst()])
    curated = pipeline.run(low="auto", high="10%")
    assert [step.n_removed for step in curated.steps] == [N // 2, N // 10]


def test_trees_are_built_once_and_only_where_something_goes(vectors, ids):
    built = []

    class Counting(FirstToLast):
        def build(self, points, *, progress=None):
            built.append(len(points.vectors))
            return super().build(points, progress=progress)

    pipeline = toy(vectors, ids, chain=[Counting()], keep_by=LastToFirst())
    assert pipeline.run(low=0).kept.tolist() == list(range(N)) and built == []
    for share in ("5%", "10%", "50%"):
        pipeline.run(low=share)
    assert built == [N]


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("keep", ["50%", 7, None])
def test_shares_are_exact_and_nested(vectors, ids, metric, keep):
    pipeline = Pipeline(vectors, ids, metric=metric)
    before: set[str] = set()
    for percent in (5, 10, 20):
        curated = pipeline.run(outliers=f"{percent}%", similars="13%", keep=keep)
        is_sound(curated)
        outliers = set(names(curated, curated.removed[curated.step_of == 0]))
        assert len(outliers) == math.ceil(percent * N / 100)
        assert before <= outliers
        before = outliers
        left = math.floor((100 - percent - 13) * N / 100)
        assert len(curated.kept) == (left if keep is None else {"50%": 30}.get(keep, keep))


def test_shuffled_samples_keep_the_same_names(vectors, ids):
    asked = {"outliers": "5%", "similars": "20%"}
    one = Pipeline(vectors, ids).run(asked, keep="50%")
    shuffled = np.random.default_rng(1).permutation(N)
    other = Pipeline(vectors[shuffled], [ids[row] for row in shuffled]).run(asked, keep="50%")
    assert sorted(names(one, one.kept)) == sorted(names(other, other.kept))
    assert names(one, one.removed) == names(other, other.removed)
    assert [
        n for n, r in zip(names(one, one.because_of), one.because_of, strict=True) if r >= 0
    ] == [
        n for n, r in zip(names(other, other.because_of), other.because_of, strict=True) if r >= 0
    ]
    np.testing.assert_array_equal(one.distances, other.distances)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_one_sample_and_equal_samples_work(metric):
    alone = Pipeline(np.ones((1, 3)), ["a"], metric=metric)
    assert alone.run(outliers="5%", similars="10%", keep="50%").kept.tolist() == [0]
    equal = Pipeline(np.ones((20, 3)), list("abcdefghijklmnopqrst"), metric=metric)
    curated = equal.run(outliers="5%", similars="10%", keep="50%")
    assert len(curated.kept) == 10
    distances = curated.distances[curated.because_of >= 0]
    np.testing.assert_allclose(distances, 0, atol=1e-6)


def test_vectors_that_are_no_numbers_are_refused_by_their_rows(vectors, ids):
    bad = vectors.copy()
    bad[[3, 7]] = np.nan
    with pytest.raises(BadSource, match="rows 3, 7 hold NaN"):
        Pipeline(bad, ids)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample_ids": ["a"]}, "60 vectors and 1 sample ids"),
        ({"classes": np.zeros(3, int)}, "classes have shape"),
        ({"classes": np.zeros(N)}, "classes have shape .* float64"),
        ({"contents": np.zeros((N, 3), np.uint8)}, "contents have shape"),
        ({"chain": ["outlayers"]}, "no filter is called 'outlayers'"),
        ({"chain": ["outliers", "outliers"]}, "outliers is twice"),
        ({"keep_by": "best"}, "no filter is called 'best'"),
    ],
)
def test_what_does_not_fit_is_said(vectors, ids, options, message):
    with pytest.raises(BadInput, match=message):
        Pipeline(vectors, **{"sample_ids": ids, **options})


def test_doubled_ids_are_refused(vectors, ids):
    with pytest.raises(BadSource, match="occur more than once"):
        Pipeline(vectors, [*ids[:-1], ids[0]])


def test_a_filter_that_is_not_in_the_chain_is_named(vectors, ids):
    with pytest.raises(BadInput, match="adjacency is not in the chain outliers, similars"):
        Pipeline(vectors, ids).run(adjacency=3)


def test_classes_keep_their_share(vectors, ids):
    classes = np.repeat([0, 1, 2], [40, 15, 5])
    pipeline = Pipeline(
        vectors, ids, classes=classes, chain=(), keep_by="per_class?filter=similars"
    )
    curated = pipeline.run(keep="40%")
    assert np.bincount(classes[curated.kept]).tolist() == [16, 6, 2]
    assert curated.steps[0].reason == "similar"


def test_a_class_that_goes_whole_has_receipts_too() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(60, 5))
    ids, classes = [f"{row}" for row in range(60)], np.repeat(np.arange(20), 3)
    pipeline = Pipeline(vectors, ids, classes=classes, chain=("per_class?filter=similars",))
    curated = pipeline.run({"per_class?filter=similars": "90%"})
    assert len(curated.removed) == 54
    assert np.isin(curated.because_of, curated.kept).all()
    assert np.isfinite(curated.distances).all()


def test_samples_never_all_go() -> None:
    class AllOfThem(FirstToLastTree):
        def remove(self, alive: np.ndarray, n_remove: int | None) -> Removed:
            return super().remove(alive, int(alive.sum()))

    class Everything(FirstToLast):
        def build(self, points: Points, **options) -> FirstToLastTree:
            return AllOfThem()

    with pytest.raises(BadInput, match="all 4 samples would go"):
        Pipeline(np.eye(4), list("abcd"), chain=[Everything()]).run({"low": "auto"})


@pytest.mark.parametrize("option", ["keep_by", "metric", "chain"])
def test_options_that_run_is_given_are_led_to_where_they_belong(option: str) -> None:
    with pytest.raises(BadInput) as told:
        Pipeline(np.eye(4), list("abcd")).run(keep=0.3, **{option: "adjacency"})
    assert told.value.remedy == f"give it where the pipeline is made: Pipeline(..., {option}=...)"


def test_a_curation_shows_itself_in_one_line(vectors: np.ndarray, ids: list[str]) -> None:
    curated = toy(vectors, ids).run({"high": 3}, keep=40)
    assert repr(curated) == "Curated(40 of 60 kept; 3 by high, 17 by low)"
    assert repr(toy(vectors, ids).run({})) == "Curated(60 of 60 kept)"
