import numpy as np
import pytest

from al_server.curation.packed_texts import Packed, pack, unpack


@pytest.mark.parametrize("texts", [[], [""], ["", "a", ""], ["ü", "日本", "x" * 1000, "\udcff"]])
def test_texts_come_back_as_they_were(texts: list[str]):
    assert unpack(pack(texts)) == texts


def test_they_take_no_more_than_their_bytes():
    packed = pack(["ab", "ü", ""])
    assert (packed.text.tobytes(), packed.ends.tolist()) == ("abü".encode(), [2, 4, 4])


AB = np.frombuffer(b"ab", np.uint8)


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        (AB, np.array([1])),
        (AB, np.array([1, 3])),
        (AB, np.array([-1, 2])),
        (AB, np.array([2, 1, 2])),
        (AB, np.array([1.0, 2.0])),
        (AB, np.array([[1, 2]])),
        (AB, np.array(2)),
        (AB[None], np.array([1, 2])),
        (AB.astype(np.int64), np.array([1, 2])),
        (AB, np.array(["1", "2"])),
        (np.array(["a", "b"]), np.array([1, 2])),
        (np.frombuffer("ü".encode(), np.uint8), np.array([1, 2])),
        (AB, np.empty(0, np.int64)),
    ],
)
def test_arrays_that_are_none_are_refused(text: np.ndarray, ends: np.ndarray):
    with pytest.raises(ValueError):
        unpack(Packed(text, ends))
