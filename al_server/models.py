"""The nouns that cross the door.

Requests are validated by these models, answers are written from them, and /openapi.json is
generated from them.
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


# -- requests ---------------------------------------------------------------------------------


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


# -- answers ----------------------------------------------------------------------------------


class Failure(Model):
    """A sample that could not be taken in."""

    sample: str
    reason: str


class Measured(Model):
    """A share, and the interval that holds the true one with 95% certainty."""

    n: int = Field(description="samples that it was measured on")
    value: float
    low: float
    high: float


class CampaignInfo(Model):
    """A campaign as it stands."""

    name: str
    state: Literal["preparing", "ready", "failed"]
    progress: float = Field(ge=0, le=1)
    message: str | None = Field(None, description="what it is doing, or what to know about it")
    error: str | None = Field(
        None, description="why it failed; of a campaign that is ready: why no samples were added"
    )
    adding: float | None = Field(
        None, ge=0, le=1, description="share done of samples being added to a running campaign"
    )
    task: Literal["single", "multi"]
    classes: list[str]
    n_samples: int
    n_labeled: int
    n_pending: int
    n_skipped: int
    n_answers: int = Field(description="answers that count against the budget")
    budget: int | None
    overlap: int
    lease_s: float
    strategy: str
    random_share: float = Field(description="share of the picks that are drawn at random")
    classifier: str
    embedder: str | None
    n_features: int | None
    reduce: str | None = Field(None, description="reduction of the vectors")
    metric: str | None = Field(
        None, description="metric learned from labels that they went through"
    )
    holdout_accuracy: float | None
    random_accuracy: Measured | None = Field(
        description="on the newest samples that were drawn at random, each predicted before its "
        "label was known; in multi-label campaigns the share of right yes/no answers"
    )
    failures: list[Failure] = Field(description="samples left out, the first 100")
    n_failures: int
    created_at: float


class Campaigns(Model):
    """All campaigns."""

    campaigns: list[CampaignInfo]


class Gain(Model):
    """A difference of two accuracies, with its 95% interval."""

    mean: float
    low: float
    high: float


class VectorsCompared(Model):
    """How often the votes of the nearest labeled samples are right, with old vectors and new."""

    n: int = Field(description="labeled samples, each left out of the votes on itself")
    old: float
    new: float
    gain: Gain
    p_value: float = Field(description="of the sign test; one label a sample: McNemar's test")
    verdict: Literal["better", "worse", "undecided"]


class ReembedInfo(Model):
    """A re-embedding, as it stands; the last one of a campaign is kept until the server stops."""

    state: Literal["running", "done", "failed"]
    asked: ReembedIn
    progress: float = Field(ge=0, le=1)
    message: str
    error: str | None = None
    compared: VectorsCompared | None = Field(None, description="null before it is known")
    metric: str | None = Field(None, description="what was found about a learned metric")
    n_features: int | None = Field(None, description="dimensions of the new vectors")
    switched: bool = False


class NearestLabeled(Model):
    """A labeled sample near the one in question; distance is cosine distance."""

    sample_id: str
    label: Label
    distance: float


class Receipt(Model):
    """Why this sample."""

    strategy: str
    score: float | None
    parts: dict[str, float] | None = Field(description="percentiles among the candidates, 0..1")
    random: bool = Field(False, description="drawn at random, not by the strategy")
    nearest_labeled: list[NearestLabeled]


class Prediction(Model):
    """What the classifier believes.

    In multi-label campaigns: the classes at 0.5 or above, and the probability of the likeliest one.
    """

    label: Label
    probability: float


class PickedSample(Model):
    """A sample leased to an annotator."""

    sample_id: str
    uri: str | None = Field(
        description="where its picture or text is served; null for bare vectors"
    )
    kind: Literal["image", "text", "vector"]
    text: str | None
    prediction: Prediction | None
    lease_expires_at: float
    receipt: Receipt


class NextBatch(Model):
    """What to label next; empty with a reason when there is nothing."""

    samples: list[PickedSample]
    reason: Literal["budget_spent", "pool_exhausted", "all_leased"] | None
    preload: str | None = Field(None, description="the uri that is likely to come next")


class Recorded(Model):
    """Answers now in the log, on disk."""

    accepted: int
    n_labeled: int


class Undone(Model):
    """An answer taken back."""

    sample_id: str
    label: Label | None = Field(description="what was taken back; null: a skip")
    n_labeled: int


class AnswerOut(Model):
    """An answer that stands."""

    annotator: str
    label: Label | None
    at: float
    lead_time_s: float | None


class SampleInfo(Model):
    """One sample and what is known of it."""

    sample_id: str
    uri: str | None
    kind: Literal["image", "text", "vector"]
    text: str | None
    status: Literal["unlabeled", "pending", "labeled", "skipped"]
    label: Label | None
    answers: list[AnswerOut]
    prediction: Prediction | None
    nearest_labeled: list[NearestLabeled]


class SimilarSample(Model):
    """A sample near another one; distance is cosine distance."""

    sample_id: str
    uri: str | None
    kind: Literal["image", "text", "vector"]
    text: str | None
    distance: float
    status: Literal["unlabeled", "pending", "labeled", "skipped"]
    label: Label | None


class Similar(Model):
    """Nearest first."""

    samples: list[SimilarSample]


class Predicted(Model):
    """The classifier's answer for one sample or vector."""

    sample_id: str | None
    label: Label
    probabilities: dict[str, float]
    neighbors: list[NearestLabeled]


