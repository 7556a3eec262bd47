from pathlib import Path

import numpy as np
import pytest

from embeddings.errors import EmbedderUnavailable
from embeddings.fitted_state import fingerprint, load_state, save_state

STATE = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([1, 2])}


def test_a_state_comes_back_bit_for_bit(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "state.npz"
    save_state(path, STATE)
    loaded = load_state(path)
    assert loaded is not None
    assert loaded.keys() == STATE.keys()
    assert all(np.array_equal(loaded[name], STATE[name]) for name in STATE)
    assert fingerprint(loaded) == fingerprint(STATE)
    assert [file.name for file in path.parent.iterdir()] == ["state.npz"]


def test_no_file_is_no_state(tmp_path: Path) -> None:
    assert load_state(tmp_path / "state.npz") is None


def test_the_fingerprint_sees_every_change() -> None:
    changed = [
        {"a": STATE["a"], "c": STATE["b"]},
        {"a": STATE["a"], "b": STATE["b"] + 1},
        {"a": STATE["a"].reshape(3, 2), "b": STATE["b"]},
        {"a": STATE["a"].astype(np.float64), "b": STATE["b"]},
    ]
    assert len({fingerprint(STATE), *(fingerprint(state) for state in changed)}) == 5
    assert fingerprint(dict(reversed(STATE.items()))) == fingerprint(STATE)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 broken"])
def test_a_damaged_state_is_an_error_not_a_new_fit(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state.npz"
    path.write_bytes(content)
    with pytest.raises(EmbedderUnavailable, match=r"state\.npz is damaged") as caught:
        load_state(path)
    assert "delete it" in caught.value.remedy
    assert path.read_bytes() == content


def test_a_pickled_object_is_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    np.savez(path, a=np.array([{}], dtype=object))
    with pytest.raises(EmbedderUnavailable):
        load_state(path)
