"""All campaigns of a folder: made, found, prepared in the background, opened again."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from al_server import plugins
from al_server.answers import CampaignInfo
from al_server.campaigns import CampaignRegistry
from al_server.config import Settings
from al_server.errors import (
    AlreadyExists,
    BadInput,
    BadSource,
    DataFolderInUse,
    NotReady,
    OutsideRoots,
    UnknownCampaign,
    UnknownClass,
    UnknownPlugin,
)
from al_server.models import AnswerIn, CampaignSpec, Source
from tests.toys import ColorEmbedder, LetterEmbedder

WITHIN_S = 60
CLASSES = ["ash", "beech"]
Open = Callable[[], CampaignRegistry]


class GatedLetters(LetterEmbedder):
    """Letters that are embedded one by one, and only once the gate is open."""

    id = "toy:gated"
    batch_size = 1
    gate: ClassVar[threading.Event]
    entered: ClassVar[threading.Event]
    n_ever: ClassVar[int]

    def embed_batch(self, items: Sequence[Image.Image | str]) -> NDArray[np.float32]:
        type(self).entered.set()
        assert type(self).gate.wait(WITHIN_S)
        type(self).n_ever += len(items)
        return super().embed_batch(items)


@pytest.fixture
def open_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Start a server's registry on the same folder; close it to start another."""
    toys = {
        "letters": "tests.toys:LetterEmbedder",
        "colors": "tests.toys:ColorEmbedder",
        "gated": "tests.campaign.test_registry:GatedLetters",
    }
    known = {**plugins.BUILTIN[plugins.EMBEDDERS], **toys}
    monkeypatch.setattr(plugins, "BUILTIN", {**plugins.BUILTIN, plugins.EMBEDDERS: known})
    GatedLetters.gate, GatedLetters.entered = threading.Event(), threading.Event()
    GatedLetters.gate.set()
    GatedLetters.n_ever = 0
    opened: list[CampaignRegistry] = []

    def open_() -> CampaignRegistry:
        settings = Settings(data=tmp_path / "data", roots=(tmp_path,))
        opened.append(CampaignRegistry(settings))
        return opened[-1]

    yield open_
    for registry in opened:
        registry.close()


def texts(folder: Path, name: str = "texts.csv", n: int = 6) -> Source:
    words = [f"{number},{'a' * (number + 1)}{'b' * (n - number)},ash" for number in range(n)]
    (folder / name).write_text("\n".join(["id,text,label", *words]), "utf-8")
    return Source(kind="table", path=name, column="text", id_column="id", label_column="label")


def vectors(
    folder: Path, name: str, *, n_features: int = 3, labels: bool = False, **arrays: Any
) -> Source:
    rng = np.random.default_rng(0)
    arrays.setdefault("X", rng.normal(size=(8, n_features)).astype(np.float32))
    np.savez(folder / name, **arrays)
    return Source(kind="npz", path=name, labels=labels)


def spec(name: str, source: Source, **more: Any) -> CampaignSpec:
    return CampaignSpec(name=name, classes=CLASSES, source=source, **more)


def settled(registry: CampaignRegistry, name: str) -> CampaignInfo:
    give_up = time.monotonic() + WITHIN_S
    while (info := registry.info(name)).state == "preparing":
        assert time.monotonic() < give_up, info
        time.sleep(0.002)
    return info


def wait_for(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.002)


def test_a_campaign_is_prepared_labeled_and_found_again_after_a_restart(
    open_: Open, tmp_path: Path
) -> None:
    registry = open_()
    assert registry.infos() == []
    registry.create(spec("trees", texts(tmp_path), embedder="letters"))
    assert settled(registry, "trees").state == "ready"
    registry.campaign("trees").record_labels([AnswerIn(sample_id="3", label="ash")])
    before = registry.info("trees")
    assert (before.n_samples, before.n_labeled, before.progress) == (6, 1, 1.0)
    registry.close()
    again = open_()
    assert again.info("trees") == before
    wait_for(again.is_ready)
    assert [info.name for info in again.infos()] == ["trees"]


def test_a_name_is_taken_once(open_: Open, tmp_path: Path) -> None:
    registry = open_()
    asked = spec("trees", vectors(tmp_path, "v.npz"))
    registry.create(asked)
    with pytest.raises(AlreadyExists, match="'trees'"):
        registry.create(asked)
    registry.create(spec("Trees", vectors(tmp_path, "v.npz")))
    assert {info.name for info in registry.infos()} == {"trees", "Trees"}


