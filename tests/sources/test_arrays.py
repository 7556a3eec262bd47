from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from al_server.errors import BadSource
from al_server.sources.arrays import read_column
from al_server.sources.listing import Listing, checked_vectors
from tests.sources.damages import DAMAGES

Read = Callable[..., Listing]
X = np.array([[3.0, 4.0], [0.0, 2.0], [1.0, 0.0]], dtype=np.float32)


def test_an_npz_with_x_alone_has_row_numbers_for_ids_and_its_own_lengths(root: Path, read: Read):
    np.savez(root / "a.npz", X=X)
    found = read("npz", root / "a.npz")
    assert found.kind == "vector" and found.sample_ids == ["0", "1", "2"]
    np.testing.assert_array_equal(found.vectors, X)
    assert found.labels is None and found.groups is None


def test_ids_and_groups_of_any_type_become_text(root: Path, read: Read):
    np.savez(root / "a.npz", X=X, ids=np.array([7, 8, 9]), group=np.array([b"g", b"g", b"h"]))
    found = read("npz", root / "a.npz")
    assert found.sample_ids == ["7", "8", "9"]
    assert found.groups == ["g", "g", "h"]


def test_labels_are_taken_only_when_asked_for(root: Path, read: Read):
    np.savez(root / "a.npz", X=X, y=np.array([1, -1, 0]), classes=np.array(["cat", "dog"]))
    assert read("npz", root / "a.npz").labels is None
    found = read("npz", root / "a.npz", labels=True)
    assert found.labels == ["dog", None, "cat"]
    assert found.classes == ["cat", "dog"]
    assert read("npz", root / "a.npz", labels=True, multi=True).labels == [["dog"], None, ["cat"]]


def test_without_classes_the_sorted_values_of_y_are_the_classes(root: Path, read: Read):
    np.savez(root / "a.npz", X=X, y=np.array([10, 9, -1]))
    found = read("npz", root / "a.npz", labels=True)
    assert found.classes == ["9", "10"]
    assert found.labels == ["10", "9", None]


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int32])
def test_vectors_of_other_types_become_float32(root: Path, read: Read, dtype: type):
    np.savez(root / "a.npz", X=X.astype(dtype))
    vectors = read("npz", root / "a.npz").vectors
    assert vectors is not None and vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, X)


def test_an_npy_is_read_with_row_numbers(root: Path, read: Read):
    np.save(root / "a.npy", np.asfortranarray(X))
    found = read("npy", root / "a.npy")
    assert found.sample_ids == ["0", "1", "2"]
    assert found.vectors is not None and found.vectors.flags.c_contiguous
    np.testing.assert_array_equal(found.vectors, X)


def test_float32_vectors_are_checked_without_a_copy():
    assert checked_vectors(X, where=Path("a.npz")) is X


def test_unfit_rows_are_named():
    unfit = np.ones((8, 2))
    unfit[1] = 0
    unfit[2, 1] = np.nan
    unfit[5, 0] = 1e300  # infinite as float32
    with pytest.raises(BadSource, match=r"rows 2, 5 hold NaN or infinite.*rows 1 hold only zeros"):
        checked_vectors(unfit, where=Path("a.npz"))


def test_many_unfit_rows_are_named_in_part():
    with pytest.raises(BadSource, match=r"rows 0, 1, 2, 3, 4 and 5 more hold only zeros"):
        checked_vectors(np.zeros((10, 2)), where=Path("a.npz"))


@pytest.mark.parametrize(
    "vectors", [np.ones(3), np.ones((0, 2)), np.ones((2, 0)), np.ones((2, 2, 2)), np.array([["a"]])]
)
def test_what_is_no_matrix_of_numbers_is_refused(vectors: np.ndarray):
    with pytest.raises(BadSource, match="shape"):
        checked_vectors(vectors, where=Path("a.npz"))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"Y": X}, "no array X"),
        ({"X": X, "ids": np.array(["a", "b", "a"])}, "occur more than once: a"),
        ({"X": X, "ids": np.array(["a", "b"])}, "ids has shape"),
        ({"X": X, "ids": np.array(["a", "", "c"])}, "ids of rows 1"),
        ({"X": X, "y": np.array([0, 5, 1]), "classes": np.array(["a", "b"])}, "y of rows 1"),
        ({"X": X, "y": np.array([0.0, 1.0, 1.0]), "classes": np.array(["a", "b"])}, "y has type"),
        ({"X": X}, "no array y"),
    ],
)
def test_an_npz_that_does_not_fit_together_is_refused(
    root: Path, read: Read, arrays: dict[str, np.ndarray], message: str
):
    np.savez(root / "a.npz", **arrays)
    with pytest.raises(BadSource, match=message):
        read("npz", root / "a.npz", labels=True)


def test_pickles_are_never_opened(root: Path, read: Read):
    np.savez(root / "a.npz", X=np.array([[1, "a"]], dtype=object))
    with pytest.raises(BadSource, match="cannot be read"):
        read("npz", root / "a.npz")
    np.save(root / "a.npy", np.array([[1, "a"]], dtype=object))
    with pytest.raises(BadSource, match="cannot be read"):
        read("npy", root / "a.npy")


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 cut short"])
@pytest.mark.parametrize("kind", ["npz", "npy"])
def test_damaged_files_are_refused(root: Path, read: Read, kind: str, content: bytes):
    (root / "a").write_bytes(content)
    with pytest.raises(BadSource, match="cannot be read"):
        read(kind, root / "a")


@pytest.mark.parametrize("damage", DAMAGES)
def test_archives_with_damage_inside_are_refused(
    root: Path, read: Read, damage: Callable[[Path], None]
):
    np.savez_compressed(root / "a.npz", X=np.eye(9), predicted=np.arange(9))
    damage(root / "a.npz")
    with pytest.raises(BadSource, match="cannot be read") as caught:
        read("npz", root / "a.npz")
    assert caught.value.remedy and "\n" not in caught.value.message
    with pytest.raises(BadSource, match="cannot be read"):
        read_column(root / "a.npz", "X", ["0"])


def test_npz_and_npy_are_told_apart(root: Path, read: Read):
    np.savez(root / "a.npz", X=X)
    np.save(root / "a.npy", X)
    with pytest.raises(BadSource, match="archive"):
        read("npy", root / "a.npz")
    with pytest.raises(BadSource, match="single array"):
        read("npz", root / "a.npy")
    with pytest.raises(BadSource, match="holds no labels"):
        read("npy", root / "a.npy", labels=True)


def test_the_shared_embeddings_are_read(shared_data: Path, read: Read, root: Path):
    (root / "fruits.npz").symlink_to(shared_data)  # a link out is refused, the file itself is not
    from al_server.sources.arrays import read_npz

    file = shared_data / "embeddings" / "fruits_mobilenetv2_1280.npz"
    found = read_npz(file, labels=True, multi=False)
    assert found.vectors is not None and found.vectors.shape == (3395, 1280)
    assert found.classes is not None and len(found.classes) == 6
    assert found.groups is not None and len(found.groups) == 3395
