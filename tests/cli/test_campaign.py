import csv
import io
import json
from pathlib import Path

import httpx
import numpy as np
import pytest
from pyarrow import parquet

from tests.cli.conftest import Al, Running

VECTORS = np.eye(4, dtype=np.float32)[[0, 0, 1, 1, 2, 3]] + np.float32(0.1)


@pytest.fixture(scope="module")
def file(server: Running) -> Path:
    file = server.data.parent / "six.npz"
    y = np.array([0, -1, 1, -1, 1, -1])
    np.savez(file, X=VECTORS, ids=np.array(list("abcdef")), y=y, classes=np.array(["x", "y"]))
    return file


@pytest.fixture(scope="module")
def six(served: Al, file: Path) -> str:
    """A campaign of six vectors, three of them labeled."""
    info = served.json("campaign", "create", "six", file, "--classes", "x,y", "--labels")
    assert info["state"] == "ready"
    return "six"


def test_create_waits_until_the_campaign_is_ready(served: Al, six: str):
    info = served.json("campaign", "show", six)
    assert (info["n_samples"], info["n_labeled"], info["classes"]) == (6, 3, ["x", "y"])


def test_every_option_of_create_reaches_the_server(served: Al, file: Path):
    classes = file.with_name("classes.txt")
    classes.write_text("one, with a comma\ntwo\n\n", encoding="utf-8")
    options = ["--task", "multi", "--strategy", "margin", "--budget", "7", "--overlap", "2"]
    more = ["--lease-s", "30", "--classes-file", classes]
    info = served.json("campaign", "create", "many-options", file, *options, *more)
    assert info["classes"] == ["one, with a comma", "two"]
    assert (info["task"], info["strategy"], info["budget"]) == ("multi", "margin", 7)
    assert (info["overlap"], info["lease_s"]) == (2, 30)


def test_relative_paths_count_from_the_current_folder(
    served: Al, file: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(file.parent)
    info = served.json("campaign", "create", "relative", file.name, "--classes", "x,y")
    assert info["n_samples"] == 6


def test_no_wait_returns_before_the_campaign_is_ready(served: Al, file: Path):
    info = served.json("campaign", "create", "hasty", file, "--classes", "x", "--no-wait")
    assert info["name"] == "hasty"


def test_errors_of_the_server_are_shown_with_their_remedy(served: Al, six: str, file: Path):
    result = served("campaign", "create", six, file, "--classes", "x")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ") and "remedy: " in result.stderr
    result = served("campaign", "show", "sixx")
    assert "'six'" in result.stderr


def test_a_campaign_that_fails_says_why(served: Al, server: Running):
    broken = server.data.parent / "broken.npz"
    broken.write_bytes(b"no archive")
    result = served("campaign", "create", "broken", broken, "--classes", "x")
    assert result.exit_code == 1
    assert "cannot be read" in result.stderr


def test_list_names_every_campaign(served: Al, six: str):
    names = {one["name"] for one in served.json("campaign", "list")["campaigns"]}
    assert {"digits", six} <= names
    lines = served("campaign", "list").output.splitlines()
    assert lines[0].split()[:2] == ["name", "state"]
    assert any(line.startswith("digits ") for line in lines)


def test_show_tells_where_to_label(served: Al, server: Running):
    output = served("campaign", "show", "digits").output
    assert f"{server.url}/campaigns/digits/annotate" in output
    assert httpx.get(f"{server.url}/campaigns/digits/annotate").status_code == 200


def test_classes_and_samples_are_added(served: Al, six: str, server: Running):
    out = served.json("campaign", "add-classes", six, "z")
    assert out["classes"] == ["x", "y", "z"]
    more = server.data.parent / "more.npz"
    np.savez(more, X=VECTORS[:1], ids=np.array(["g"]))
    info = served.json("campaign", "add-samples", six, more)
    assert info["n_samples"] == 7


def test_the_export_goes_to_a_file_or_to_stdout(served: Al, six: str, tmp_path: Path):
    rows = list(csv.DictReader(io.StringIO(served("campaign", "export", six).stdout)))
    assert {(row["sample_id"], row["label"]) for row in rows} == {
        ("a", "x"),
        ("c", "y"),
        ("e", "y"),
    }
    for name in ("out.csv", "out.jsonl", "out.parquet"):
        result = served("campaign", "export", six, "--out", tmp_path / name)
        assert result.exit_code == 0 and result.stdout == ""
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert [json.loads(line)["sample_id"] for line in lines] == ["a", "c", "e"]
    assert parquet.read_table(tmp_path / "out.parquet").num_rows == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "out.csv",
        "out.jsonl",
        "out.parquet",
    ]


def test_predictions_for_the_rest_are_exported_on_request(served: Al, six: str):
    with_rest = served("campaign", "export", six, "--format", "jsonl", "--predictions").stdout
    sources = [json.loads(line)["source"] for line in with_rest.splitlines()]
    assert sources.count("known") == 3 and "prediction" in sources


def test_an_export_that_fails_leaves_no_file(served: Al, tmp_path: Path):
    assert served("campaign", "export", "nothing", "--out", tmp_path / "a.csv").exit_code == 1
    assert list(tmp_path.iterdir()) == []
    result = served("campaign", "export", "digits", "--out", tmp_path / "a.xls")
    assert result.exit_code == 1 and "--format" in result.stderr
    (tmp_path / "link.csv").symlink_to("nowhere")
    result = served("campaign", "export", "digits", "--out", tmp_path / "link.csv")
    assert result.exit_code == 1 and "a link is there" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["link.csv"]


def test_samples_of_the_pool_and_vectors_of_a_file_are_predicted(served: Al, six: str, file: Path):
    of_pool = served.json("predict", six, "b", "d")["predictions"]
    assert [(one["sample_id"], one["label"]) for one in of_pool] == [("b", "x"), ("d", "y")]
    of_file = served.json("predict", six, "--embeddings", file)["predictions"]
    assert [one["sample_id"] for one in of_file] == list("abcdef")
    assert [one["label"] for one in of_file[:4]] == ["x", "x", "y", "y"]
    line = served("predict", six, "b").output.strip().split("\t")
    assert line[:2] == ["b", "x"] and 0 < float(line[2]) <= 1


def test_predict_asks_for_samples_or_vectors(served: Al, six: str):
    assert served("predict", six).exit_code == 2
