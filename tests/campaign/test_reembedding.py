"""Other vectors for a running campaign: compared before they are taken, and nothing is lost."""

import os
import signal
import subprocess
import sys
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
from al_server.answers import Gain, ReembedInfo, VectorsCompared
from al_server.campaign import intake, reembedding
from al_server.campaign.campaign import Campaign
from al_server.campaign.reembedding_desk import told
from al_server.campaigns import CampaignRegistry
from al_server.config import Settings
from al_server.errors import BadInput, Busy, NotFound, UnknownPlugin
from al_server.models import AnswerIn, CampaignSpec, PredictIn, ReembedIn, Source
from tests.toys import LetterEmbedder, unit_rows

WITHIN_S = 120
CLASSES = ["ash", "beech"]
N_TEXTS, N_LABELED = 40, 30
Open = Callable[[], CampaignRegistry]


class LastLetter(LetterEmbedder):
    """The last letter of a text, x or y, as a direction: all that its class is."""

    id = "toy:last"
    n_features = 2
    batch_size = 8
    gate: ClassVar[threading.Event]
    entered: ClassVar[threading.Event]

    def embed_batch(self, items: Sequence[Image.Image | str]) -> NDArray[np.float32]:
        type(self).entered.set()
        assert type(self).gate.wait(WITHIN_S)
        ends = [[str(text)[-1] == letter for letter in "xy"] for text in items]
        return unit_rows(np.array(ends, dtype=np.float64))


class Killer(LetterEmbedder):
    """Ends the process after its first batch, as kill -9 does."""

    id = "toy:killer"
    batch_size = 8

    def embed_batch(self, items: Sequence[Image.Image | str]) -> NDArray[np.float32]:
        if self.n_embedded:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().embed_batch(items)


def add_toys(monkeypatch: pytest.MonkeyPatch) -> None:
    here = "tests.campaign.test_reembedding"
    toys = {
        "letters": "tests.toys:LetterEmbedder",
        "last": f"{here}:LastLetter",
        "killer": f"{here}:Killer",
    }
    known = {**plugins.BUILTIN[plugins.EMBEDDERS], **toys}
    monkeypatch.setattr(plugins, "BUILTIN", {**plugins.BUILTIN, plugins.EMBEDDERS: known})
    LastLetter.gate, LastLetter.entered = threading.Event(), threading.Event()
    LastLetter.gate.set()


@pytest.fixture
def open_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    add_toys(monkeypatch)
    opened: list[CampaignRegistry] = []

    def open_() -> CampaignRegistry:
        opened.append(CampaignRegistry(Settings(data=tmp_path / "data", roots=(tmp_path,))))
        return opened[-1]

    yield open_
    for registry in opened:
        registry.close()


def texts(folder: Path, name: str = "texts.csv", first: int = 0, n: int = N_TEXTS) -> Source:
    """Random letters, and at the end what tells the class: x is ash, y is beech."""
    rng = np.random.default_rng(first)
    rows = [f"{at},{''.join(rng.choice(list('abc'), 9))}{'xy'[at % 2]}" for at in range(first, first + n)]  # fmt: skip # noqa: E501
    (folder / name).write_text("\n".join(["id,text", *rows]), "utf-8")
    return Source(kind="table", path=name, column="text", id_column="id")


def vectors(folder: Path, name: str = "v.npz", *, first: int = 0, n: int = 30) -> Source:
    rows = np.random.default_rng(first).normal(size=(n, 6)).astype(np.float32)
    np.savez(folder / name, X=rows, ids=np.arange(first, first + n).astype(str))
    return Source(kind="npz", path=name)


def wait_for(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.002)


def make(registry: CampaignRegistry, source: Source, **more: Any) -> Campaign:
    asked = CampaignSpec(name="trees", classes=CLASSES, source=source, **more)
    registry.create(asked)
    wait_for(lambda: registry.info("trees").state != "preparing")
    assert registry.info("trees").error is None
    return registry.campaign("trees")


def label(campaign: Campaign, numbers: Sequence[int], *, by: str = "ann") -> None:
    campaign.record_labels(
        [AnswerIn(sample_id=str(at), label=CLASSES[at % 2], annotator=by) for at in numbers]
    )


