import numpy as np
import pytest

from al_server.curation import Pipeline, manifest
from al_server.errors import BadInput

IDS = [f"s{number}" for number in range(40)]
ASKED = {"outliers": "5%", "similars": 0.1}


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(40, 5)).astype(np.float32)


@pytest.fixture(scope="module")
def text(vectors: np.ndarray) -> str:
    return manifest.curate(Pipeline(vectors, IDS), ASKED, keep="50%").manifest.to_json()


def test_a_manifest_gives_the_same_samples_again_in_any_order(vectors, text):
    before = Pipeline(vectors, IDS).run(ASKED, keep="50%")
    shuffled = np.random.default_rng(0).permutation(40)
    again = manifest.replay(
        manifest.from_json(text), vectors[shuffled], [IDS[row] for row in shuffled]
    )
    for part in ("removed", "because_of"):
        one = [IDS[row] if row >= 0 else None for row in getattr(before, part)]
        other = [again.sample_ids[row] if row >= 0 else None for row in getattr(again, part)]
        assert one == other
    np.testing.assert_array_equal(before.distances, again.distances)


def test_amounts_of_numpy_are_written_as_numbers(vectors):
    asked = {"outliers": np.float32(0.25), "similars": np.int64(5)}
    text = manifest.curate(Pipeline(vectors, IDS), asked, keep=np.int64(9)).manifest.to_json()
    read = manifest.from_json(text)
    assert (read.amounts, read.keep) == ({"outliers": 0.25, "similars": 5}, 9)
    assert len(manifest.replay(read, vectors, IDS).kept) == 9


def test_other_samples_are_told_by_what_differs(vectors, text):
    read = manifest.from_json(text)
    other = vectors.copy()
    other[7, 2] = np.nextafter(other[7, 2], np.float32(9))
    with pytest.raises(BadInput, match=r"samples\.vectors was") as caught:
        manifest.replay(read, other, IDS)
    assert "sample_ids" not in caught.value.message
    with pytest.raises(BadInput, match=r"samples\.sample_ids was"):
        manifest.replay(read, vectors, ["other", *IDS[1:]])


def test_another_answer_is_told_by_what_differs(vectors, text):
    changed = text.replace('"keep": "50%"', '"keep": "40%"')
    with pytest.raises(BadInput, match=r"counts\.kept was 20, is 16"):
        manifest.replay(manifest.from_json(changed), vectors, IDS)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 1}', '{"format": 2}'])
def test_what_is_no_manifest_is_refused(text: str):
    with pytest.raises(BadInput, match="manifest"):
        manifest.from_json(text)
