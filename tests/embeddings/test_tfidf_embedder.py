import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from embeddings.embedder import embed_all
from embeddings.errors import EmbedderUnavailable
from embeddings.tfidf_embedder import TfidfEmbedder, fit
from tests.embeddings.test_pixel_embedder import accuracy

TEXTS = [
    "the cat sat on the mat",
    "a cat and a kitten on a mat",
    "stocks fell as banks reported losses",
    "banks and stocks recovered their losses",
    "the goalkeeper saved a penalty",
    "a penalty beat the goalkeeper",
]


def made(sample: Sequence[str], state_dir: Path | None = None) -> TfidfEmbedder:
    return TfidfEmbedder.create("", checkpoint=None, sample=sample, state_dir=state_dir)


def test_texts_about_the_same_thing_are_nearest() -> None:
    vectors = made(TEXTS).embed_batch(TEXTS)
    similarity = vectors @ vectors.T - 2 * np.eye(6)
    assert similarity.argmax(axis=1).tolist() == [1, 0, 3, 2, 5, 4]
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_with_a_topic_for_each_text_similarities_are_those_of_plain_tfidf() -> None:
    texts = ["aa bb", "aa cc", "dd"]
    vectors = made(texts).embed_batch(texts)
    # no term is shared between "dd" and the others, of whatever kind
    np.testing.assert_allclose(vectors[2] @ vectors[:2].T, 0, atol=1e-6)

    def tfidf(rows: list[list[int]]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        """Unit rows from counts of 0 and 1 over three texts."""
        counts = np.array(rows, dtype=np.float64)
        weighed = counts * (np.log(4 / (1 + counts.sum(axis=0))) + 1)
        return np.asarray(weighed / np.linalg.norm(weighed, axis=1, keepdims=True))

    words = tfidf([[1, 1, 1, 0, 0, 0], [1, 0, 0, 1, 1, 0], [0, 0, 0, 0, 0, 1]])
    # " aa ": " a", "aa", "a ", " aa", "aa ", " aa "; the same six for the other words
    a, b, c, d = np.repeat(np.eye(4, dtype=int), 6, axis=1).reshape(4, 24)
    letters = tfidf([(a + b).tolist(), (a + c).tolist(), d.tolist()])
    expected = (words[0] @ words[1] + letters[0] @ letters[1]) / 2
    assert vectors[0] @ vectors[1] == pytest.approx(expected, abs=1e-5)


def test_the_same_sample_gives_the_same_state() -> None:
    assert made(TEXTS).id == made(TEXTS).id
    assert made(TEXTS).id != made(TEXTS[1:]).id


def test_a_saved_state_is_used_whatever_the_sample(tmp_path: Path) -> None:
    first = made(TEXTS, tmp_path / "state")
    second = made([], tmp_path / "state")
    assert first.id == second.id
    assert np.array_equal(first.embed_batch(TEXTS), second.embed_batch(TEXTS))


def test_vectors_do_not_depend_on_the_batch() -> None:
    embedder = made(TEXTS)
    one_by_one = np.concatenate([embedder.embed_batch([text]) for text in TEXTS])
    np.testing.assert_allclose(embedder.embed_batch(TEXTS), one_by_one, atol=1e-6)


def test_texts_without_a_known_term_are_neighbours_of_each_other_alone() -> None:
    embedder = made(TEXTS)
    vectors = embedder.embed_batch(["日本語", "ΩΩΩ", *TEXTS])
    np.testing.assert_array_equal(vectors[0], vectors[1])
    np.testing.assert_array_equal(vectors[0] @ vectors[2:].T, 0)
    assert np.linalg.norm(vectors[0]) == 1


def test_empty_texts_are_listed_as_failures() -> None:
    embedded = embed_all(made(TEXTS), ["", TEXTS[0], "  \n\t "], cache=None)
    assert embedded.positions.tolist() == [1]
    assert [failed.position for failed in embedded.failures] == [0, 2]


def test_a_lone_surrogate_is_no_error() -> None:
    vectors = made(TEXTS).embed_batch(["\ud800 cat", "? cat"])
    np.testing.assert_array_equal(vectors[0], vectors[1])


@pytest.mark.parametrize("texts", [["word"], ["same text"] * 80, [*"abcdefgh"]])
def test_small_and_monotonous_pools_have_vectors(texts: list[str]) -> None:
    embedded = embed_all(made(texts), texts, cache=None)
    assert embedded.failures == []
    np.testing.assert_allclose(np.linalg.norm(embedded.vectors, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("texts", [[], ["", "  "]])
def test_a_sample_without_a_word_is_an_error(texts: list[str]) -> None:
    with pytest.raises(EmbedderUnavailable, match="no word in the sample"):
        fit(texts)


def test_tweets_are_told_apart_better_than_by_chance(shared_data: Path) -> None:
    with (shared_data / "text" / "sentiment140_20k.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[:4000]
    texts = [row["text"] for row in rows]
    positive = np.array([row["label"] == "positive" for row in rows], dtype=np.int64)
    embedded = embed_all(made(texts), texts, cache=None)
    assert accuracy(embedded.vectors, positive[embedded.positions], k=25) > 0.62