def reembed(registry: CampaignRegistry, **asked: Any) -> ReembedInfo:
    registry.reembeddings.start(registry.campaign("trees"), ReembedIn(**asked))
    wait_for(lambda: registry.reembeddings.info("trees").state != "running")
    return registry.reembeddings.info("trees")


def kept(campaign: Campaign) -> dict[str, Any]:
    """All that people did."""
    info = campaign.info()
    return {
        "answers": list(campaign.answer_rows()),
        "held": campaign.held("bob"),
        "counts": (info.n_samples, info.n_labeled, info.n_pending, info.n_skipped, info.n_answers),
    }


def seen(campaign: Campaign) -> list[Any]:
    """All that depends on vectors and labels."""
    ids = campaign.sample_ids()
    near = [campaign.similar(one, k=3) for one in ids[:5]]
    return [campaign.believed(ids), near, campaign.progress().curve]


def vectors_in(campaign: Campaign) -> NDArray[np.float32]:
    return campaign.on_writer(lambda: campaign.loop.pool.embeddings.copy())


def folders(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "data" / "campaigns" / "1").glob("vectors-*"))


def test_better_vectors_are_taken_and_all_that_people_did_stays(open_: Open, tmp_path: Path):
    registry = open_()
    campaign = make(registry, texts(tmp_path), embedder="letters")
    label(campaign, range(N_LABELED))
    campaign.record_labels([AnswerIn(sample_id="35", label=None, annotator="eve")])
    campaign.next_batch(annotator="bob", n=3)
    before = kept(campaign)
    assert len(before["held"]) == 3 and before["counts"][3] == 1
    info = reembed(registry, embedder="last", switch="if_better")
    assert (info.state, info.switched, info.error) == ("done", True, None)
    assert info.compared is not None and info.compared.verdict == "better"
    assert (info.compared.n, info.compared.new) == (N_LABELED, 1.0)
    assert info.compared.old < 0.8 and info.compared.gain.low > 0
    assert registry.campaign("trees") is campaign
    assert kept(campaign) == before
    shown = registry.info("trees")
    assert (shown.embedder, shown.n_features, shown.state) == ("last", 2, "ready")
    assert campaign.believed(["38", "39"])[0].label == "ash"  # type: ignore[union-attr]
    label(campaign, [36])
    campaign.next_batch(annotator="bob", n=4)
    after = kept(campaign), seen(campaign)
    registry.close()
    again = open_().campaign("trees")
    assert (kept(again), seen(again)) == after, "a replay ends where the run did"


def test_worse_vectors_are_told_and_not_taken(open_: Open, tmp_path: Path):
    registry = open_()
    campaign = make(registry, texts(tmp_path), embedder="last")
    label(campaign, range(N_LABELED))
    before = kept(campaign), seen(campaign), vectors_in(campaign).tobytes()
    for switch in ("if_better", "never"):
        info = reembed(registry, embedder="letters", switch=switch)
        assert (info.state, info.switched) == ("done", False)
        assert info.compared is not None and info.compared.verdict == "worse"
        assert "nothing was changed" in info.message
    assert (kept(campaign), seen(campaign), vectors_in(campaign).tobytes()) == before
    assert folders(tmp_path) == []
    info = reembed(registry, embedder="letters", switch="always")
    assert info.switched and registry.info("trees").n_features == 3