class PredictOut(Model):
    """One prediction for each sample asked for, in order."""

    predictions: list[Predicted]


class CurvePoint(Model):
    """Holdout accuracy after so many labeled samples."""

    n_labeled: int
    accuracy: float


class ComparedPoint(Model):
    """Two classifiers that learned from as many labels, measured on the same samples."""

    n_labeled: int
    campaign: float = Field(description="accuracy with the first labels of this campaign")
    random: float = Field(description="accuracy with as many labels of random samples")
    gain: Gain


class AgainstRandom(Model):
    """What the campaign gains over random sampling, measured on its random picks."""

    n_test: int = Field(description="samples that it is measured on")
    gain: Gain = Field(description="mean over the numbers of labels up to the last point")
    points: list[ComparedPoint]
    target: float = Field(description="accuracy of random sampling with half of its labels")
    labels: float | None = Field(description="labels that the campaign needed for that; null: more")
    ratio: tuple[float | None, float | None, float | None] = Field(
        description="`labels` over those that random sampling needed, with its 95% interval; null "
        "where that is open"
    )


class Progress(Model):
    """How far a campaign has come."""

    info: CampaignInfo
    class_counts: dict[str, int]
    annotators: dict[str, int] = Field(description="answers by annotator")
    curve: list[CurvePoint]
    against_random: AgainstRandom | None = Field(
        None, description="null without random picks, or while there are too few"
    )


class ComparisonVerdict(Model):
    """What a comparison comes down to, in sentences."""

    headline: str
    wins: list[str]
    losses: list[str]
    undecided: list[str]
    linear_model: str | None
    warnings: list[str]


class ComparisonInfo(Model):
    """A comparison on the labels of a campaign, as it stands."""

    number: int
    state: Literal["running", "done", "failed"]
    asked: ComparisonIn
    n_labeled: int = Field(description="labeled samples when it began")
    started_at: float
    progress: float = Field(ge=0, le=1)
    time_left_s: float | None = Field(description="null before the first repeat, and at the end")
    error: str | None
    verdict: ComparisonVerdict | None = Field(description="null until it is done")


class Comparisons(Model):
    """Comparisons of a campaign, newest first; the last few are kept."""

    comparisons: list[ComparisonInfo]


class ClassesOut(Model):
    """All classes, the appended ones last."""

    classes: list[str]


class ErrorBody(Model):
    """What, where, and what to do."""

    code: str
    message: str
    remedy: str


class ErrorOut(Model):
    """Every error of the server."""

    error: ErrorBody
