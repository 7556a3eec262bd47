import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from al_server.errors import BadSource
from al_server.sources.listing import Listing

Read = Callable[..., Listing]
Picture = Callable[[Path], Path]


def write(file: Path, text: str) -> Path:
    file.write_text(text, encoding="utf-8")
    return file


def test_texts_of_a_csv_have_row_numbers_for_ids(root: Path, read: Read):
    found = read("table", write(root / "a.csv", 'text,n\n"one, two\nlines",1\nplain,2\n'))
    assert found.kind == "text"
    assert found.sample_ids == ["0", "1"]
    assert found.texts == ["one, two\nlines", "plain"]


def test_a_very_long_text_is_read(root: Path, read: Read):
    text = "word " * 1_000_000
    assert read("table", write(root / "a.csv", f"text,n\n{text},1\n")).texts == [text]


def test_an_id_column_is_taken_and_stays_text(root: Path, read: Read):
    file = write(root / "a.csv", "id,text\n007,x\n,y\n1e3,z\n")
    assert read("table", file).sample_ids == ["007", "row 1", "1e3"]
    file = write(root / "b.csv", "key,text\nk,x\n")
    assert read("table", file, id_column="key").sample_ids == ["k"]


def test_doubled_ids_are_refused_with_the_first_few_named(root: Path, read: Read):
    file = write(root / "a.csv", "id,text\na,1\nb,2\na,3\n")
    with pytest.raises(BadSource, match="1 ids occur more than once: a"):
        read("table", file)


def test_labels_are_taken_only_when_asked_for(root: Path, read: Read):
    file = write(root / "a.csv", "text,label\nx,good\ny,\nz, bad \n")
    assert read("table", file).labels is None
    found = read("table", file, labels=True)
    assert found.labels == ["good", None, "bad"]
    assert found.classes == ["bad", "good"]


def test_a_missing_label_column_is_refused_with_the_columns_named(root: Path, read: Read):
    file = write(root / "a.csv", "text,mood\nx,good\n")
    with pytest.raises(BadSource, match="no column 'label'") as raised:
        read("table", file, labels=True)
    assert "mood" in raised.value.remedy
    assert read("table", file, labels=True, label_column="mood").labels == ["good"]


def test_several_labels_are_a_json_list_or_separated_by_bars(root: Path, read: Read):
    rows = ["x,a|b", 'y,"[""a"", ""c""]"', "z,[]", "u,", "v,a|a"]
    file = write(root / "a.csv", "text,label\n" + "\n".join(rows) + "\n")
    found = read("table", file, labels=True, multi=True)
    assert found.labels == [["a", "b"], ["a", "c"], [], None, ["a"]]
    assert found.classes == ["a", "b", "c"]
    # with one label a sample, a bar is part of the name
    assert read("table", file, labels=True).labels[0] == "a|b"


def test_a_malformed_list_of_labels_names_the_row(root: Path, read: Read):
    file = write(root / "a.csv", "text,label\nx,a\ny,[a\n")
    with pytest.raises(BadSource, match="row 1"):
        read("table", file, labels=True, multi=True)


def test_lists_of_labels_are_refused_where_one_is_wanted(root: Path, read: Read):
    file = write(root / "a.jsonl", '{"text": "x", "label": ["a", "b"]}\n')
    assert read("table", file, labels=True, multi=True).labels == [["a", "b"]]
    with pytest.raises(BadSource, match="row 0: a list of labels"):
        read("table", file, labels=True)


def test_the_sample_column_is_told_from_its_name_or_from_being_alone(root: Path, read: Read):
    assert read("table", write(root / "a.csv", "part,text\n1,x\n")).texts == ["x"]
    assert read("table", write(root / "b.csv", "id,label,tweet\n1,l,x\n")).texts == ["x"]
    assert read("table", write(root / "c.csv", "a,b\nx,y\n"), column="b").texts == ["y"]
    with pytest.raises(BadSource, match="which column") as raised:
        read("table", write(root / "d.csv", "a,b\nx,y\n"))
    assert "a, b" in raised.value.remedy
    with pytest.raises(BadSource, match="no column 'z'"):
        read("table", root / "d.csv", column="z")


def test_rows_that_cannot_be_read_are_listed_and_the_rest_keeps_its_numbers(root: Path, read: Read):
    found = read("table", write(root / "a.csv", "text,n\nx,1\ny\nz,1,2\n  ,3\nw,4\n"))
    assert found.texts == ["x", "w"]
    assert found.sample_ids == ["0", "4"]
    assert [(one.sample, one.reason) for one in found.failures] == [
        ("row 1", "1 cells where the header has 2"),
        ("row 2", "3 cells where the header has 2"),
        ("row 3", "column text is empty"),
    ]


