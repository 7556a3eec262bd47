"""The nouns that go out: answers are written from these models."""

from typing import Literal

from pydantic import Field

from al_server.models import ComparisonIn, Label, Model, ReembedIn


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