def test_vectors_that_cannot_be_made_again_are_refused_at_once_or_given_up(
    open_: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    registry = open_()
    campaign = make(registry, texts(tmp_path), embedder="letters")
    label(campaign, range(N_LABELED))

    def lost(*_: object) -> None:
        raise BadInput("the weights are gone", "restore them")

    monkeypatch.setattr(reembedding, "_without_metric", lost)
    info = reembed(registry, embedder="last", switch="if_better")
    assert (info.state, info.error) == ("failed", "the weights are gone; restore them")
    assert not LastLetter.entered.is_set(), "before the long work"
    info = reembed(registry, embedder="last", switch="always")
    assert info.switched and info.message.startswith("not compared: ")
    assert registry.info("trees").embedder == "last"


@pytest.mark.parametrize(("said", "reduce"), [(None, "pca:64"), ("none", None)])
def test_wide_vectors_of_another_embedder_are_reduced_as_in_a_new_campaign(
    open_: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str | None, reduce: str
):
    registry = open_()
    make(registry, texts(tmp_path), embedder="letters", reduce=said)
    monkeypatch.setattr(intake, "WIDE", 1)
    monkeypatch.setattr(intake, "ENOUGH", 10)
    assert reembed(registry, embedder="last", switch="always").switched
    assert registry.info("trees").reduce == reduce
    assert reembed(registry, reduce="none", switch="always").switched
    assert registry.info("trees").reduce is None


def test_labels_that_come_while_it_embeds_are_kept_and_count(open_: Open, tmp_path: Path):
    registry = open_()
    campaign = make(registry, texts(tmp_path), embedder="letters")
    label(campaign, range(10))
    LastLetter.gate.clear()
    LastLetter.entered.clear()
    asked = ReembedIn(embedder="last", switch="always")
    assert registry.reembeddings.start(campaign, asked).state == "running"
    assert LastLetter.entered.wait(WITHIN_S)
    with pytest.raises(Busy, match="already"):
        registry.reembeddings.start(campaign, asked)
    label(campaign, range(10, 20), by="bob")
    campaign.undo("3", annotator="ann")
    assert registry.info("trees").n_labeled == 19
    LastLetter.gate.set()
    wait_for(lambda: registry.reembeddings.info("trees").state == "done")
    assert registry.info("trees").n_labeled == 19
    assert registry.info("trees").embedder == "last"
    compared = registry.reembeddings.info("trees").compared
    assert compared is not None and compared.n == 19


def test_samples_added_while_it_embeds_join_the_new_vectors(open_: Open, tmp_path: Path):
    registry = open_()
    campaign = make(registry, texts(tmp_path), embedder="letters")
    LastLetter.gate.clear()
    registry.reembeddings.start(campaign, ReembedIn(embedder="last", switch="always"))
    added = campaign.take_in(texts(tmp_path, "more.csv", first=N_TEXTS, n=6))
    LastLetter.gate.set()
    added.result(WITHIN_S)
    assert registry.info("trees").n_samples == N_TEXTS + 6
    rows = vectors_in(campaign)
    assert rows.shape == (N_TEXTS + 6, 2)
    np.testing.assert_array_equal(rows[:, 0] == 1, np.arange(N_TEXTS + 6) % 2 == 0)


def test_one_that_is_stopped_leaves_the_campaign_as_it_was(open_: Open, tmp_path: Path):
    registry = open_()
    campaign = make(registry, texts(tmp_path), embedder="letters")
    before = vectors_in(campaign).tobytes()
    with pytest.raises(NotFound):
        registry.reembeddings.stop("trees")
    LastLetter.gate.clear()
    LastLetter.entered.clear()
    registry.reembeddings.start(campaign, ReembedIn(embedder="last", switch="always"))
    assert LastLetter.entered.wait(WITHIN_S)
    registry.reembeddings.stop("trees")
    LastLetter.gate.set()
    wait_for(lambda: registry.reembeddings.info("trees").state == "failed")
    assert "as it was" in (registry.reembeddings.info("trees").error or "")
    assert vectors_in(campaign).tobytes() == before
    assert folders(tmp_path) == []


def test_a_sample_without_such_a_vector_is_named_and_nothing_changes(open_: Open, tmp_path: Path):
    source = texts(tmp_path)
    with (tmp_path / source.path).open("a") as file:
        file.write("\n77,abcz")
    registry = open_()
    campaign = make(registry, source, embedder="letters")
    info = reembed(registry, embedder="last", switch="always")
    assert info.state == "failed" and "77" in (info.error or "")
    assert campaign.info().embedder == "letters" and folders(tmp_path) == []


def test_ready_vectors_are_reduced_and_come_back_as_they_were(open_: Open, tmp_path: Path):
    registry = open_()
    campaign = make(registry, vectors(tmp_path))
    first = vectors_in(campaign)
    info = reembed(registry, reduce="svd:3", switch="always")
    assert info.switched, info
    assert registry.info("trees").reduce == "svd:3"
    assert vectors_in(campaign).shape == (30, 3)
    campaign.take_in(vectors(tmp_path, "more.npz", first=30, n=5)).result(WITHIN_S)
    assert registry.info("trees").error is None
    reduced = vectors_in(campaign)
    assert reduced.shape == (35, 3)
    registry.close()
    registry = open_()
    campaign = registry.campaign("trees")
    assert np.array_equal(vectors_in(campaign), reduced)
    assert reembed(registry, reduce="none", switch="always").switched
    back = vectors_in(registry.campaign("trees"))
    assert back.shape == (35, 6) and np.array_equal(back[:30], first)
    assert folders(tmp_path) == ["vectors-2"]


@pytest.mark.parametrize("kind", ["vector", "text"])
def test_a_campaign_may_begin_with_reduced_vectors(open_: Open, tmp_path: Path, kind: str):
    registry = open_()
    held_out = tmp_path / "held.npz"
    rows = np.random.default_rng(9).normal(size=(8, 6)).astype(np.float32)
    np.savez(held_out, X=rows, y=np.arange(8) % 2, classes=np.array(CLASSES))
    if kind == "vector":
        campaign = make(registry, vectors(tmp_path), reduce="pca:2", holdout="held.npz")
        more, n_before = vectors(tmp_path, "more.npz", first=30, n=4), 30
    else:
        campaign = make(registry, texts(tmp_path), embedder="letters", reduce="svd:2")
        more, n_before = texts(tmp_path, "more.csv", first=N_TEXTS, n=4), N_TEXTS
    info = registry.info("trees")
    assert (info.n_features, info.reduce) == (2, f"{'pca' if kind == 'vector' else 'svd'}:2")
    label(campaign, [0, 1])
    if kind == "vector":
        wait_for(lambda: registry.info("trees").holdout_accuracy is not None)
    campaign.take_in(more).result(WITHIN_S)
    assert registry.info("trees").error is None
    rows = vectors_in(campaign)
    assert rows.shape == (n_before + 4, 2)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    registry.close()
    assert np.array_equal(vectors_in(open_().campaign("trees")), rows)


def test_a_vector_from_outside_goes_the_way_of_the_pool(open_: Open, tmp_path: Path):
    campaign = make(open_(), vectors(tmp_path), reduce="pca:3", classifier="knn")
    label(campaign, range(20))
    with np.load(tmp_path / "v.npz") as arrays:
        given, name = arrays["X"][25], str(arrays["ids"][25])
    assert len(given) > 3
    (inside,) = campaign.predict(PredictIn(sample_ids=[name])).predictions
    (outside,) = campaign.predict(PredictIn(embeddings=[given.tolist()])).predictions
    assert outside.probabilities == pytest.approx(inside.probabilities, abs=1e-5)
    with pytest.raises(BadInput, match="has 3 numbers"):
        campaign.predict(PredictIn(embeddings=[[1.0, 2.0, 3.0]]))


def test_a_metric_is_learned_from_the_labels_and_told(open_: Open, tmp_path: Path):
    rng = np.random.default_rng(0)
    classes = np.arange(90) % 2
    rows = np.hstack([3 * rng.normal(size=(90, 6)), np.eye(2)[classes]]).astype(np.float32)
    np.savez(tmp_path / "v.npz", X=rows)
    registry = open_()
    campaign = make(registry, Source(kind="npz", path="v.npz"))
    label(campaign, range(80))
    info = reembed(registry, learn_metric=True, switch="if_better")
    assert info.switched, info
    assert info.metric is not None and info.metric.endswith("taken")
    assert registry.info("trees").metric in ("whitened", "discriminant")
    again = reembed(registry, learn_metric=True, switch="never")
    assert again.compared is not None and again.compared.verdict != "worse"
    assert again.compared.old == pytest.approx(again.compared.new, abs=0.03)
    reembed(registry, reduce="svd:8", switch="always")  # what is left out stays: learned anew
    assert registry.info("trees").metric in ("whitened", "discriminant")
    np.savez(tmp_path / "more.npz", X=rows[:3], ids=np.array(["x", "y", "z"]))
    campaign.take_in(Source(kind="npz", path="more.npz")).result(WITHIN_S)
    mapped = vectors_in(campaign)
    np.testing.assert_allclose(mapped[90:], mapped[:3], atol=1e-5)


@pytest.mark.parametrize(
    ("task", "asked", "error", "says"),
    [
        ("single", {}, BadInput, "nothing is to change"),
        ("single", {"embedder": "letters"}, BadInput, "are vectors"),
        ("single", {"checkpoint": "x.pth", "reduce": "pca:2"}, BadInput, "a checkpoint alone"),
        ("single", {"reduce": "pac:2"}, BadInput, "pac"),
        ("multi", {"learn_metric": True}, BadInput, "one label a sample"),
    ],
)
def test_what_cannot_be_is_refused_at_once(
    open_: Open, tmp_path: Path, task: str, asked: dict[str, Any], error: type[Exception], says: str
):
    registry = open_()
    campaign = make(registry, vectors(tmp_path), task=task)
    with pytest.raises(error, match=says):
        registry.reembeddings.start(campaign, ReembedIn(**asked))
    with pytest.raises(NotFound):
        registry.reembeddings.info("trees")


def test_unknown_names_are_refused_at_once(open_: Open, tmp_path: Path):
    registry = open_()
    with pytest.raises(BadInput, match="pac"):
        make(registry, vectors(tmp_path), reduce="pac:2")
    campaign = make(registry, texts(tmp_path), embedder="letters")
    with pytest.raises(UnknownPlugin, match="lasst"):
        registry.reembeddings.start(campaign, ReembedIn(embedder="lasst"))


def work_until_killed(folder: Path, where: str) -> None:
    """Make a campaign, label it, re-embed it; the process does not come back from here."""
    monkeypatch = pytest.MonkeyPatch()
    add_toys(monkeypatch)
    registry = CampaignRegistry(Settings(data=folder / "data", roots=(folder,)))
    campaign = make(registry, texts(folder), embedder="letters")
    label(campaign, range(N_LABELED))
    if where == "switching":

        def die(*_: object, **__: object) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

        # the log and the arrays stand ready, the transaction is about to begin
        monkeypatch.setattr(campaign.loop._log, "append", die)
    embedder = "killer" if where == "embedding" else "last"
    reembed(registry, embedder=embedder, switch="always")


@pytest.mark.slow
@pytest.mark.parametrize("where", ["embedding", "switching"])
def test_a_server_that_is_killed_meanwhile_has_lost_nothing(
    open_: Open, tmp_path: Path, where: str
):
    code = f"""
from pathlib import Path
from tests.campaign.test_reembedding import work_until_killed
work_until_killed(Path({str(tmp_path)!r}), {where!r})
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2])
    assert done.returncode == -signal.SIGKILL
    assert folders(tmp_path) == ["vectors-1"], "it was killed on the way"
    registry = open_()
    wait_for(registry.is_ready)
    campaign = registry.campaign("trees")
    info = campaign.info()
    assert (info.embedder, info.n_labeled, info.n_features) == ("letters", N_LABELED, 3)
    assert {row.sample_id for row in campaign.answer_rows()} == {str(n) for n in range(N_LABELED)}
    assert reembed(registry, embedder="last", switch="if_better").switched
    assert campaign.info().n_labeled == N_LABELED
    assert folders(tmp_path) == ["vectors-1"]


@pytest.mark.parametrize(("p_value", "shown"), [(1e-9, "p < 0.001"), (0.0123, "p = 0.012")])
def test_no_chance_is_told_as_none_at_all(p_value: float, shown: str):
    gain = Gain(mean=0.2, low=0.1, high=0.3)
    found = VectorsCompared(n=9, old=0.5, new=0.7, gain=gain, p_value=p_value, verdict="better")
    info = ReembedInfo(state="done", asked=ReembedIn(), progress=1, message="", compared=found)
    assert f"sign test {shown}): better" in told(info)
