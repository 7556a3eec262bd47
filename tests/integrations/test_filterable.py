import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from al_server.errors import BadInput
from integrations.filterable import Filterable


class Net(torch.nn.Module):
    """Two layers, and a dropout that would spoil everything if it were on."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 3), torch.nn.Dropout(0.5), torch.nn.AdaptiveAvgPool2d(2)
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        assert not torch.is_grad_enabled()
        return self.layers(images)


def loader(n: int = 30, size: int = 8):
    images = torch.from_numpy(np.random.default_rng(0).normal(size=(n, 3, 9, 9)).astype("float32"))
    images[10] = images[3]
    for start in range(0, n, size):
        some = range(start, min(n, start + size))
        yield images[start : start + size], [f"{row}.png" for row in some]


def test_metadata_of_what_is_kept_come_back_whatever_the_batches():
    model = Net()
    model.train()
    data = Filterable(model, loader())
    kept = data.keep(outliers="10%", similars=1, keep=20)
    assert len(kept) == 20
    gone = data.gone()
    assert [one.reason for one in gone[:4]] == ["outlier"] * 3 + ["similar"]
    assert {gone[3].metadata, gone[3].because_of} == {"3.png", "10.png"} or gone[
        3
    ].because_of in kept
    assert all(one.because_of in kept for one in gone[3:])
    assert model.training and all(layer.training for layer in model.modules())
    assert Filterable(Net(), loader(size=30)).keep(keep=20) == Filterable(
        lambda batch: Net().eval().requires_grad_(False).layers(batch), loader(size=30)
    ).keep(keep=20)


def test_metadata_may_be_anything_and_need_not_differ():
    vectors = np.random.default_rng(1).normal(size=(12, 4))
    batches = [(vectors[:6], [{"n": 1}] * 6), (vectors[6:], [{"n": 2}] * 6)]
    assert Filterable(lambda batch: batch, batches).keep(keep=0.5).count({"n": 1}) in range(7)


def test_texts_that_are_too_long_for_ids_are_metadata_all_the_same():
    texts = [f"{row} {'word ' * 300}" for row in range(4)]
    data = Filterable(lambda batch: batch, [(np.eye(4), texts)])
    assert data.keep(keep=4) == texts
    assert data.pipeline.sample_ids == list("0123")


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float64])
def test_features_of_any_precision_are_taken(kind: torch.dtype):
    features = torch.tensor([[1.5, -2.0], [0.25, 3.0]], dtype=kind, requires_grad=True)
    data = Filterable(lambda batch: batch, [(features, ["a", "b"])])
    assert data.pipeline.vectors.tolist() == [[1.5, -2.0], [0.25, 3.0]]


def test_the_page_shows_what_show_makes(tmp_path: Path):
    data = Filterable(
        Net(), loader(), show=lambda name: Image.new("RGB", (20, 20), (int(name[:-4]), 0, 0))
    )
    with pytest.raises(BadInput, match="nothing was filtered"):
        data.insights(tmp_path / "a.html")
    data.keep(similars="20%")
    data.insights(tmp_path / "a.html")
    assert "data:image/" in (tmp_path / "a.html").read_text("utf-8")


def test_the_page_draws_by_the_projection_that_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    data = Filterable(Net(), loader())
    data.keep(similars="20%")
    data.insights(tmp_path / "a.html", projection="tsne")
    assert "t-SNE" in (tmp_path / "a.html").read_text("utf-8")
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(BadInput, match="needs the package umap-learn"):
        data.insights(tmp_path / "b.html", projection="umap")


def test_pictures_are_asked_for_as_the_page_needs_them_and_may_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr("al_server.curation.insights_pictures.MOST_PICTURES", 4)
    asked: list[str] = []

    def show(name: str) -> Image.Image:
        asked.append(name)
        if len(asked) == 2:
            raise OSError("the disk is gone")
        return Image.new("RGB", (20, 20), (int(name[:-4]), 0, 0))

    data = Filterable(Net(), loader(), show=show)
    data.keep(similars="20%")
    data.insights(tmp_path / "a.html")
    assert len(asked) == 4 and len(set(asked)) == 4
    assert f"no picture of '{asked[1]}': OSError: the disk is gone" in caplog.text
    assert (tmp_path / "a.html").read_text("utf-8").count("data:image/webp") >= 3


@pytest.mark.parametrize("empty", [np.zeros((0, 2, 2)), np.zeros(0), []])
def test_an_empty_batch_adds_nothing(empty: object):
    vectors = np.random.default_rng(1).normal(size=(6, 2, 2))
    names = list("abcdef")
    data = Filterable(lambda batch: batch, [(vectors, names), (empty, [])])
    assert data.metadata == names and data.pipeline.vectors.shape == (6, 4)
    with pytest.raises(BadInput, match="no batches"):
        Filterable(lambda batch: batch, [(empty, [])])


def test_features_that_do_not_fit_are_refused():
    with pytest.raises(BadInput, match=r"shape \(3, 2\) of a batch with 0 metadata"):
        Filterable(lambda batch: np.ones((3, 2)), [(None, [])])
    with pytest.raises(BadInput, match=r"shape \(3, 2\) of a batch with 2 metadata"):
        Filterable(lambda batch: np.ones((3, 2)), [(None, ["a", "b"])])
    with pytest.raises(BadInput, match="no batches"):
        Filterable(lambda batch: batch, [])
    wider = [(np.ones((2, 3)), "ab"), (np.ones((0, 9)), ""), (np.ones((1, 4)), "c")]
    with pytest.raises(BadInput, match=r"4 features of a sample, and made 3 in the first"):
        Filterable(lambda batch: batch, wider)


def test_it_shows_itself_in_one_line() -> None:
    vectors = np.random.default_rng(1).normal(size=(12, 4))
    data = Filterable(lambda batch: batch, [(vectors, list(range(12)))])
    assert repr(data) == "Filterable(12 samples)"
    data.keep(similars=2)
    assert repr(data) == "Filterable(12 samples; Curated(10 of 12 kept; 2 by similars))"