def test_an_unknown_name_is_answered_with_those_there_are(open_: Open, tmp_path: Path) -> None:
    registry = open_()
    with pytest.raises(UnknownCampaign) as caught:
        registry.info("trees")
    assert "none yet" in caught.value.remedy
    registry.create(spec("trees", vectors(tmp_path, "v.npz")))
    for ask in (registry.info, registry.campaign):
        with pytest.raises(UnknownCampaign, match="'treees'") as caught:
            ask("treees")
        assert "did you mean 'trees'?" in caught.value.remedy


@pytest.mark.parametrize(
    ("more", "error", "says"),
    [
        ({"strategy": "margni"}, UnknownPlugin, "margni"),
        ({"embedder": "pixles"}, UnknownPlugin, "pixles"),
        ({"checkpoint": "v.npz"}, BadInput, "checkpoint"),
        ({"classes": ["a", "b", "a"]}, BadInput, "twice"),
        ({"source": Source(kind="npz", path="../../../../outside.npz")}, OutsideRoots, "outside"),
        ({"source": Source(kind="npz", path="/etc/passwd")}, OutsideRoots, "outside"),
        ({"holdout": "/etc"}, OutsideRoots, "outside"),
        ({"source": Source(kind="npz", path="nowhere.npz")}, BadSource, "nowhere.npz"),
    ],
)
def test_what_cannot_be_is_refused_at_once_and_leaves_the_name_free(
    open_: Open, tmp_path: Path, more: dict[str, Any], error: type[Exception], says: str
) -> None:
    registry = open_()
    good = spec("trees", vectors(tmp_path, "v.npz"))
    with pytest.raises(error, match=says):
        registry.create(good.model_copy(update=more))
    assert registry.infos() == []
    registry.create(good)
    assert settled(registry, "trees").state == "ready"


def test_a_preparation_that_failed_says_why_also_after_a_restart(
    open_: Open, tmp_path: Path
) -> None:
    registry = open_()
    (tmp_path / "broken.npz").write_bytes(b"no archive")
    registry.create(spec("trees", Source(kind="npz", path="broken.npz")))
    info = settled(registry, "trees")
    assert info.state == "failed"
    assert info.error is not None and "broken.npz" in info.error
    registry.close()
    again = open_()
    assert again.info("trees") == info
    with pytest.raises(NotReady, match=r"broken\.npz"):
        again.campaign("trees")
    wait_for(again.is_ready)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"holdout": "wide.npz"}, "5 numbers each, the pool's have 3"),
        ({"holdout": "texts.csv"}, "holds texts, the pool vectors"),
        ({"holdout": "unlabeled.npz"}, "unlabeled.npz"),
        ({"holdout": "oaks.npz"}, "'oak'"),
        ({"embedder": "letters"}, "nothing to embed"),
    ],
)
def test_what_does_not_fit_the_pool_fails_with_the_reason(
    open_: Open, tmp_path: Path, more: dict[str, Any], says: str
) -> None:
    labels: dict[str, Any] = {"y": np.zeros(8, np.int64), "classes": np.array(CLASSES)}
    vectors(tmp_path, "wide.npz", n_features=5, **labels)
    vectors(tmp_path, "unlabeled.npz")
    vectors(tmp_path, "oaks.npz", y=np.zeros(8, np.int64), classes=np.array(["oak"]))
    texts(tmp_path)
    registry = open_()
    registry.create(spec("trees", vectors(tmp_path, "v.npz"), **more))
    info = settled(registry, "trees")
    assert info.state == "failed"
    assert info.error is not None and says in info.error


@pytest.mark.parametrize("labels", [False, True])
def test_known_labels_are_taken_over_only_when_the_source_says_so(
    open_: Open, tmp_path: Path, labels: bool
) -> None:
    registry = open_()
    y = np.array([0, 1, -1, 0, -1, -1, -1, 1])
    source = vectors(tmp_path, "v.npz", labels=labels, y=y, classes=np.array(CLASSES))
    registry.create(spec("trees", source, budget=1))
    info = settled(registry, "trees")
    assert (info.n_labeled, info.n_answers) == ((4, 0) if labels else (0, 0))
    assert len(registry.campaign("trees").next_batch(annotator="ann", n=9).samples) == 1


def test_known_labels_outside_the_classes_are_said_before_the_long_work(
    open_: Open, tmp_path: Path
) -> None:
    registry = open_()
    source = texts(tmp_path).model_copy(update={"labels": True})
    registry.create(spec("trees", source, embedder="gated").model_copy(update={"classes": ["oak"]}))
    info = settled(registry, "trees")
    assert info.state == "failed"
    assert info.error is not None and "no class 'ash'" in info.error
    assert GatedLetters.n_ever == 0


