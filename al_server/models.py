"""The nouns that come in: requests are validated by these models.

Answers are written from those in `al_server.answers`; /openapi.json is generated from both.
"""

from typing import Annotated, Any, Literal, Self
from unicodedata import category

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError


def _legible(name: str) -> str:
    """Refuse names that people cannot see, or that break the lines of a table or a log."""
    if not name.strip():
        raise PydanticCustomError("blank", "Name should have a visible character")
    if any(category(character) in ("Cc", "Zl", "Zp") for character in name):
        raise PydanticCustomError("control", "Name should have no control characters")
    return name


Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
ClassName = Annotated[
    str, StringConstraints(min_length=1, max_length=200), AfterValidator(_legible)
]
SampleId = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Annotator = Annotated[
    str, StringConstraints(min_length=1, max_length=200), AfterValidator(_legible)
]
# not `ClassName`: a label that is no class is answered with the classes there are
_LabelName = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Label = _LabelName | list[_LabelName]
"""A class name; in multi-label campaigns the list of names, which may be empty."""


class Model(BaseModel):
    """Frozen; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# what only one kind of source has
_OPTIONS_OF_KIND = {
    "videos": {"every", "frames", "scenes"},
    "objects": {"boxes", "annotations", "margin"},
}


class Source(Model):
    """Where samples come from.

    `images`: a folder, searched recursively. `videos`: a video or a folder of them, whose frames
    become samples. `objects`: a folder of images, whose marked boxes become samples. `table`: a
    CSV, JSONL or Parquet file with a column of texts, image paths, URLs or vectors. `npz`, `npy`:
    ready embeddings.
    """

    kind: Literal["images", "videos", "objects", "table", "npz", "npy"]
    path: str = Field(min_length=1, max_length=4096, description="file or folder under a root")
    labels: bool = Field(
        False,
        description="take known labels over: `y` of an .npz, the label column of a table, "
        "the parent folder's name of an image or video, the class of a box",
    )
    column: str | None = Field(None, description="table: the column that holds the sample")
    content: Literal["text", "image", "url", "vector"] | None = Field(
        None, description="table: what the column holds; left out: told by its name and most values"
    )
    id_column: str | None = None
    label_column: str | None = None
    every: float | None = Field(
        None,
        ge=0.001,
        le=86_400,
        description="videos: seconds from one frame to the next; left out: 2",
    )
    frames: int | None = Field(
        None, ge=1, le=10_000, description="videos: so many frames of each, evenly"
    )
    scenes: bool = Field(False, description="videos: the first frame of each scene")
    boxes: Literal["voc", "coco", "yolo", "label-studio"] | None = Field(
        None, description="objects: the format of the annotations"
    )
    annotations: str | None = Field(
        None,
        min_length=1,
        max_length=4096,
        description="objects: file (coco, label-studio) or folder (voc, yolo) of the boxes under "
        "a root; left out: the folder of the images",
    )
    only: str | None = Field(
        None,
        min_length=1,
        max_length=4096,
        description="a text file under a root with one sample_id a line: the other samples are "
        "left out",
    )
    margin: float | None = Field(
        None,
        ge=0,
        le=10,
        description="objects: what is cut out around a box, as a share of its longer side; left "
        "out: 0.1",
    )

    @model_validator(mode="after")
    def _options_fit_kind(self) -> Self:
        values = {name: getattr(self, name) for name in self.model_fields_set}
        given = {name for name, one in values.items() if one is not None and one is not False}
        for kind, names in _OPTIONS_OF_KIND.items():
            unfit = sorted(given & names)
            if unfit and self.kind != kind:
                raise PydanticCustomError("kind", f"{unfit[0]} is for kind {kind}")
        if len(given & _OPTIONS_OF_KIND["videos"]) > 1:
            raise PydanticCustomError("frames", "give one of every, frames and scenes")
        if self.kind == "objects" and self.boxes is None:
            raise PydanticCustomError(
                "boxes", "kind objects needs boxes: voc, coco, yolo or label-studio"
            )
        if self.boxes in ("coco", "label-studio") and self.annotations is None:
            raise PydanticCustomError("annotations", "name the file of the boxes as annotations")
        return self


class CampaignSpec(Model):
    """A campaign to be made."""

    name: Name
    classes: list[ClassName] = Field(min_length=1, max_length=10_000)
    source: Source
    task: Literal["single", "multi"] = "single"
    embedder: str | None = Field(
        None,
        max_length=200,
        description="`pixels`, `tfidf`, `timm:NAME`, `layer:...`, `text`, `ssl:FOLDER`; left out: "
        "the best that works on this machine without a download",
    )
    checkpoint: str | None = Field(None, description="local weights for the embedder")
    reduce: str | None = Field(
        None,
        max_length=40,
        description="fewer dimensions: `pca:64`, `svd:64`, `pca_whiten:64`, `random:64`, "
        "`umap:16`, or `none`; fitted to the first samples, the same for all that come later; "
        "left out: `pca:64` where an embedder gives more than 128 numbers for 1,280 samples or "
        "more",
    )
    classifier: Literal["knn", "propagated"] = Field(
        "propagated",
        description="`propagated`: labels spread through the graph of the pool, one label a "
        "sample; `knn`: votes of the nearest labeled samples, the default for task multi",
    )
    k: int = Field(10, ge=1, le=100, description="neighbours that vote")
    strategy: str = Field(
        "default",
        max_length=4096,
        description="a name, with settings as in `in_class?uncertainty=entropy`; strategies "
        "inside of others as in `threshold?by=product?margin=2%26density=1&keep=0.1`",
    )
    budget: int | None = Field(None, ge=0, description="answers we can pay for; null: no limit")
    holdout: str | None = Field(None, max_length=4096, description="labeled samples to measure on")
    overlap: int = Field(1, ge=1, le=100, description="answers wanted for each sample")
    lease_s: float = Field(600.0, gt=0, le=7 * 24 * 3600)
    random_share: float = Field(
        0.1,
        ge=0,
        le=1,
        description="share of the picks that are drawn at random: they measure the campaign, and "
        "compare it with random sampling; 0: none",
    )
    seed: int = Field(0, ge=0, lt=2**63)

    @model_validator(mode="before")
    @classmethod
    def _choose_classifier(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("task") == "multi":
            return {"classifier": "knn"} | given
        return given

    @model_validator(mode="after")
    def _classifier_fits_task(self) -> Self:
        if self.task == "multi" and self.classifier == "propagated":
            raise PydanticCustomError(
                "task", "classifier propagated needs one label a sample; take knn for task multi"
            )
        return self


class AnswerIn(Model):
    """One annotator's answer about one sample; a label of null is a skip."""

    sample_id: SampleId
    label: Label | None
    annotator: Annotator = "anonymous"
    lead_time_s: float | None = Field(None, ge=0, le=1e7, allow_inf_nan=False)
    key: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="an answer with a key seen before counts once",
    )