def test_lines_of_a_jsonl_that_are_no_objects_are_listed(root: Path, read: Read):
    lines = ['{"text": "x"}', "{broken", "", "[1]", '{"text": "y", "more": 1}', '{"text": null}']
    found = read("table", write(root / "a.jsonl", "\n".join(lines)))
    assert found.texts == ["x", "y"]
    assert found.sample_ids == ["0", "4"]
    assert [one.sample for one in found.failures] == ["row 1", "row 3", "row 5"]


def test_ids_of_mixed_types_in_a_jsonl_become_text(root: Path, read: Read):
    rows = [{"id": 7, "text": "x"}, {"id": "7b", "text": "y"}]
    file = write(root / "a.jsonl", "\n".join(map(json.dumps, rows)))
    assert read("table", file).sample_ids == ["7", "7b"]


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_what_is_not_utf8_is_refused_with_line_and_byte(root: Path, read: Read, suffix: str):
    (root / f"a.{suffix}").write_bytes(b"text\nplain\ncaf\xe9\n")
    with pytest.raises(BadSource, match="byte 0xe9 in line 3, at position 14") as raised:
        read("table", root / f"a.{suffix}")
    assert "iconv" in raised.value.remedy


def test_a_byte_order_mark_is_not_part_of_the_first_name(root: Path, read: Read):
    (root / "a.csv").write_bytes(b"\xef\xbb\xbftext\nx\n")
    (root / "a.jsonl").write_bytes(b'\xef\xbb\xbf{"text": "x"}\n')
    assert read("table", root / "a.csv").texts == ["x"]
    assert read("table", root / "a.jsonl").texts == ["x"]


@pytest.mark.parametrize("content", [b"", b"text\n", b"text\n\n\n"])
def test_a_table_without_rows_is_refused(root: Path, read: Read, content: bytes):
    (root / "a.csv").write_bytes(content)
    with pytest.raises(BadSource, match=r"no rows|cannot be read"):
        read("table", root / "a.csv")


def test_other_unfit_files_are_refused(root: Path, read: Read):
    with pytest.raises(BadSource, match="not a table"):
        read("table", write(root / "a.txt", "x"))
    with pytest.raises(BadSource, match="cannot be read"):
        read("table", write(root / "a.parquet", "not parquet"))
    with pytest.raises(BadSource, match="two columns"):
        read("table", write(root / "b.csv", "text,text\nx,y\n"))
    with pytest.raises(BadSource, match="is empty"):
        read("table", write(root / "c.csv", "text,n\n,1\n,2\n"))
    with pytest.raises(BadSource, match="not a file"):
        read("table", root)


@pytest.mark.parametrize("fixed", [False, True])
def test_vectors_of_a_parquet_file_are_read(root: Path, read: Read, fixed: bool):
    rows = [[3.0, 4.0], [0.0, 1.0], [1.0, 1.0]]
    kind = pa.list_(pa.float32(), 2) if fixed else pa.list_(pa.float64())
    table = pa.table({"id": ["a", "b", "c"], "v": pa.array(rows, type=kind), "label": [1, None, 2]})
    parquet.write_table(table, root / "a.parquet", row_group_size=2)
    found = read("table", root / "a.parquet", labels=True)
    assert found.kind == "vector" and found.sample_ids == ["a", "b", "c"]
    assert found.labels == ["1", None, "2"]
    np.testing.assert_array_equal(found.vectors, np.array(rows, dtype=np.float32))


def test_vectors_of_a_jsonl_file_are_read(root: Path, read: Read):
    found = read("table", write(root / "a.jsonl", '{"vector": [1, 2]}\n{"vector": [0.5, 1]}\n'))
    assert found.vectors is not None
    assert found.vectors.tolist() == [[1, 2], [0.5, 1]]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1.0, 2.0], [1.0], [1.0, 3.0], [1.0, 2.0]], "rows 1 are not of length 2"),
        ([[1.0, 2.0], [1.0, None], [0.0, 0.0], None], "rows 1 hold NaN.*rows 2 hold only zeros"),
        ([None, [1.0, 2.0], [1.0, float("nan")]], "rows 2 hold NaN"),
    ],
)
def test_unfit_vectors_name_their_rows(root: Path, read: Read, rows: list, message: str):
    table = pa.table({"v": pa.array(rows, type=pa.list_(pa.float32()))})
    parquet.write_table(table, root / "a.parquet")
    with pytest.raises(BadSource, match=message):
        read("table", root / "a.parquet")