def test_what_cannot_be_read_is_listed_with_its_reason_and_the_rest_goes_on(
    open_: Open, tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    (folder / "ü b").mkdir(parents=True)
    for name, color in (("red.png", "red"), ("ü b/blue.png", "blue"), ("green.png", "lime")):
        Image.new("RGB", (8, 8), color).save(folder / name)
    (folder / "broken.png").write_bytes(b"\x89PNG no picture")
    (folder / "empty.jpg").write_bytes(b"")
    registry = open_()
    registry.create(spec("colors", Source(kind="images", path="images"), embedder="colors"))
    info = settled(registry, "colors")
    assert info.state == "ready" and info.n_samples == 3
    assert {failure.sample for failure in info.failures} == {"broken.png", "empty.jpg"}
    assert all(failure.reason for failure in info.failures)
    (batch,) = registry.campaign("colors").next_batch(annotator="ann").samples
    assert batch.uri is not None
    media = registry.campaign("colors").media("ü b/blue.png")
    assert media.path == folder / "ü b" / "blue.png"
    registry.close()
    assert open_().info("colors").failures == info.failures


def test_nothing_but_broken_samples_is_a_failure(open_: Open, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "broken.png").write_bytes(b"no picture")
    registry = open_()
    registry.create(spec("colors", Source(kind="images", path="images"), embedder="colors"))
    info = settled(registry, "colors")
    assert info.state == "failed"
    assert info.error is not None and "broken.png" in info.error


def test_an_embedder_for_something_else_is_named(open_: Open, tmp_path: Path) -> None:
    registry = open_()
    registry.create(spec("trees", texts(tmp_path), embedder="colors"))
    info = settled(registry, "trees")
    assert info.error is not None
    assert "'colors' embeds images, the samples are texts" in info.error
    assert ColorEmbedder.content == "image"


def test_a_preparation_that_was_stopped_goes_on_at_the_next_start(
    open_: Open, tmp_path: Path
) -> None:
    registry = open_()
    GatedLetters.gate.clear()
    registry.create(spec("trees", texts(tmp_path, n=30), embedder="gated"))
    # a file of its own: the first is being read meanwhile
    registry.create(spec("waiting", texts(tmp_path, "same.csv", n=30), embedder="gated"))
    assert GatedLetters.entered.wait(WITHIN_S)
    with pytest.raises(NotReady, match="still preparing: embedding 30 samples"):
        registry.campaign("trees")
    closing = threading.Thread(target=registry.close)
    closing.start()
    wait_for(registry._stopping.is_set)
    GatedLetters.gate.set()
    closing.join(WITHIN_S)
    assert not closing.is_alive()
    n_before = GatedLetters.n_ever
    assert n_before < 30, "closing does not wait for the whole work"
    again = open_()
    for name in ("trees", "waiting"):
        info = settled(again, name)
        assert (info.state, info.n_samples) == ("ready", 30)
    assert GatedLetters.n_ever == 30, "what was embedded is not embedded again"


def test_samples_join_a_running_campaign(open_: Open, tmp_path: Path) -> None:
    registry = open_()
    registry.create(spec("trees", texts(tmp_path), embedder="letters"))
    settled(registry, "trees")
    campaign = registry.campaign("trees")
    campaign.record_labels([AnswerIn(sample_id="3", label="ash")])
    campaign.take_in(texts(tmp_path, "more.csv", n=9)).result(WITHIN_S)
    info = registry.info("trees")
    assert (info.n_samples, info.n_labeled) == (9, 1)
    assert info.message == "3 samples added, 6 were there already"
    registry.close()
    again = open_().campaign("trees")
    assert again.sample("8").text == "a" * 9 + "b"
    assert again.info().n_samples == 9


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (Source(kind="npz", path="wide.npz"), "the campaign's samples are texts"),
        (Source(kind="table", path="empty.csv", column="text"), "empty.csv"),
    ],
)
def test_samples_that_do_not_fit_leave_a_running_campaign_as_it_was(
    open_: Open, tmp_path: Path, source: Source, says: str
) -> None:
    vectors(tmp_path, "wide.npz", n_features=5)
    (tmp_path / "empty.csv").write_text("text\n")
    registry = open_()
    registry.create(spec("trees", texts(tmp_path), embedder="letters"))
    settled(registry, "trees")
    campaign = registry.campaign("trees")
    campaign.take_in(source).result(WITHIN_S)
    info = registry.info("trees")
    assert (info.state, info.n_samples) == ("ready", 6)
    assert info.error is not None
    assert info.error.startswith("no samples were added: ") and says in info.error
    assert campaign.next_batch(annotator="ann").samples
    with pytest.raises(OutsideRoots):
        campaign.add_samples(Source(kind="images", path="/etc"))