class LabelsIn(Model):
    """Answers, recorded all together or not at all."""

    labels: list[AnswerIn] = Field(min_length=1, max_length=100_000)


class PredictIn(Model):
    """Samples of the pool, or embeddings from outside it."""

    sample_ids: list[SampleId] | None = Field(None, max_length=10_000)
    embeddings: list[list[float]] | None = Field(None, max_length=10_000)


class PredictionsIn(Model):
    """Class probabilities by a model of the user's own, one row a sample.

    They replace what was sent earlier for the same samples; what was sent for others stands.
    """

    sample_ids: list[SampleId] = Field(min_length=1)
    probabilities: list[list[float]] = Field(min_length=1)


class ClassesIn(Model):
    """Classes to append."""

    classes: list[ClassName] = Field(min_length=1, max_length=10_000)


class SamplesIn(Model):
    """Samples to add to a running campaign."""

    source: Source


class ComparisonIn(Model):
    """Strategies to replay on what a campaign has labeled so far, against random sampling."""

    strategies: list[Annotated[str, StringConstraints(min_length=1, max_length=4096)]] = Field(
        ["default", "margin"],
        min_length=1,
        max_length=8,
        description="names as campaigns take them; `uniform`, random sampling, always runs",
    )
    repeats: int = Field(30, ge=2, le=100, description="of all, each with a split of its own")
    budget: int = Field(
        100, ge=2, le=2000, description="labels in all; cut to what the holdout leaves"
    )
    batch: int = Field(1, ge=1, le=1000, description="labels at a time")
    holdout: float = Field(0.2, ge=0.05, le=0.5, description="share that is measured on")
    imbalance: float | None = Field(
        None, gt=1, le=1000, description="thin the pool until the rarest class is so rare"
    )
    probe: bool = Field(True, description="judge by a linear model, too")
    seed: int = Field(0, ge=0, lt=2**63)


class ReembedIn(Model):
    """Other vectors for the samples of a running campaign; what is left out stays as it is."""

    embedder: str | None = Field(None, max_length=200, description="as for a new campaign")
    checkpoint: str | None = Field(None, max_length=4096, description="weights of that embedder")
    reduce: str | None = Field(
        None, max_length=40, description="as for a new campaign; `none`: all dimensions"
    )
    learn_metric: bool = Field(
        False,
        description="learn from the labels which directions tell the classes apart; taken only "
        "where cross-validation says that it helps",
    )
    switch: Literal["never", "if_better", "always"] = Field(
        "never", description="whether the campaign goes on with the new vectors"
    )
