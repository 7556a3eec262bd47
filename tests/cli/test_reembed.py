from pathlib import Path

import numpy as np

from tests.cli.conftest import Al, Running


def test_vectors_are_compared_first_and_taken_when_asked(served: Al, server: Running):
    file = server.data.parent / "reembed.npz"
    rng = np.random.default_rng(0)
    np.savez(file, X=rng.normal(size=(20, 5)).astype(np.float32), y=np.arange(20) % 2,
             classes=np.array(["x", "y"]))  # fmt: skip
    served("campaign", "create", "again", file, "--classes", "x,y", "--labels")
    info = served.json("reembed", "again", "--reduce", "svd:2")
    assert (info["state"], info["switched"], info["compared"]["n"]) == ("done", False, 20)
    said = served("reembed", "again", "--reduce", "svd:2", "--switch")
    assert "of 20 labels" not in said.stderr, "the verdict is no label of the bar"
    assert "of 20 labels" in said.stdout and "goes on with the new vectors" in said.stdout
    assert served.json("campaign", "show", "again")["n_features"] == 2
    said = served("reembed", "again", "--status")
    assert said.stdout.startswith("done: with each label left out in turn")
    assert served("reembed", "again", "--stop").stdout == said.stdout, "it is over"
    said = served("reembed", "again", "--stop", "--reduce", "svd:2")
    assert said.exit_code == 1 and "leave out --reduce" in said.stderr


def test_create_takes_a_reduction(served: Al, server: Running):
    file = server.data.parent / "wide.npz"
    np.savez(file, X=np.random.default_rng(0).normal(size=(9, 5)).astype(np.float32))
    info = served.json("campaign", "create", "narrow", file, "--classes", "x", "--reduce", "pca:2")
    assert (info["n_features"], info["reduce"]) == (2, "pca:2")


def test_what_is_refused_says_what_to_do(served: Al):
    said = served("reembed", "digits", "--reduce", "pac:8")
    assert said.exit_code == 1 and "did you mean pca:8" in said.stderr


def test_embed_reduces_what_it_writes(al: Al, tmp_path: Path):
    lines = [f"t{n},{'abc'[n % 3] * (n + 1)} word{n % 4} text" for n in range(20)]
    (tmp_path / "t.csv").write_text("\n".join(["id,text", *lines]), "utf-8")
    options = ["--column", "text", "--id-column", "id", "--embedder", "tfidf"]
    place = ["--out", tmp_path / "t.npz", "--data", tmp_path / "data"]
    said = al("embed", tmp_path / "t.csv", *options, *place, "--reduce", "svd:4")
    assert said.exit_code == 0 and "before" not in said.stdout, said.output
    said = al("embed", tmp_path / "t.csv", *options, *place, "--reduce", "svd:4")
    assert "20 were embedded before" in said.stdout
    with np.load(tmp_path / "t.npz") as written:
        assert written["X"].shape == (20, 4)
        np.testing.assert_allclose(np.linalg.norm(written["X"], axis=1), 1, atol=1e-6)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["data", "t.csv", "t.npz"]
    said = al("embed", tmp_path / "t.csv", *options, *place, "--reduce", "pac")
    assert said.exit_code == 1 and "pca" in said.stderr