def test_vectors_of_another_width_cannot_join(open_: Open, tmp_path: Path) -> None:
    registry = open_()
    registry.create(spec("trees", vectors(tmp_path, "v.npz")))
    settled(registry, "trees")
    campaign = registry.campaign("trees")
    campaign.take_in(vectors(tmp_path, "wide.npz", n_features=5)).result(WITHIN_S)
    assert "5 numbers each, the pool's have 3" in (registry.info("trees").error or "")


def test_answers_in_unknown_classes_are_refused(open_: Open, tmp_path: Path) -> None:
    registry = open_()
    registry.create(spec("trees", vectors(tmp_path, "v.npz")))
    settled(registry, "trees")
    with pytest.raises(UnknownClass, match="'oak'"):
        registry.campaign("trees").record_labels([AnswerIn(sample_id="0", label="oak")])


def test_two_servers_cannot_work_on_one_folder(open_: Open) -> None:
    registry = open_()
    with pytest.raises(DataFolderInUse, match="process"):
        open_()
    registry.close()
    open_()


def test_a_campaign_whose_files_are_lost_does_not_keep_the_others_closed(
    open_: Open, tmp_path: Path
) -> None:
    registry = open_()
    for name in ("lost", "sound"):
        registry.create(spec(name, vectors(tmp_path, "v.npz")))
        assert settled(registry, name).state == "ready"
    registry.close()
    (tmp_path / "data" / "campaigns" / "1" / "embeddings.f32").unlink()
    again = open_()
    wait_for(again.is_ready)
    assert [info.state for info in again.infos()] == ["failed", "ready"]
    assert "embeddings.f32" in (again.info("lost").error or "")
    with pytest.raises(NotReady, match="lost"):
        again.campaign("lost")
    again.campaign("sound").record_labels([AnswerIn(sample_id="0", label="ash")])


def test_the_name_of_a_failed_campaign_is_free_again(open_: Open, tmp_path: Path) -> None:
    registry = open_()
    (tmp_path / "empty.csv").write_text("text\n")
    registry.create(spec("trees", Source(kind="table", path="empty.csv", column="text")))
    assert settled(registry, "trees").state == "failed"
    registry.create(spec("trees", texts(tmp_path), embedder="letters"))
    assert settled(registry, "trees").state == "ready"
    registry.close()
    again = open_()
    assert [(info.name, info.state) for info in again.infos()] == [("trees", "ready")]


def test_an_addition_that_was_stopped_is_taken_up_at_the_next_start(
    open_: Open, tmp_path: Path
) -> None:
    registry = open_()
    registry.create(spec("trees", texts(tmp_path), embedder="gated"))
    settled(registry, "trees")
    GatedLetters.gate.clear()
    GatedLetters.entered.clear()
    registry.campaign("trees").add_samples(texts(tmp_path, "more.csv", n=9))
    assert GatedLetters.entered.wait(WITHIN_S)
    assert registry.info("trees").adding is not None
    closing = threading.Thread(target=registry.close)
    closing.start()
    wait_for(lambda: not closing.is_alive() or registry._stopping.is_set())
    GatedLetters.gate.set()
    closing.join(WITHIN_S)
    again = open_()
    wait_for(lambda: again.info("trees").n_samples == 9)
    wait_for(lambda: again.info("trees").adding is None)
    again.close()
    assert open_().info("trees").adding is None, "what is in is not taken in again"


def test_a_lost_holdout_is_said_and_not_passed_over(open_: Open, tmp_path: Path) -> None:
    registry = open_()
    held_out = vectors(tmp_path, "held.npz", y=np.arange(8) % 2, classes=np.array(CLASSES))
    registry.create(spec("trees", vectors(tmp_path, "v.npz"), holdout=held_out.path))
    assert settled(registry, "trees").state == "ready"
    registry.close()
    (tmp_path / "data" / "campaigns" / "1" / "holdout.npz").unlink()
    info = open_().info("trees")
    assert info.state == "failed" and "holdout.npz" in (info.error or "")


def test_a_campaign_whose_thread_has_stopped_says_so(
    open_: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = open_()
    registry.create(spec("trees", vectors(tmp_path, "v.npz")))
    settled(registry, "trees")
    campaign = registry.campaign("trees")

    def fail(*_: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(campaign.loop.pool, "set_sample", fail)
    campaign.record_labels([AnswerIn(sample_id="0", label="ash")])
    wait_for(lambda: registry.info("trees").state == "failed")
    assert "no room" in (registry.info("trees").error or "")
    assert not registry.is_ready()