def test_a_column_of_the_wrong_content_is_refused(root: Path, read: Read):
    with pytest.raises(BadSource, match="not lists of numbers"):
        read("table", write(root / "a.csv", "text\nx\n"), content="vector")
    with pytest.raises(BadSource, match="not text"):
        read("table", write(root / "a.jsonl", '{"v": [1]}\n'), content="text")


def test_images_count_from_the_tables_folder_and_their_cells_are_ids(
    root: Path, read: Read, picture: Picture
):
    picture(root / "t/photos/1.png")
    picture(root / "2.jpg")
    found = read("table", write(root / "t/a.csv", "image,label\nphotos/1.png,a\n../2.jpg,b\n"))
    assert found.kind == "image"
    assert found.sample_ids == ["photos/1.png", "../2.jpg"]
    assert found.paths == [root / "t/photos/1.png", root / "2.jpg"]


def test_images_that_cannot_be_had_are_listed_and_labels_stay_in_step(
    root: Path, read: Read, picture: Picture, tmp_path: Path
):
    picture(tmp_path / "secret.png")
    picture(root / "b.png")
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    cells = ["gone.png,1", "../secret.png,2", "link.png,3", "b.png,4", "/etc/hosts.png,5"]
    file = write(root / "a.csv", "image,label\n" + "\n".join(cells) + "\n")
    found = read("table", file, labels=True)
    assert found.sample_ids == ["b.png"] and found.labels == ["4"] and found.classes == ["4"]
    assert [(one.sample, one.reason) for one in found.failures] == [
        ("gone.png", "no such file"),
        ("../secret.png", "lies outside the folders that may be read"),
        ("link.png", "lies outside the folders that may be read"),
        ("/etc/hosts.png", "lies outside the folders that may be read"),
    ]


@pytest.mark.parametrize("odd", ["n/a", "TODO find it.", "gone.png", "x" * 500, "a\\0b"])
def test_an_odd_cell_does_not_turn_images_into_texts(
    root: Path, read: Read, picture: Picture, odd: str
):
    for name in "abc":
        picture(root / f"{name}.png")
    for column in ("image", "shot"):
        file = write(root / "a.csv", f"{column}\na.png\nb.png\n{odd}\nc.png\n")
        found = read("table", file)
        assert found.kind == "image"
        assert found.sample_ids == ["a.png", "b.png", "c.png"]
        assert [(one.sample, one.reason) for one in found.failures] == [(odd, "no such file")]


@pytest.mark.parametrize("column", ["Image", "path", "file", "FileName"])
def test_a_column_named_after_files_holds_images_whatever_their_suffix(
    root: Path, read: Read, picture: Picture, column: str
):
    picture(root / "a.png").rename(root / "scan1")
    found = read("table", write(root / "a.csv", f"{column}\nscan1\nscan2\nscan3\n"))
    assert found.paths == [root / "scan1"]
    assert [one.sample for one in found.failures] == ["scan2", "scan3"]
    assert read("table", root / "a.csv", content="text").texts == ["scan1", "scan2", "scan3"]


@pytest.mark.parametrize("column", ["url", "uri", "image", "shot"])
def test_an_odd_cell_does_not_turn_urls_into_texts(root: Path, read: Read, column: str):
    cells = ["https://pictures.example/1.png", "n/a", "https://pictures.example/2.png"]
    with pytest.raises(BadSource, match=r"--fetch-host pictures\.example"):
        read("table", write(root / "a.csv", "\n".join([column, *cells])))


def test_texts_that_speak_of_files_and_addresses_stay_texts(root: Path, read: Read):
    cells = ["see a.png", "look at this b.png now", "https://example.org is down", "plain"]
    found = read("table", write(root / "a.csv", "\n".join(["text", *cells])))
    assert found.texts == cells


def test_a_table_of_images_none_of_which_is_there_is_refused(root: Path, read: Read):
    with pytest.raises(BadSource, match=r"none of its 1 images.*no such file"):
        read("table", write(root / "a.csv", "image\ngone.png\n"))


def test_urls_of_hosts_that_are_not_allowed_are_refused_with_the_way_to_allow_them(
    root: Path, read: Read
):
    with pytest.raises(BadSource, match=r"--fetch-host pictures\.example"):
        read("table", write(root / "a.csv", "url\nhttps://pictures.example/1.png\n"))


def test_the_shared_texts_are_read_whole(shared_data: Path):
    from al_server.sources.fetch import Fetcher
    from al_server.sources.read import read_source
    from tests.sources.descriptions import source

    found = read_source(
        source("table", "text/sentiment140_20k.csv", labels=True),
        roots=[shared_data],
        fetch=Fetcher(shared_data),
    )
    assert len(found.sample_ids) == 19_918 and found.failures == []
    assert found.classes == ["negative", "positive"]
